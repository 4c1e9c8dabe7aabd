"""Objects in Kubernetes' binary form, as far as `kubectl create` sends them: enough to read those few kinds. Pure.

Source: the `protobuf` tags of the API's own types; answers are always JSON.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes import answers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.devcloud.kubernetes.answers import Object

MEDIA = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MORE = 0x80
# Fields by number. Sorts: `s` string, `b` bytes, `i` number, `v` truth, `m` map, `mb` map of bytes, `mq` of quantities,
# `-` not read; a type's name; `[]` before what may stand there several times.
TYPES = {
    "ConfigMap": "1:metadata:ObjectMeta 2:data:m 3:binaryData:mb 4:immutable:v",
    "Container": "1:name:s 2:image:s 3:command:[]s 4:args:[]s 5:workingDir:s 7:env:[]EnvVar 8:resources:Resources "
    "13:terminationMessagePath:s 14:imagePullPolicy:s 20:terminationMessagePolicy:s",
    "EnvVar": "1:name:s 2:value:s",
    "Job": "1:metadata:ObjectMeta 2:spec:JobSpec 3:status:-",
    "JobSpec": "1:parallelism:i 2:completions:i 3:activeDeadlineSeconds:i 6:template:Template 7:backoffLimit:i "
    "8:ttlSecondsAfterFinished:i 9:completionMode:s 10:suspend:v",
    "Namespace": "1:metadata:ObjectMeta 2:spec:- 3:status:-",
    "ObjectMeta": "1:name:s 2:generateName:s 3:namespace:s 4:selfLink:s 5:uid:s 6:resourceVersion:s 7:generation:- "
    "8:creationTimestamp:- 11:labels:m 12:annotations:m 14:finalizers:[]s 17:managedFields:-",
    "PodSpec": "2:containers:[]Container 3:restartPolicy:s 4:terminationGracePeriodSeconds:i 6:dnsPolicy:s "
    "7:nodeSelector:m 8:serviceAccountName:s 9:serviceAccount:s 14:securityContext:-",
    "PolicyRule": "1:verbs:[]s 2:apiGroups:[]s 3:resources:[]s 4:resourceNames:[]s 5:nonResourceURLs:[]s",
    "ResourceAttributes": "1:namespace:s 2:verb:s 3:group:s 4:version:s 5:resource:s 6:subresource:s 7:name:s",
    "ResourceQuota": "1:metadata:ObjectMeta 2:spec:ResourceQuotaSpec 3:status:-",
    "ResourceQuotaSpec": "1:hard:mq 2:scopes:[]s",
    "Resources": "1:limits:mq 2:requests:mq",
    "Review": "1:resourceAttributes:ResourceAttributes",
    "Role": "1:metadata:ObjectMeta 2:rules:[]PolicyRule",
    "RoleBinding": "1:metadata:ObjectMeta 2:subjects:[]Subject 3:roleRef:RoleRef",
    "RoleRef": "1:apiGroup:s 2:kind:s 3:name:s",
    "Secret": "1:metadata:ObjectMeta 2:data:mb 3:type:s 4:stringData:m 5:immutable:v",
    "SelfSubjectAccessReview": "1:metadata:ObjectMeta 2:spec:Review 3:status:-",
    "ServiceAccount": "1:metadata:ObjectMeta 4:automountServiceAccountToken:v",
    "Subject": "1:kind:s 2:apiGroup:s 3:name:s 4:namespace:s",
    "Template": "1:metadata:ObjectMeta 2:spec:PodSpec",
}
FIELDS = {
    name: {int(number): (field, sort) for number, field, sort in (entry.split(":") for entry in line.split())}
    for name, line in TYPES.items()
}


def unread(what: str) -> answers.Refusal:
    """Return the answer for what is not read here."""
    why = f"the body of the request was in an unknown format - {what} cannot be read as protobuf here, send JSON"
    return answers.Refusal(415, "UnsupportedMediaType", why)


def decoded(body: bytes) -> Object:
    """Return the object in a body.

    Raises:
        Refusal: 415, it has a kind or a field that is not read here.
    """
    if not body.startswith(MAGIC):
        raise unread("this")
    try:
        envelope = {number: value for number, _, value in _entries(body[len(MAGIC) :])}
        head = {number: value for number, _, value in _entries(envelope[1])}
        kind = bytes(head[2]).decode()
        found = _message(kind, envelope[2])
        return {"apiVersion": bytes(head[1]).decode(), "kind": kind, **found}
    except (KeyError, IndexError, TypeError, ValueError):
        raise unread("what it says") from None


def _entries(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield fields as number, wire type and raw value."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        wire = tag & 7
        if wire == VARINT:
            value: Any
            value, place = _varint(data, place)
        elif wire == BYTES:
            size, place = _varint(data, place)
            value, place = data[place : place + size], place + size
        else:
            size = {FIXED64: 8, FIXED32: 4}[wire]
            value, place = data[place : place + size], place + size
        yield tag >> 3, wire, value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[place]
        value, place, shift = value | (byte & ~MORE) << shift, place + 1, shift + 7
        if byte < MORE:
            return value, place


def _message(name: str, data: bytes) -> Object:
    if name not in FIELDS:
        raise unread(f"a {name}")
    found: Object = {}
    for number, _, value in _entries(data):
        field, sort = FIELDS[name].get(number, ("", ""))
        if not sort:
            _skip(name, number, value)
        elif sort.startswith("[]"):
            found.setdefault(field, []).append(_value(sort[2:], value))
        elif sort.startswith("m"):
            key, item = _pair(value)
            found.setdefault(field, {})[key] = _value({"m": "s", "mb": "b", "mq": "q"}[sort], item)
        elif sort != "-":
            found[field] = _value(sort, value)
    return found


def _skip(name: str, number: int, value: Any) -> None:
    """Pass over a field that is not read, if it says nothing: the binary form has every field."""
    empty = not value if isinstance(value, int) else not any(item for _, _, item in _entries(value))
    if not empty:
        raise unread(f"field {number} of a {name}")


def _pair(data: bytes) -> tuple[str, bytes]:
    entry = {number: value for number, _, value in _entries(data)}
    return bytes(entry.get(1, b"")).decode(), bytes(entry.get(2, b""))


def _value(sort: str, value: Any) -> Any:
    if sort == "s":
        return bytes(value).decode()
    if sort == "b":
        return base64.b64encode(value).decode()
    if sort == "v":
        return bool(value)
    if sort == "i":
        return value - (1 << 64) if value >> 63 else value
    if sort == "q":
        return {number: bytes(item).decode() for number, _, item in _entries(value)}[1]
    return _message(sort, value)
