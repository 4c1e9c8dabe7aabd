"""Server-side apply: which manager owns which field, and what an applied configuration makes of an object. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.devcloud.kubernetes import answers, schema
from rowmill.devcloud.kubernetes.deleting import copied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.devcloud.kubernetes.answers import Object

Path = tuple[str, ...]  # of `f:name`, `k:{"name":"main"}`, `v:"value"`, as Kubernetes writes them
UNOWNED = frozenset(("f:" + name,) for name in ("apiVersion", "kind")) | frozenset(
    ("f:metadata", "f:" + name)
    for name in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
        "generateName",
    ]
)


class Manager(NamedTuple):
    """Who owns fields: by which operation, of which part of the object."""

    name: str
    operation: str
    part: str = ""


def paths(kind: str, obj: Object) -> frozenset[Path]:
    """Return the fields that a configuration speaks of: leaves, and elements of lists that have a key."""
    return frozenset(_paths(kind, obj, ())) - UNOWNED


def _paths(sort: str, value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict) and value and (sort in schema.FIELDS or sort in ("map", "quantities", "any")):
        fields = schema.FIELDS.get(sort, {})
        for name, item in value.items():
            yield from _paths(fields.get(name, "any" if sort == "any" else ""), item, (*path, f"f:{name}"))
    elif isinstance(value, list) and sort.startswith("[]") and schema.element(sort)[1]:
        inside, key = schema.element(sort)
        for item in value:
            at = (*path, _element(key, item))
            yield at
            if key != "+":
                yield from _paths(inside, item, at)
    else:
        yield path


def _element(key: str, item: Any) -> str:
    if key == "+":
        return "v:" + json.dumps(item)
    return "k:" + json.dumps({key: item.get(key)}, separators=(",", ":"))


def at(obj: Any, path: Path) -> Any:
    """Return what stands at a path; None if nothing does."""
    for part in path:
        sort, _, word = part.partition(":")
        if sort == "f":
            obj = obj.get(word) if isinstance(obj, dict) else None
        elif sort == "v":
            obj = json.loads(word) if isinstance(obj, list) and json.loads(word) in obj else None
        else:
            wanted = json.loads(word)
            found = (item for item in obj or () if wanted.items() <= item.items())
            obj = next(found, None)
        if obj is None:
            return None
    return obj


def owners(obj: Object | None) -> dict[Manager, frozenset[Path]]:
    """Return who owns which fields of an object."""
    entries = (obj or {}).get("metadata", {}).get("managedFields", ())
    return {
        Manager(each["manager"], each["operation"], each.get("subresource", "")): frozenset(
            _unfolded(each.get("fieldsV1", {}), ())
        )
        for each in entries
    }


def _unfolded(tree: Object, path: Path) -> Iterator[Path]:
    for part, below in tree.items():
        if part == ".":
            yield path
        elif below:
            yield from _unfolded(below, (*path, part))
        else:
            yield (*path, part)


def _folded(found: frozenset[Path]) -> Object:
    tree: Object = {}
    for path in sorted(found):
        place = tree
        for part in path:
            place = place.setdefault(part, {})
    for path in found:
        if path[-1].startswith("k:"):
            at_tree(tree, path)["."] = {}
    return tree


def at_tree(tree: Object, path: Path) -> Object:
    """Return the branch of a tree of fields at a path."""
    for part in path:
        tree = tree[part]
    return tree


def with_owners(obj: Object, owned: dict[Manager, frozenset[Path]], now: str) -> Object:
    """Return an object that says who owns its fields."""
    before = {
        Manager(each["manager"], each["operation"], each.get("subresource", "")): each
        for each in obj["metadata"].get("managedFields", ())
    }
    entries = []
    for manager, found in owned.items():
        if not found:
            continue
        entry = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": obj["apiVersion"],
            "time": now,
            "fieldsType": "FieldsV1",
            "fieldsV1": _folded(found),
            **({"subresource": manager.part} if manager.part else {}),
        }
        old = before.get(manager)
        entries.append(old if old is not None and old["fieldsV1"] == entry["fieldsV1"] else entry)
    return {**obj, "metadata": {**obj["metadata"], "managedFields": entries}}


def _differs(old: Object, new: Object, path: Path) -> bool:
    """Whether two objects differ at a path; of an element of a list only whether it is there."""
    before, after = at(old, path), at(new, path)
    return (before is None) != (after is None) if path[-1].startswith("k:") else bool(before != after)


def updated(old: Object | None, new: Object, manager: Manager, now: str) -> Object:
    """Return an object after an ordinary change: what was changed is its changer's now."""
    kind = new["kind"]
    every = paths(kind, new)
    changed = frozenset(path for path in every if old is None or _differs(old, new, path))
    owned = {who: (found & every) - changed for who, found in owners(old).items()}
    owned[manager] = owned.get(manager, frozenset()) | changed
    base = new if old is None else _with_entries(new, old)
    return with_owners(base, owned, now)


