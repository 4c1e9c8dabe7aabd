"""From a request's body to an object: fields that Kubernetes does not know are told, sorts are checked. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.devcloud.kubernetes import answers, schema
from rowmill.devcloud.kubernetes.answers import Cause, Object

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.kinds import Kind

QUANTITY = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)")
BAD_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NUMBERS = ("int32", "int64")
GO_TYPES = {"*string": "string", "time": "string", "map": "map[string]string", "off": "bool"}
SHOWN = 30


class Decoded(NamedTuple):
    """What a body says.

    Attributes:
        object: The object, without what is unknown, empty or null.
        complaints: Fields that are unknown or stand twice, in order.
        lacking: Fields that Kubernetes has and this one has not.
    """

    object: Object
    complaints: list[str]
    lacking: list[Cause]


def parsed(body: bytes, kind: Kind) -> tuple[Any, dict[int, list[str]]]:
    """Return what a JSON text says, and which objects in it have names twice.

    Raises:
        Refusal: It is no JSON.
    """
    twice: dict[int, list[str]] = {}

    def collect(pairs: list[tuple[str, Any]]) -> Object:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice[id(found)] = [name for name in found if names.count(name) > 1]
        return found

    try:
        return json.loads(body or b"", object_pairs_hook=collect), twice
    except ValueError:
        text = body.decode("utf-8", "replace")
        shown = (text[:SHOWN] + " ..." if len(text) > SHOWN else text) or "<empty>"
        raise answers.bad_request(
            f"the object provided is unrecognized (must be of type {kind.name}): couldn't get version/kind; "
            f"json parse error: unexpected end of JSON input ({shown})"
        ) from None


def from_yaml(body: bytes) -> bytes:
    """Return a YAML text as JSON.

    Raises:
        Refusal: It is not YAML, or nothing here reads YAML: it comes with lightkube.
    """
    try:
        import yaml  # noqa: PLC0415 - only who sends YAML needs it
    except ImportError:
        raise answers.Refusal(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json",
        ) from None
    try:
        return json.dumps(yaml.safe_load(body), default=str).encode()
    except yaml.YAMLError:
        raise answers.bad_request("error converting YAML to JSON: yaml: not YAML") from None


def decoded(kind: Kind, found: Any, twice: dict[int, list[str]] | None = None) -> Decoded:
    """Return the object that a body's value means.

    Raises:
        Refusal: It is of another kind, or a field is of another sort.
    """
    if not isinstance(found, dict):
        raise answers.bad_request(
            f"the object provided is unrecognized (must be of type {kind.name}): couldn't get version/kind; "
            'json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:'
            '\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
            f" ({json.dumps(found).encode().hex()[:SHOWN]})"
        )
    _check_kind(kind, found)
    complaints: list[str] = []
    lacking: list[Cause] = []
    walk = _Walk(kind, twice or {}, complaints, lacking)
    obj = _structure(walk, kind.name, found, ())
    return Decoded({**obj, "kind": kind.name, "apiVersion": kind.api_version}, complaints, lacking)


class _Walk(NamedTuple):
    kind: Kind
    twice: dict[int, list[str]]
    complaints: list[str]
    lacking: list[Cause]


def _check_kind(kind: Kind, found: Object) -> None:
    version, name = found.get("apiVersion") or kind.api_version, found.get("kind") or kind.name
    for field, value in (("apiVersion", version), ("kind", name)):
        if not isinstance(value, str):
            why = f"json: cannot unmarshal {_sort(value)} into Go struct field .{field} of type string"
            raise answers.bad_request(f"couldn't get version/kind; json parse error: {why}")
    if (version, name) == (kind.api_version, kind.name):
        return
    why = f'no kind "{name}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
    if version != kind.api_version and name != kind.name:
        why = f'no kind "{name}" is registered for version "{kind.api_version}" in scheme "pkg/runtime/scheme.go:111"'
    raise answers.bad_request(
        f'{name} in version "{version.rpartition("/")[2]}" cannot be handled as a {kind.name}: {why}'
    )


def _structure(walk: _Walk, name: str, found: Object, path: tuple[str | int, ...]) -> Object:
    fields = schema.FIELDS[name]
    walk.complaints.extend(f'duplicate field "{dotted((*path, field))}"' for field in walk.twice.get(id(found), ()))
    new: Object = {}
    for field, value in found.items():
        sort, at = fields.get(field), (*path, field)
        if sort is None:
            walk.complaints.append(f'unknown field "{dotted(at)}"')
        elif value is not None:
            kept = _value(walk, name, sort, value, at)
            if kept is not None:
                new[field] = kept
    return new


def _value(walk: _Walk, owner: str, sort: str, value: Any, path: tuple[str | int, ...]) -> Any:
    """Return a field's value; None if it is as good as absent."""
    if sort == "lacking" or (sort == "off" and value is True):
        walk.lacking.append(Cause("FieldValueForbidden", answers.LACKING, dotted(path)))
        return None
    if sort.startswith("[]"):
        return _list(walk, owner, sort, value, path)
    if sort in schema.FIELDS:
        if not isinstance(value, dict):
            raise _wrong(walk, owner, "v1." + sort, value, path)
        return _structure(walk, sort, value, path)
    if not _fits(walk, sort, value):
        raise _wrong(walk, owner, GO_TYPES.get(sort, sort), value, path)
    return None if value in ("", {}) and sort in ("string", "map", "quantities", "time") else value


def _list(walk: _Walk, owner: str, sort: str, value: Any, path: tuple[str | int, ...]) -> Any:
    inside, _ = schema.element(sort)
    if not isinstance(value, list):
        raise _wrong(walk, owner, sort.partition("/")[0], value, path)
    empty: Any = {} if inside in schema.FIELDS else 0 if inside in NUMBERS else ""
    items = [empty if item is None else item for item in value]
    kept = [_value(walk, owner, inside, item, (*path, place)) for place, item in enumerate(items)]
    return [empty if item is None else item for item in kept] or None


def _fits(walk: _Walk, sort: str, value: Any) -> bool:
    if sort == "any":
        return True
    if sort in NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool)
    if sort in ("bool", "off"):
        return isinstance(value, bool)
    if sort == "map":
        return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    if sort in ("quantity", "quantities"):
        several = isinstance(value, dict)
        return several == (sort == "quantities") and _quantities(walk, list(value.values()) if several else [value])
    return isinstance(value, str)


def _quantities(walk: _Walk, values: list[Any]) -> bool:
    for value in values:
        if not isinstance(value, (str, int, float)) or not QUANTITY.fullmatch(str(value)):
            raise answers.bad_request(
                f'{walk.kind.name} in version "v1" cannot be handled as a {walk.kind.name}: {BAD_QUANTITY}'
            )
    return True


def _wrong(walk: _Walk, owner: str, wanted: str, value: Any, path: tuple[str | int, ...]) -> answers.Refusal:
    field = ".".join(str(part) for part in path if not isinstance(part, int))
    return answers.bad_request(
        f'{walk.kind.name} in version "v1" cannot be handled as a {walk.kind.name}: json: cannot unmarshal '
        f"{_sort(value)} into Go struct field {owner}.{field} of type {wanted}"
    )


def _sort(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: f"number {value}"}
    return names[type(value)]


def dotted(path: tuple[str | int, ...]) -> str:
    """Return where a field is, as messages have it: `spec.containers[0].name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
