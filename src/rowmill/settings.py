"""Settings with their origin: option > environment > rowmill.toml > the user's file > the job > default."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from rowmill.errors import ConfigurationError
from rowmill.wire import MAX_LINES_PER_BATCH, NO_SETTINGS, WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "ROWMILL_"
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
PROJECT_FILE = "rowmill.toml"
RUNNERS = ("inline", "processes", "kubernetes", "stepfunctions")


class Value(msgspec.Struct, frozen=True):
    """A setting's value, and where it came from."""

    value: Any
    origin: str


def _whole(text: Any) -> int:
    if isinstance(text, bool) or not str(text).isdecimal() or int(text) < 1:
        raise ValueError("a whole number of at least 1")
    return int(text)


def _rows(text: Any) -> int | None:
    return None if text in ("auto", None) else _whole(text)


def _yes(text: Any) -> bool:
    if str(text).lower() not in ("true", "false", "1", "0"):
        raise ValueError("true or false")
    return str(text).lower() in ("true", "1")


def _auth(text: Any) -> str:
    if text not in ("password", "iam"):
        raise ValueError("password or iam")
    return str(text)


def _tracker(text: Any) -> str:
    if urlsplit(str(text)).password is not None:  # said without the value, which is a secret
        raise ConfigurationError(
            "a tracker's URL must not hold a password", hint="give it by a file: tracker_password_file"
        )
    return str(text)


def _named(text: Any) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", str(text)):
        raise ValueError("a name as Kubernetes has them: small letters, digits, - and .")
    return str(text)


def _claim(text: Any) -> str:
    name, colon, mount = str(text).partition(":")
    if not colon or not mount.startswith("/") or mount.strip("/") == "" or "//" in mount:
        raise ValueError("NAME:/PATH")
    return f"{_named(name)}:{mount.rstrip('/')}"


def _quantity(text: Any) -> str:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?", str(text)):
        raise ValueError("a quantity as Kubernetes has them: 2, 500m, 1Gi")
    return str(text)


def _fan_out(text: Any) -> str:
    if text not in ("indexed", "per-partition"):
        raise ValueError("indexed or per-partition")
    return str(text)


def _seconds(text: Any) -> int:
    found = re.fullmatch(r"([1-9][0-9]*)(s|m|h|d)?", str(text))
    if found is None:
        raise ValueError("a time: 3600, 90m, 24h")
    return int(found[1]) * UNITS_S[found[2] or "s"]


def _runner(text: Any) -> str:
    if text not in RUNNERS:
        raise ValueError("inline, processes, kubernetes or stepfunctions")
    return str(text)


class Setting(msgspec.Struct, frozen=True):
    """One setting: how its text is read, its default, and what it is for."""

    read: Callable[[Any], Any]
    default: Any
    about: str