def _with_entries(new: Object, old: Object) -> Object:
    return {**new, "metadata": {**new["metadata"], "managedFields": old["metadata"].get("managedFields", [])}}


def applied(live: Object, wanted: Object, manager: Manager, *, force: bool, now: str) -> Object:
    """Return what an applied configuration makes of an object.

    Raises:
        Refusal: 409, somebody else owns a field that would change.
    """
    kind = live["kind"]
    speaks = paths(kind, wanted)
    owned = owners(live)
    contested = {
        who: frozenset(path for path in found & speaks if _differs(live, wanted, path))
        for who, found in owned.items()
        if who != manager
    }
    if not force:
        _refuse({who: found for who, found in contested.items() if found}, live["apiVersion"])
    owned = {who: found - contested.get(who, frozenset()) for who, found in owned.items()}
    others: frozenset[Path] = frozenset().union(*(found for who, found in owned.items() if who != manager))
    dropped = owned.get(manager, frozenset()) - speaks - others
    new = _merged(kind, copied(live), wanted)
    for path in sorted(dropped, key=len, reverse=True):
        _remove(new, path)
    owned[manager] = speaks
    return with_owners(_with_entries(new, live), owned, now)


def _merged(sort: str, live: Any, wanted: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(live, dict):
        fields = schema.FIELDS.get(sort, {})
        return {**live, **{name: _merged(fields.get(name, ""), live.get(name), item) for name, item in wanted.items()}}
    if isinstance(wanted, list) and isinstance(live, list) and sort.startswith("[]") and schema.element(sort)[1]:
        return _merged_list(*schema.element(sort), live, wanted)
    return copied(wanted)


def _merged_list(inside: str, key: str, live: list[Any], wanted: list[Any]) -> list[Any]:
    if key == "+":
        return live + [item for item in wanted if item not in live]
    given = {_element(key, item): item for item in wanted}
    kept = [_merged(inside, item, given.pop(_element(key, item), item)) for item in live]
    return kept + [copied(item) for item in given.values()]


def _remove(obj: Any, path: Path) -> None:
    owner, (sort, _, word) = at(obj, path[:-1]), path[-1].partition(":")
    if owner is None:
        return
    if sort == "f" and isinstance(owner, dict):
        owner.pop(word, None)
    elif sort == "v" and isinstance(owner, list):
        owner[:] = [item for item in owner if item != json.loads(word)]
    elif sort == "k" and isinstance(owner, list):
        owner[:] = [item for item in owner if not json.loads(word).items() <= item.items()]


def _refuse(contested: dict[Manager, frozenset[Path]], api_version: str) -> None:
    if not contested:
        return
    causes, parts = [], []
    for who, found in sorted(contested.items()):
        called = f'"{who.name}"' if who.operation == "Apply" else f'"{who.name}" using {api_version}'
        fields = sorted(map(dotted, found))
        causes += [
            {"reason": "FieldManagerConflict", "message": f"conflict with {called}", "field": each} for each in fields
        ]
        one = len(fields) == 1
        parts.append(
            f"conflict with {called}: {fields[0]}" if one else f"conflicts with {called}:\n- " + "\n- ".join(fields)
        )
    count = f"{len(causes)} conflict{'s' if len(causes) > 1 else ''}"
    raise answers.Refusal(409, "Conflict", f"Apply failed with {count}: " + "\n".join(parts), {"causes": causes})


def dotted(path: Path) -> str:
    """Return a path as messages have it: `.spec.containers[name="main"].image`."""
    text = ""
    for part in path:
        sort, _, word = part.partition(":")
        if sort == "f":
            text += f".{word}"
        elif sort == "v":
            text += f"[={word}]"
        else:
            text += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(word).items()) + "]"
    return text
