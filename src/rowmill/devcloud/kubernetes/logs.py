"""A pod's log, as the kubelet kept it: all, its end, or as it grows."""

from __future__ import annotations

import time
from contextlib import nullcontext
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from rowmill.devcloud.kubernetes import answers, bodies
from rowmill.devcloud.kubernetes.answering import Answer, Api
from rowmill.devcloud.kubernetes.answers import Cause, Object
from rowmill.devcloud.kubernetes.kubelet.logs import log_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rowmill.devcloud.kubernetes.requests import Request, Target

ACCEPTED = "only the following media types are accepted: application/json, application/yaml"
PROTOBUF = ", application/vnd.kubernetes.protobuf"
POLL_S = 0.05
MICROSECONDS = len("2026-11-24T04:27:13.240396")  # what Python reads of a time


class Wanted(NamedTuple):
    """What of a log is asked for; None = no bound.

    Attributes:
        tail: So many lines from the end.
        most_bytes: So many bytes from the start.
        since: Lines from then on, seconds since 1970.
        timestamps: Whether each line begins with its time.
        follow: Whether to go on as it grows.
    """

    tail: int | None
    most_bytes: int | None
    since: float | None
    timestamps: bool
    follow: bool


class Source(NamedTuple):
    """Which container's log, of which start."""

    pod: Object
    container: str
    path: Path
    over: bool


def answer(api: Api, request: Request, target: Target) -> Answer:
    """Answer to a GET on a pod's log."""
    _check_accept(request)
    pod = api.store.get("Pod", target.namespace, target.name)
    if pod is None:
        raise answers.missing(target.kind, target.name)
    wanted = _wanted(api, request, target.name)
    container = _container(request, pod)
    if not pod["spec"].get("nodeName"):
        return Answer(204, b"", "text/plain")
    source = _source(api, pod, container, previous=request.says("previous"))
    return Answer(200, media="text/plain", stream=_limited(_lines(api, source, wanted), wanted.most_bytes))


def _check_accept(request: Request) -> None:
    wishes = [part.partition(";")[0].strip() for part in request.headers.get("accept", "*/*").split(",")]
    if not {"*/*", "application/json", "application/yaml", "application/*", ""} & set(wishes):
        raise answers.Refusal(406, "NotAcceptable", ACCEPTED + PROTOBUF)


def _wanted(api: Api, request: Request, name: str) -> Wanted:
    for field, least in (("tailLines", 0), ("limitBytes", 1), ("sinceSeconds", 1)):
        if request.query.get(field) and bodies.number(request, field) < least:
            bound = "greater than or equal to 0" if least == 0 else "greater than 0"
            value = request.query[field]
            raise _invalid(name, Cause("FieldValueInvalid", f"Invalid value: {value}: must be {bound}", field))
    if request.query.get("stream") not in (None, "", "All"):
        raise _invalid(name, Cause("FieldValueForbidden", "Forbidden: may not be specified", "stream"))
    since = None
    if request.query.get("sinceSeconds"):
        since = api.store.clock() - bodies.number(request, "sinceSeconds")
    elif request.query.get("sinceTime"):
        since = _since(request.query["sinceTime"])
    return Wanted(
        tail=bodies.number(request, "tailLines") if request.query.get("tailLines") else None,
        most_bytes=bodies.number(request, "limitBytes") or None,
        since=since,
        timestamps=request.says("timestamps"),
        follow=request.says("follow"),
    )


