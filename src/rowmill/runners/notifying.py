"""A webhook that is told how a run ended: done, held or failed. What it answers changes nothing but a note."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import os
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from rowmill import wire
from rowmill.errors import ConfigurationError, HeldError, RowmillError
from rowmill.model import codec, policy
from rowmill.model.report import Report
from rowmill.runners.attempts import now
from rowmill.runners.opening import workspace_at

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
DONE, HELD, FAILED = "done", "held", "failed"
TRIES, TIMEOUT_S = 4, 5.0
OK, REDIRECT, TOO_MANY, SERVER_ERROR = 200, 300, 429, 500
SIGNATURE, TIMESTAMP = "X-Rowmill-Signature", "X-Rowmill-Timestamp"
DICE = random.Random()  # noqa: S311 - pauses


class Notice(msgspec.Struct, frozen=True):
    """What a webhook is told; no row is in it.

    Attributes:
        event: `done`, `held` or `failed`.
        job, input: What was asked for.
        at: When, ISO 8601, UTC.
        report: What the run did, if it ended well or is held.
        error: What it failed with, as `RowmillError.as_dict` gives it.
    """

    event: str
    job: str
    input: str
    at: str
    report: Any = None
    error: dict[str, str | int] | None = None
    schema: str = "rowmill.notify/1"


class Hook(NamedTuple):
    """Where a webhook is.

    Attributes:
        secure: Whether the way there is encrypted.
        host, port: The server.
        path: The rest of the URL, which often is a secret.
    """

    secure: bool
    host: str
    port: int | None
    path: str

    @property
    def shown(self) -> str:
        """What may be shown of it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}" + (f":{self.port}" if self.port else "")


def hook_of(url: str) -> Hook:
    """Read a webhook's URL.

    Raises:
        ConfigurationError: It is none, holds credentials, or would send over a network in the clear.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError("--notify is no http:// or https:// URL", hint="give the webhook's URL")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "the webhook's URL must not hold credentials",
            hint=f"sign what is sent instead: set {wire.NOTIFY_SECRET_VARIABLE}, and check {SIGNATURE}",
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(
            "a webhook elsewhere must be told by https", hint="give an https:// URL; http:// is for this machine alone"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Hook(parts.scheme == "https", host, port, path)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def told(
    url: str, job: str, given: str, do: Callable[[], T], tell: Callable[[str], None], *, workspace: str | None = None
) -> T:
    """Do a run, and tell a webhook how it ended.

    Args:
        url: The webhook's; empty = nobody is told.
        job: The job's reference.
        given: The input.
        do: Does the run.
        tell: Takes what is worth knowing.
        workspace: Where the run keeps its objects: the report of one that is held is there.

    Raises:
        ConfigurationError: The URL is none that may be told; the run has not begun.
    """
    if not url:
        return do()
    hook = hook_of(url)
    try:
        end = do()
    except RowmillError as error:
        notify(hook, notice_of(job, given, error, workspace), tell)
        raise
    except Exception as error:
        unexpected = RowmillError(f"unexpected {type(error).__name__}")
        notify(hook, notice_of(job, given, unexpected, workspace), tell)
        raise
    notify(hook, notice_of(job, given, end, workspace), tell)
    return end


def notice_of(job: str, given: str, end: object, workspace: str | None) -> Notice:
    """Return what is told of a run's end: its report, or what it failed with; of a run that is held both."""
    if isinstance(end, HeldError):
        return Notice(HELD, job, given, now(), _held(str(end.context.get("run_id", "")), workspace), end.as_dict())
    if isinstance(end, RowmillError):
        return Notice(FAILED, job, given, now(), error=end.as_dict())
    return Notice(DONE, job, given, now(), report=end)


def _held(run_id: str, workspace: str | None) -> Report | None:
    """Return the report of a run that is held, if its workspace is in sight."""
    with suppress(RowmillError):
        name = f"{wire.run_dir(run_id)}/{wire.HELD}"
        data = workspace_at(workspace).get(name)
        return None if data is None else codec.decode(data, Report, name=name)
    return None


def notify(hook: Hook, notice: Notice, tell: Callable[[str], None]) -> bool:
    """Tell a webhook; return whether it took it. Where it did not, that is told, and nothing else happens.

    Args:
        hook: Where.
        notice: What.
        tell: Takes a text for whoever looks.

    Cost: 4 tries of 5 s, with pauses between them.
    """
    body = msgspec.json.encode(notice)
    why = ""
    for tries in range(TRIES):
        if tries:
            time.sleep(policy.pause_s(tries, DICE, base_s=0.25))
        status, why = _posted(hook, body)
        if OK <= status < REDIRECT:
            return True
        if status and status != TOO_MANY and status < SERVER_ERROR:
            break
    tell(f"the webhook at {hook.shown} was not told that the run is {notice.event}: {why}; the run's end is the same")
    return False


def _posted(hook: Hook, body: bytes) -> tuple[int, str]:
    """Send once; return the answer's status, 0 if there was none, and what went wrong. Redirects are not followed."""
    kind = http.client.HTTPSConnection if hook.secure else http.client.HTTPConnection
    connection = kind(hook.host, hook.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", hook.path, body, {"Content-Type": "application/json", **_signed(body)})
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        return 0, f"it does not answer ({type(error).__name__})"
    else:
        return answer.status, f"it answers {answer.status}"
    finally:
        connection.close()


def _signed(body: bytes) -> dict[str, str]:
    """Return the headers by which the receiver knows who sent this, and when; none without a secret."""
    secret = os.environ.get(wire.NOTIFY_SECRET_VARIABLE, "")
    if not secret:
        return {}
    at = str(int(time.time()))
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {TIMESTAMP: at, SIGNATURE: f"sha256={digest}"}
