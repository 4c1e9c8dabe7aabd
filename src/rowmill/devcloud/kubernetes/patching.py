"""Patches: merge, strategic merge, and JSON patch; what a patch makes of an object. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes import answers, schema
from rowmill.devcloud.kubernetes.deleting import copied

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = ("application/apply-patch+yaml", "application/apply-patch+cbor")
DIRECTIVE, RETAIN, REMOVE_FROM = "$patch", "$retainKeys", "$deleteFromPrimitiveList/"


def rejected() -> answers.Refusal:
    """Return the answer for a JSON patch that does not fit the object."""
    return answers.Refusal(422, "Invalid", "the server rejected our request due to an error in our request", {})


def patched(sort: str, obj: Object, patch: Any) -> Object:
    """Return what a patch makes of an object.

    Args:
        sort: The patch's media type.
        obj: The object; it stays as it is.
        patch: The patch.

    Raises:
        Refusal: The patch has another shape, or does not fit.
    """
    if sort == JSON_PATCH:
        if not isinstance(patch, list):
            why = "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
            raise answers.bad_request(why)
        new = copied(obj)
        for operation in patch:
            new = _operated(new, operation)
        return new  # type: ignore[no-any-return]
    if not isinstance(patch, dict):
        why = "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        raise answers.bad_request(why)
    return _strategic(obj["kind"], obj, patch) if sort == STRATEGIC else merged(obj, patch)


def merged(old: Any, patch: Object) -> Object:
    """Return what a merge patch makes of a value: null takes away, objects are merged, all else is replaced."""
    new = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        else:
            new[name] = merged(new.get(name), value) if isinstance(value, dict) else copied(value)
    return new


def _strategic(sort: str, old: Any, patch: Object) -> Object:
    """Merge as Kubernetes' own tools do: lists that have a key are merged by it."""
    fields = schema.FIELDS.get(sort, {})
    new = dict(old) if isinstance(old, dict) and patch.get(DIRECTIVE) != "replace" else {}
    if isinstance(patch.get(RETAIN), list):
        new = {name: value for name, value in new.items() if name in patch[RETAIN]}
    for name, value in patch.items():
        if name in (DIRECTIVE, RETAIN) or name.startswith("$setElementOrder/"):
            continue
        if name.startswith(REMOVE_FROM):
            field = name.removeprefix(REMOVE_FROM)
            new[field] = [item for item in new.get(field, []) if item not in value]
        elif value is None:
            new.pop(name, None)
        else:
            new[name] = _strategic_value(fields.get(name, ""), new.get(name), value)
    return new


def _strategic_value(sort: str, old: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return _strategic(sort, old, value)
    if isinstance(value, list) and sort.startswith("[]") and schema.element(sort)[1]:
        return _list(*schema.element(sort), list(old or ()), value)
    return copied(value)


def _list(inside: str, key: str, old: list[Any], patch: list[Any]) -> list[Any]:
    if key == "+":
        return old + [item for item in patch if item not in old]
    if not all(isinstance(item, dict) for item in patch):
        return copied(patch)  # type: ignore[no-any-return]  # whoever reads the result says what is wrong
    if any(item.get(DIRECTIVE) == "replace" for item in patch):
        return [copied(item) for item in patch if DIRECTIVE not in item]
    new = list(old)
    for item in patch:
        place = next((at for at, found in enumerate(new) if found.get(key) == item.get(key)), None)
        if item.get(DIRECTIVE) == "delete":
            new = [found for found in new if found.get(key) != item.get(key)]
        elif place is None:
            new.append(copied(item))
        else:
            new[place] = _strategic(inside, new[place], item)
    return new


def _operated(obj: Any, operation: Any) -> Any:
    """Return what one operation of a JSON patch makes of a document, which may be changed."""
    try:
        verb, path = operation["op"], _pointer(operation["path"])
        if verb in ("move", "copy"):
            value = copied(_at(obj, _pointer(operation["from"])))
            if verb == "move":
                obj = _removed(obj, _pointer(operation["from"]))
            return _added(obj, path, value)
        if verb == "remove":
            return _removed(obj, path)
        if verb == "test":
            if _at(obj, path) != operation["value"]:
                raise rejected()
            return obj
        if verb == "replace":
            _at(obj, path)
            obj = _removed(obj, path)
        elif verb != "add":
            raise rejected()
        return _added(obj, path, operation["value"])
    except (KeyError, IndexError, ValueError, TypeError):
        raise rejected() from None


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(obj: Any, path: list[str]) -> Any:
    for part in path:
        obj = obj[int(part)] if isinstance(obj, list) else obj[part]
    return obj


def _removed(obj: Any, path: list[str]) -> Any:
    owner = _at(obj, path[:-1])
    del owner[int(path[-1]) if isinstance(owner, list) else path[-1]]
    return obj


def _added(obj: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    owner = _at(obj, path[:-1])
    if isinstance(owner, list):
        owner.insert(len(owner) if path[-1] == "-" else int(path[-1]), value)
    else:
        owner[path[-1]] = value
    return obj
