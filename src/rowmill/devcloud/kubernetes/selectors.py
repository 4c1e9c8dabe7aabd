"""Label and field selectors, as queries have them. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes import answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.kinds import Kind

TOKEN = re.compile(r"\s*(!=|==|[=!<>(),]|[^\s=!<>(),]+)")
SYMBOLS = ("=", "==", "!=", "<", ">", "(", ")", ",", "!")
POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)
EVENT_FIELDS = (
    *(
        f"involvedObject.{name}"
        for name in ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"]
    ),
    "reason",
    "reportingComponent",
    "source",
    "type",
)
FIELDS = {
    "Pod": POD_FIELDS,
    "Job": ("status.successful",),
    "Event": EVENT_FIELDS,
    "Namespace": ("status.phase",),
    "Secret": ("type",),
    "Node": ("spec.unschedulable",),
}


class Requirement(NamedTuple):
    """One demand on a label: `in`, `notin`, `exists`, `!`, `gt`, `lt`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: dict[str, str]) -> bool:
        """Whether labels meet it."""
        value = labels.get(self.key)
        if self.operator in ("gt", "lt"):
            if value is None or not value.lstrip("-").isdigit() or not self.values[0].lstrip("-").isdigit():
                return False
            return int(value) > int(self.values[0]) if self.operator == "gt" else int(value) < int(self.values[0])
        return {
            "in": value is not None and value in self.values,
            "notin": value is None or value not in self.values,
            "exists": value is not None,
            "!": value is None,
        }[self.operator]


def labels(text: str) -> list[Requirement]:
    """Return what a label selector demands.

    Raises:
        Refusal: It cannot be read.
    """
    tokens = TOKEN.findall(text)
    found: list[Requirement] = []
    while tokens:
        found.append(_requirement(tokens))
        if tokens and tokens.pop(0) != ",":
            raise answers.bad_request("found ',', expected: identifier")
    return found


def _requirement(tokens: list[str]) -> Requirement:
    key = tokens.pop(0)
    if key == "!":
        requirement = Requirement(tokens.pop(0) if tokens else "", "!")
    elif key in SYMBOLS:
        raise answers.bad_request(f"found '{key}', expected: !, identifier, or 'end of string'")
    elif not tokens or tokens[0] == ",":
        requirement = Requirement(key, "exists")
    else:
        requirement = _compared(key, tokens.pop(0), tokens)
    if tokens and tokens[0] != ",":
        raise answers.bad_request(f"found '{tokens[0]}', expected: ',' or 'end of string'")
    return requirement


def _compared(key: str, operator: str, tokens: list[str]) -> Requirement:
    if operator in ("in", "notin"):
        return Requirement(key, operator, _several(tokens))
    words = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}
    if operator not in words:
        expected = "in, notin, =, ==, !=, >, <"
        raise answers.bad_request(f"unable to parse requirement: found '{operator}', expected: {expected}")
    value = tokens.pop(0) if tokens and tokens[0] not in SYMBOLS else ""
    return Requirement(key, words[operator], (value,))


def _several(tokens: list[str]) -> tuple[str, ...]:
    first = tokens.pop(0) if tokens else ""
    if first != "(":
        raise answers.bad_request(f"unable to parse requirement: found '{first}' expected: '('")
    end = tokens.index(")") if ")" in tokens else len(tokens)
    values = tuple(word for word in tokens[:end] if word != ",")
    del tokens[: end + 1]
    return values or ("",)


def matches(selector: Object, found: dict[str, str]) -> bool:
    """Whether labels meet a `LabelSelector` of an object."""
    demands = [Requirement(key, "in", (value,)) for key, value in selector.get("matchLabels", {}).items()]
    words = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    demands.extend(
        Requirement(each["key"], words[each["operator"]], tuple(each.get("values", ())))
        for each in selector.get("matchExpressions", ())
    )
    return all(demand.holds(found) for demand in demands)


class FieldDemand(NamedTuple):
    """One demand on a field: whether it has a value, or has it not."""

    field: str
    value: str
    equal: bool

    def holds(self, obj: Object) -> bool:
        """Whether an object meets it."""
        return (_field(obj, self.field) == self.value) is self.equal


def fields(kind: Kind, text: str) -> list[FieldDemand]:
    """Return what a field selector demands.

    Raises:
        Refusal: It cannot be read, or the field is none of those that can be asked for.
    """
    found = []
    for part in filter(None, text.split(",")):
        split = re.fullmatch(r"([^=!]*)(==|=|!=)(.*)", part)
        if split is None:
            raise answers.bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field, operator, value = split.groups()
        if field not in ("metadata.name", "metadata.namespace", *FIELDS.get(kind.name, ())):
            if kind.name == "Pod":
                raise answers.bad_request(f"field label not supported: {field}")
            raise answers.bad_request(f'field label "{field}" not supported for {kind.name}')
        found.append(FieldDemand(field, value, operator != "!="))
    return found


def _field(obj: Object, path: str) -> str:
    if path == "status.successful":
        return str(obj.get("status", {}).get("succeeded", 0))
    if path == "source":
        return str(obj.get("source", {}).get("component", ""))
    value: object = obj
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def chosen(kind: Kind, by_labels: str, by_fields: str) -> Callable[[Object], bool]:
    """Return what tells whether an object meets both selectors."""
    demands, wanted = labels(by_labels), fields(kind, by_fields)

    def meets(obj: Object) -> bool:
        found = obj["metadata"].get("labels") or {}
        return all(demand.holds(found) for demand in demands) and all(field.holds(obj) for field in wanted)

    return meets
