"""From the user's words to what pods are made of: places as pods see them, code that goes along, settings handed on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill import kubejobs, settings
from rowmill.errors import ConfigurationError, ProcessingError
from rowmill.kubejobs import Pods, Request, naming
from rowmill.kubejobs.places import CODE, claim_of, code_key, file_in_pods, refuse_password, table_in_pods
from rowmill.runners import loading
from rowmill.runners.starting import NO_TABLE
from rowmill.settings import PREFIX, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rowmill.job import Job
    from rowmill.runners.starting import Asked

TEMPLATE_FILE = "pod-template.json"
# Of a step: given on its command line where the user gave them so, else by variable.
OPTIONS = ("table", "rows_per_partition", "rejects", "write_rate", "tracker")
HANDED_ON = (*OPTIONS, "tracker_password_file", "tracker_auth", "event_id", "s3_bucket_owner", "s3_kms_key")
# Of whoever starts pods.
COORDINATOR = (
    "image", "namespace", "service_account", "claim", "cpu", "memory", "fan_out", "pod_deadline", "queue",
)  # fmt: skip


class InPods(NamedTuple):
    """A request, ready for pods.

    Attributes:
        pods: What pods have.
        request: What the run is asked to do, as pods see it.
        files: The user's code, to be kept in the ConfigMap `pods.code`; empty = the image has it.
        template: The user's pod template, None if there is none.
        chosen: All settings, with their origin.
    """

    pods: Pods
    request: Request
    files: dict[str, str]
    template: dict[str, Any] | None
    chosen: dict[str, Value]

    @property
    def digest(self) -> str:
        """What names the request before its run's id is known."""
        return naming.request_digest(self.pods, self.request)

    @property
    def place(self) -> str:
        """What names the request's places, whoever asks."""
        return naming.place_digest(self.pods, self.request)

    def with_template(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Return a KubernetesJob with the user's template merged in."""
        return manifest if self.template is None else kubejobs.with_template(manifest, self.template)


class ForCoordinator(NamedTuple):
    """What a coordinator in the cluster is made from.

    Attributes:
        pods: What its pod has.
        files: The user's code, and the pod template beside it, to be kept in the ConfigMap `pods.code`.
        settings: What it goes by, by name.
    """

    pods: Pods
    files: dict[str, str]
    settings: dict[str, str]


def for_coordinator(made: InPods) -> ForCoordinator:
    """Return what a coordinator in the cluster needs to do as its user would from here."""
    given = {name: str(made.chosen[name].value) for name in COORDINATOR if made.chosen[name].origin != "default"}
    files = dict(made.files)
    if made.template is not None:
        files[TEMPLATE_FILE] = msgspec.json.format(msgspec.json.encode(made.template)).decode() + "\n"
        given["pod_template"] = f"{CODE}/{TEMPLATE_FILE}"
    code = kubejobs.code_name(files) if files else ""
    return ForCoordinator(msgspec.structs.replace(made.pods, code=code), files, given)


def in_pods(asked: Asked, *, keep_code: bool = False, overwrite: bool = False) -> InPods:
    """Return what a request means in pods; nothing is asked of a cluster.

    Args:
        asked: The user's words; the job by its reference.
        keep_code: Finished partitions stay although the code changed.
        overwrite: An output of another run may be replaced.

    Raises:
        ConfigurationError: Pods would not find what it names, or a manifest would show a secret.
    """
    if not isinstance(asked.job, str):
        raise ConfigurationError(
            "pods find a job by its reference", hint="put it into a file, as job.py, and give 'job.py'"
        )
    chosen = settings.resolve(asked.settings)
    if not chosen["image"].value:
        raise ConfigurationError("there is no image for pods", hint="give --image, or image in rowmill.toml")
    reference, files = _code(asked.job)
    template = _template(chosen["pod_template"].value)
    pods = _pods(chosen, reference, files)
    if template is not None:
        digest = hashlib.sha256(msgspec.json.encode(template, order="sorted")).hexdigest()
        pods = msgspec.structs.replace(pods, template=digest)
    flags = {"fresh": asked.fresh, "continue": keep_code, "overwrite": overwrite}
    return InPods(pods, _request(asked, chosen, pods, flags), files, template, chosen)


def _code(reference: str) -> tuple[str, dict[str, str]]:
    """Return the job's reference in pods, and its file with what it imports from beside it.

    What is not here must be in the image.
    """
    where, name = loading.split_reference(reference)
    path = Path(where)
    if not where.endswith(".py") or (path.is_absolute() and not path.exists()):
        return reference, {}
    _loaded(reference)
    files = {code_key(path.name): path, **{one.name: one for one in loading.beside(path)}}
    return kubejobs.code_reference(path.name, name), {key: _text(file) for key, file in files.items()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the job file {path} does not read: {error}", hint="check the path") from None


def _loaded(reference: str) -> Job | None:
    """Return the job; None where only the image can tell, which may have libraries that are not here."""
    try:
        return loading.load_job(reference)
    except ProcessingError:
        return None
    except ConfigurationError:
        if Path(loading.split_reference(reference)[0]).is_file():
            raise
        return None


def _pods(chosen: Mapping[str, Value], reference: str, files: Mapping[str, str]) -> Pods:
    claim = claim_of(chosen["claim"].value)
    env = {
        f"{PREFIX}{name.upper()}": str(chosen[name].value)
        for name in HANDED_ON
        if chosen[name].origin not in ("default", "job") and not _as_option(name, chosen[name])
    }
    for name, value in env.items():
        refuse_password(value, name)
    return Pods(
        image=chosen["image"].value,
        job=reference,
        workspace=kubejobs.workspace_in_pods(chosen["workspace"].value, claim),
        namespace=chosen["namespace"].value or "",
        service_account=chosen["service_account"].value or "",
        claim=claim,
        code=kubejobs.code_name(files) if files else "",
        env=env,
        cpu=chosen["cpu"].value,
        memory=chosen["memory"].value,
        deadline_s=chosen["pod_deadline"].value,
        queue=chosen["queue"].value or "",
    )


def _as_option(name: str, value: Value) -> bool:
    return name in OPTIONS and value.origin == "option"


def _request(asked: Asked, chosen: Mapping[str, Value], pods: Pods, flags: Mapping[str, bool]) -> Request:
    table = chosen["table"].value
    if table != NO_TABLE and (chosen["table"].origin != "default" or _declares_table(str(asked.job))):
        table_in_pods(table, pods.claim)
    options = {name: str(chosen[name].value) for name in OPTIONS if _as_option(name, chosen[name])}
    for name, value in [*options.items(), *(asked.params or {}).items()]:
        refuse_password(value, name)
    if asked.input == "-":
        raise ConfigurationError("pods have no standard input", hint="put it where pods see it")
    given = {**flags, "create-table": chosen["create_table"].value}
    return Request(
        input=file_in_pods(asked.input, pods.claim, "the input"),
        output=file_in_pods(asked.output, pods.claim, "the output") if asked.output else "",
        options={**options, "workers": str(chosen["workers"].value)},
        params=dict(asked.params or {}),
        flags=tuple(name for name, wanted in given.items() if wanted),
    )


def _declares_table(reference: str) -> bool:
    job = _loaded(reference)
    return job is not None and job.table is not None


def _template(file: str | None) -> dict[str, Any] | None:
    if file is None:
        return None
    path = Path(file)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the pod template {file} does not read: {error.strerror}", hint="check the path"
        ) from None
    try:
        found = msgspec.json.decode(data) if path.suffix == ".json" else msgspec.yaml.decode(data)
    except ImportError:
        raise ConfigurationError("the pod template is YAML", hint="pip install 'rowmill[kubernetes]'") from None
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"the pod template {file} does not read: {error}", hint="correct it") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"the pod template {file} is no mapping", hint="give metadata and spec of a pod")
    return found
