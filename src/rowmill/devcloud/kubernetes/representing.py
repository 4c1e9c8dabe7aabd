"""In which form an object is shown: whole, its metadata alone, or as a table for people. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.kinds import Kind

WHOLE, PARTIAL, TABLE = "whole", "partial", "table"
META = "meta.k8s.io/v1"
AVAILABLE = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
WIDE = 1


def form(accept: str) -> str:
    """Return the form that a client takes: the first of its wishes that can be met.

    Raises:
        Refusal: 406, none can be.
    """
    for wish in (part.strip() for part in (accept or "*/*").split(",")):
        media, _, rest = wish.partition(";")
        if media not in ("application/json", "application/yaml", "application/*", "*/*"):
            continue
        words = dict(word.strip().split("=", 1) for word in rest.split(";") if "=" in word)
        if "as" not in words:
            return WHOLE
        if words.get("g") == "meta.k8s.io" and words.get("v") == "v1":
            if words["as"] == "Table":
                return TABLE
            if words["as"].startswith("PartialObjectMetadata"):
                return PARTIAL
    why = f"406: Not Acceptable\n\nAvailable representations: {AVAILABLE}"
    raise answers.Refusal(406, "NotAcceptable", why, {})


def shown(kind: Kind, obj: Object, wanted: str, now: float) -> Object:
    """Return one object in the form that is wanted."""
    if wanted == PARTIAL:
        return {"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": obj["metadata"]}
    if wanted == TABLE:
        return table(kind, [obj], {"resourceVersion": obj["metadata"].get("resourceVersion", "")}, now)
    return obj


def listed(kind: Kind, found: Sequence[Object], meta: Object, wanted: str, now: float) -> Object:
    """Return many objects in the form that is wanted."""
    if wanted == TABLE:
        return table(kind, found, meta, now)
    if wanted == PARTIAL:
        items = [shown(kind, obj, PARTIAL, now) for obj in found]
        return {"kind": "PartialObjectMetadataList", "apiVersion": META, "metadata": meta, "items": items or None}
    bare = [{name: value for name, value in obj.items() if name not in ("kind", "apiVersion")} for obj in found]
    return {"kind": f"{kind.name}List", "apiVersion": kind.api_version, "metadata": meta, "items": bare}


def table(kind: Kind, found: Sequence[Object], meta: Object, now: float) -> Object:
    """Return objects as the table that kubectl prints."""
    columns, cells = TABLES.get(kind.name, ((("Name", 0), ("Age", 0)), _plain))
    rows = [
        {
            "cells": cells(obj, now),
            "object": {"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": obj["metadata"]},
        }
        for obj in found
    ]
    heads = [
        {
            "name": name,
            "type": "string",
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": wide,
        }
        for name, wide in columns
    ]
    return {"kind": "Table", "apiVersion": META, "metadata": meta, "columnDefinitions": heads, "rows": rows}


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def age(start: str, end: float) -> str:
    """Return how long something has been, as kubectl writes it."""
    passed = max(0, int(end - _seconds(start)))
    if passed < 2 * MINUTE_S:
        return f"{passed}s"
    if passed < 3 * HOUR_S:
        return f"{passed // MINUTE_S}m"
    return f"{passed // HOUR_S}h" if passed < 2 * DAY_S else f"{passed // DAY_S}d"


def _age(obj: Object, now: float) -> str:
    return age(obj["metadata"]["creationTimestamp"], now)


def _plain(obj: Object, now: float) -> list[Any]:
    return [obj["metadata"]["name"], _age(obj, now)]


def _job(obj: Object, now: float) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    done = status.get("succeeded", 0)
    wanted = spec.get("completions")
    parallel = spec.get("parallelism", 1)
    completions = (
        f"{done}/{wanted}" if wanted is not None else f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"
    )
    end = _seconds(status["completionTime"]) if "completionTime" in status else now
    lasted = age(status["startTime"], end) if "startTime" in status else ""
    containers = spec["template"]["spec"].get("containers", [])
    selector = ",".join(f"{key}={value}" for key, value in spec.get("selector", {}).get("matchLabels", {}).items())
    names, images = (",".join(each.get(field, "") for each in containers) for field in ("name", "image"))
    return [obj["metadata"]["name"], _job_state(obj), completions, lasted, _age(obj, now), names, images, selector]


def _job_state(obj: Object) -> str:
    true = {each["type"] for each in obj.get("status", {}).get("conditions", ()) if each["status"] == "True"}
    for state in ("Complete", "Failed"):
        if state in true:
            return state
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    for condition, state in (
        ("Suspended", "Suspended"),
        ("FailureTarget", "FailureTarget"),
        ("SuccessCriteriaMet", "SuccessCriteriaMet"),
    ):
        if condition in true:
            return state
    return "Running"


def _pod(obj: Object, now: float) -> list[Any]:
    status, spec = obj.get("status", {}), obj["spec"]
    states = status.get("containerStatuses", [])
    ready = sum(1 for each in states if each.get("ready"))
    restarts = sum(each.get("restartCount", 0) for each in states)
    counts = f"{ready}/{len(spec.get('containers', ()))}"
    wide = [status.get("podIP") or "<none>", spec.get("nodeName") or "<none>", "<none>", "<none>"]
    return [obj["metadata"]["name"], counts, _pod_state(obj, states), str(restarts), _age(obj, now), *wide]


def _pod_state(obj: Object, states: list[Object]) -> str:
    status = obj.get("status", {})
    word = str(status.get("reason") or status.get("phase", ""))
    for each in reversed(states):
        state = each.get("state", {})
        for sort in ("waiting", "terminated"):
            if state.get(sort, {}).get("reason"):
                word = str(state[sort]["reason"])
    return "Terminating" if "deletionTimestamp" in obj["metadata"] else word


def _event(obj: Object, now: float) -> list[Any]:
    about = obj.get("involvedObject", {})
    last = obj.get("lastTimestamp") or obj.get("eventTime") or obj["metadata"]["creationTimestamp"]
    of = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    return [age(last, now), obj.get("type", ""), obj.get("reason", ""), of, obj.get("message", "")]


def _namespace(obj: Object, now: float) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("status", {}).get("phase", ""), _age(obj, now)]


Columns = tuple[tuple[str, int], ...]
TABLES: dict[str, tuple[Columns, Callable[[Object, float], list[Any]]]] = {
    "Job": (
        (
            *((name, 0) for name in ("Name", "Status", "Completions", "Duration", "Age")),
            *((name, WIDE) for name in ("Containers", "Images", "Selector")),
        ),
        _job,
    ),
    "Pod": (
        (
            *((name, 0) for name in ("Name", "Ready", "Status", "Restarts", "Age")),
            *((name, WIDE) for name in ("IP", "Node", "Nominated Node", "Readiness Gates")),
        ),
        _pod,
    ),
    "Event": (tuple((name, 0) for name in ("Last Seen", "Type", "Reason", "Object", "Message")), _event),
    "Namespace": (tuple((name, 0) for name in ("Name", "Status", "Age")), _namespace),
}
