"""Delete one object, or all of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import answers, bodies, decoding, representing, selectors
from rowmill.devcloud.kubernetes.answering import Answer, Api, refused
from rowmill.devcloud.kubernetes.answers import Cause, Object

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.requests import Request, Target

PROPAGATIONS = ("Foreground", "Background", "Orphan")
PRESERVED = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)
SHOWN = ("Pod", "PersistentVolumeClaim", "ServiceAccount", "ResourceQuota", "Namespace")


def answer(api: Api, request: Request, target: Target, verb: str, form: str) -> Answer:
    """Answer to a DELETE."""
    options = _options(request, target)
    silent = target.kind.name != "Job" or verb != "delete" or "propagationPolicy" in options
    warnings = () if silent else (PRESERVED,)
    try:
        if verb == "delete":
            return _one(api, request, target, options, form)._replace(warnings=warnings)
        return _many(api, request, target, options, form)
    except answers.Refusal as refusal:
        return refused(refusal, warnings)


def _options(request: Request, target: Target) -> Object:
    """Return what is said of the deletion, in the body or as parameters."""
    options: Object = {}
    if request.body:
        found, _ = decoding.parsed(request.body, target.kind)
        options = {
            name: value for name, value in (found if isinstance(found, dict) else {}).items() if value is not None
        }
    if request.query.get("propagationPolicy"):
        options["propagationPolicy"] = request.query["propagationPolicy"]
    if request.query.get("gracePeriodSeconds"):
        options["gracePeriodSeconds"] = bodies.number(request, "gracePeriodSeconds")
    if "orphanDependents" in options:
        options["propagationPolicy"] = "Orphan" if options["orphanDependents"] else "Background"
    wanted = options.get("propagationPolicy")
    if wanted is not None and wanted not in PROPAGATIONS:
        words = ", ".join(f'"{word}"' for word in (*PROPAGATIONS, "nil"))
        why = f'Unsupported value: "{wanted}": supported values: {words}'
        raise bodies.options_invalid("DeleteOptions", Cause("FieldValueNotSupported", why, "propagationPolicy"))
    return options


def _delete(api: Api, request: Request, target: Target, name: str, options: Object) -> tuple[Object, bool]:
    dry = bodies.is_dry(request, "DeleteOptions") or options.get("dryRun") == ["All"]
    return api.store.delete(
        target.kind.name,
        target.namespace,
        name,
        propagation=options.get("propagationPolicy", ""),
        grace_s=options.get("gracePeriodSeconds"),
        preconditions=options.get("preconditions"),
        dry_run=dry,
    )


def _one(api: Api, request: Request, target: Target, options: Object, form: str) -> Answer:
    obj, gone = _delete(api, request, target, target.name, options)
    if gone and target.kind.name not in SHOWN:
        details = {**answers.details_of(target.kind, target.name), "uid": obj["metadata"]["uid"]}
        done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return Answer(200, done)
    return Answer(200, representing.shown(target.kind, obj, form, api.store.clock()))


def _many(api: Api, request: Request, target: Target, options: Object, form: str) -> Answer:
    meets = selectors.chosen(target.kind, *(request.query.get(name, "") for name in ("labelSelector", "fieldSelector")))
    found = [obj for obj in api.store.shared(target.kind.name, target.namespace or None)[0] if meets(obj)]
    for obj in found:
        meta = obj["metadata"]
        place = target._replace(namespace=meta.get("namespace", ""))
        _delete(api, request, place, meta["name"], {**options, "preconditions": None})
    meta = {"resourceVersion": str(api.store.version)}
    return Answer(200, representing.listed(target.kind, found, meta, form, api.store.clock()))