def _since(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise answers.bad_request(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse it') from None


def _invalid(name: str, cause: Cause) -> answers.Refusal:
    details = {"name": name, "kind": "PodLogOptions", "causes": [cause._asdict()]}
    text = f'PodLogOptions "{name}" is invalid: {cause.field}: {cause.message}'
    return answers.Refusal(422, "Invalid", text, details)


def _container(request: Request, pod: Object) -> str:
    name, asked = pod["metadata"]["name"], request.query.get("container", "")
    names = [each["name"] for each in pod["spec"].get("containers", ())]
    every = [*names, *(each["name"] for each in pod["spec"].get("initContainers", ()))]
    if asked:
        if asked not in every:
            raise answers.bad_request(f"container {asked} is not valid for pod {name}")
        return str(asked)
    if len(names) > 1:
        why = f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
        raise answers.bad_request(why)
    return str(names[0])


def _state(pod: Object, container: str) -> Object:
    status = pod.get("status", {})
    states = [*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ())]
    return next((each for each in states if each["name"] == container), {})


def _source(api: Api, pod: Object, container: str, *, previous: bool) -> Source:
    """Return which log is meant: of the container that runs or ran last, or of the one before."""
    meta, found = pod["metadata"], _state(pod, container)
    restarts, state = found.get("restartCount", 0), found.get("state", {})
    if previous and not found.get("lastState", {}).get("terminated"):
        why = f'previous terminated container "{container}" in pod "{meta["name"]}" not found'
        raise answers.bad_request(why)
    if previous or ("waiting" in state and found.get("lastState", {}).get("terminated")):
        return Source(
            pod,
            container,
            _path(api, meta, container, max(0, restarts - (1 if previous and "waiting" not in state else 0))),
            over=True,
        )
    if "running" not in state and "terminated" not in state:
        reason = state.get("waiting", {}).get("reason", "ContainerCreating")
        why = f'container "{container}" in pod "{meta["name"]}" is waiting to start: {reason}'
        raise answers.bad_request(why)
    return Source(pod, container, _path(api, meta, container, restarts), over="terminated" in state)


def _path(api: Api, meta: Object, container: str, restart: int) -> Path:
    return log_path(api.folder, meta["namespace"], meta["uid"], container, restart)


def _lines(api: Api, source: Source, wanted: Wanted) -> Iterator[bytes]:
    """Yield the lines that are wanted; empty ones mark the moments without any.

    The file stays open: what a pod prints while it is deleted is still read when its folder is gone.
    """
    while wanted.follow and not source.path.exists() and not (source.over or _has_ended(api, source)):
        yield b""  # it has not printed anything
        time.sleep(POLL_S)
    with source.path.open("rb") if source.path.exists() else nullcontext(BytesIO()) as log:
        lines = _read(log)
        chosen = [line for line in lines if wanted.since is None or _time(line) >= wanted.since]
        if wanted.tail is not None:
            chosen = chosen[len(chosen) - wanted.tail :] if wanted.tail else []
        yield from _shown(chosen, wanted)
        if wanted.follow:
            yield from _following(api, source, wanted, log)


def _following(api: Api, source: Source, wanted: Wanted, log: BinaryIO) -> Iterator[bytes]:
    over = source.over
    while not api.closing.is_set():
        lines = _read(log)
        yield from _shown(lines, wanted)
        if over and not lines:
            return
        over = over or _has_ended(api, source)
        if not lines and not over:
            yield b""
            time.sleep(POLL_S)


def _has_ended(api: Api, source: Source) -> bool:
    meta = source.pod["metadata"]
    pod = api.store.get("Pod", meta["namespace"], meta["name"])
    if pod is None or pod["metadata"]["uid"] != meta["uid"]:
        return True
    now, then = _state(pod, source.container), _state(source.pod, source.container)
    return "running" not in now.get("state", {}) or now.get("restartCount", 0) != then.get("restartCount", 0)


def _read(log: BinaryIO) -> list[bytes]:
    """Return the whole lines that have come since."""
    start, found = log.tell(), log.read()
    whole = found[: found.rfind(b"\n") + 1]
    log.seek(start + len(whole))
    return whole.splitlines(keepends=True)


def _time(line: bytes) -> float:
    text = line.split(b" ", 1)[0].decode().rstrip("Z")
    return datetime.fromisoformat(f"{text[:MICROSECONDS]}+00:00").timestamp()


def _shown(lines: Iterable[bytes], wanted: Wanted) -> Iterator[bytes]:
    for line in lines:
        moment, _, text = line.split(b" ", 2)
        yield moment + b" " + text if wanted.timestamps else text


def _limited(lines: Iterator[bytes], most_bytes: int | None) -> Iterator[bytes]:
    left = most_bytes
    for line in lines:
        yield line if left is None else line[:left]
        if left is not None:
            left -= len(line)
            if left <= 0:
                return