SETTINGS: dict[str, Setting] = {
    "workspace": Setting(str, WORKSPACE, "folder under which runs keep manifest, receipts, data, reports"),
    "table": Setting(str, "sqlite:///rowmill.db", "where results are saved, if the job has a table; `none` = nowhere"),
    "workers": Setting(_whole, None, "partitions at once; by default one per core"),
    "on": Setting(
        _runner, None, "inline, processes, kubernetes or stepfunctions; by default here, by the number of rows"
    ),
    "rows_per_partition": Setting(_rows, None, "rows in a partition, or auto"),
    "rejects": Setting(str, None, "stop, a number of rows, a share as 0.5%, or hold"),
    "create_table": Setting(_yes, False, "make a DynamoDB table that is not there, on demand, with the job's key"),
    "write_rate": Setting(_whole, None, "write units a second into DynamoDB, over all workers of a run"),
    "tracker": Setting(_tracker, "", "redis:// or rediss:// address that shows progress to others; none by default"),
    "tracker_password_file": Setting(str, None, "file that holds the tracker's password"),
    "tracker_auth": Setting(_auth, "password", "password, or iam for ElastiCache"),
    "event_id": Setting(str, "", "id of the event that asked for the run: the tracker tells by it which run that is"),
    "image": Setting(str, None, "image that pods run: ours, or one built on it"),
    "namespace": Setting(_named, None, "namespace of pods; by default the kubeconfig's"),
    "kube_context": Setting(str, None, "context of the kubeconfig; by default the current one"),
    "service_account": Setting(_named, None, "service account of pods, by which the cloud knows them"),
    "claim": Setting(_claim, None, "volume claim that pods share, and where they see it: NAME:/PATH"),
    "pod_template": Setting(str, None, "file, YAML or JSON, that is merged into every pod"),
    "cpu": Setting(_quantity, "1", "CPU that a pod requests"),
    "memory": Setting(_quantity, "1Gi", "memory that a pod requests, and its limit"),
    "fan_out": Setting(_fan_out, "indexed", "indexed: one KubernetesJob for all partitions; or per-partition"),
    "pod_deadline": Setting(_seconds, 86_400, "longest life of a step's KubernetesJob: seconds, or 90m, 24h"),
    "queue": Setting(_named, None, "queue of Kueue, which lets KubernetesJobs start"),
    "state_machine": Setting(str, None, "name or ARN of a deployed state machine; by default the only one that fits"),
    "s3_bucket_owner": Setting(str, None, "AWS account that must own every bucket"),
    "s3_kms_key": Setting(str, None, "KMS key by which objects are encrypted"),
}


def resolve(given: Mapping[str, Any], job_defaults: Mapping[str, Any] | None = None) -> dict[str, Value]:
    """Return each setting's value and origin.

    Args:
        given: What options or arguments say; None = not said.
        job_defaults: What the job says.

    Raises:
        ConfigurationError: A value does not read, or a file has an unknown key.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = [
        ("option", {name: value for name, value in given.items() if value is not None}),
        ("environment", _environment()),
        (PROJECT_FILE, _file(Path(PROJECT_FILE))),
        ("user file", _file(user_file())),
        ("job", {name: value for name, value in (job_defaults or {}).items() if value is not None}),
    ]
    return {name: _first(name, setting, layers) for name, setting in SETTINGS.items()}


def _first(name: str, setting: Setting, layers: list[tuple[str, Mapping[str, Any]]]) -> Value:
    for origin, values in layers:
        if name in values:
            try:
                return Value(setting.read(values[name]), origin)
            except ValueError as error:
                raise ConfigurationError(
                    f"{name} = {values[name]!r} ({origin}) is not {error}", hint=f"{name}: {setting.about}"
                ) from None
    default = len(os.sched_getaffinity(0)) if name == "workers" else setting.default
    return Value(default, "default")


def _environment() -> dict[str, str]:
    found = {
        key[len(PREFIX) :].lower(): value
        for key, value in os.environ.items()
        if key.startswith(PREFIX) and not key.endswith("_COMPLETE") and key not in NO_SETTINGS
    }
    for key in found:
        if key not in SETTINGS:
            raise _unknown(f"{PREFIX}{key.upper()}", key, "the environment", upper=True)
    if MAX_LINES_PER_BATCH in os.environ:
        found.setdefault("rows_per_partition", os.environ[MAX_LINES_PER_BATCH])
    return found


def _file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} does not read: {error}", hint="correct the file") from None
    for key in values:
        if key not in SETTINGS:
            raise _unknown(key, key, str(path))
    return values


def _unknown(shown: str, key: str, where: str, *, upper: bool = False) -> ConfigurationError:
    near = difflib.get_close_matches(key, SETTINGS, n=1)
    names = [f"{PREFIX}{name.upper()}" if upper else name for name in (near or SETTINGS)]
    hint = f"did you mean {names[0]}?" if near else f"there are {', '.join(names)}"
    return ConfigurationError(f"{where} has an unknown setting {shown}", hint=hint)


def user_file() -> Path:
    """Return where a user's own settings are."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "rowmill" / "config.toml"
