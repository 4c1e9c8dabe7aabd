"""What a request brings: its body, and parameters that say how it is taken. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.devcloud.kubernetes import answers, applying, decoding, protobuf
from rowmill.devcloud.kubernetes.answers import Cause, Object

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.kinds import Kind
    from rowmill.devcloud.kubernetes.requests import Request

BODIES = ("", "application/json", "application/yaml")
FORMATS = (
    "the body of the request was in an unknown format - accepted media types include: application/json, "
    "application/yaml, application/vnd.kubernetes.protobuf"
)
VALIDATIONS = ("", "Ignore", "Strict", "Warn")


def options_invalid(kind: str, cause: Cause) -> answers.Refusal:
    """Return the answer for a parameter that does not do."""
    details = {"group": "meta.k8s.io", "kind": kind, "causes": [cause._asdict()]}
    text = f'{kind}.meta.k8s.io "" is invalid: {cause.field}: {cause.message}'
    return answers.Refusal(422, "Invalid", text, details)


def number(request: Request, name: str) -> int:
    """Return a parameter that is a number; 0 if it is absent.

    Raises:
        Refusal: It is none.
    """
    text = request.query.get(name) or "0"
    try:
        return int(text)
    except ValueError:
        raise answers.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def body_of(request: Request, kind: Kind, options: str) -> tuple[Object, tuple[str, ...]]:
    """Return the object in a request's body, and what is to be said of its fields.

    Raises:
        Refusal: It cannot be read, or is not to be taken as it is.
    """
    mode = request.query.get("fieldValidation", "")
    if mode not in VALIDATIONS:
        words = ", ".join(f'"{word}"' for word in VALIDATIONS)
        why = f'Unsupported value: "{mode}": supported values: {words}'
        raise options_invalid(options, Cause("FieldValueNotSupported", why, "fieldValidation"))
    if request.media == protobuf.MEDIA:
        return settled(decoding.decoded(kind, protobuf.decoded(request.body)), kind, mode)
    if request.media not in BODIES:
        raise answers.Refusal(415, "UnsupportedMediaType", FORMATS)
    body = decoding.from_yaml(request.body) if request.media == "application/yaml" else request.body
    found, twice = decoding.parsed(body, kind)
    decoded = decoding.decoded(kind, found, twice)
    return settled(decoded, kind, mode)


def settled(decoded: decoding.Decoded, kind: Kind, mode: str) -> tuple[Object, tuple[str, ...]]:
    """Return an object and the warnings that it earns; refuse it where it is not to be taken.

    Raises:
        Refusal: 400 for unknown fields where they are strictly checked; 422 for what is lacking here.
    """
    if decoded.complaints and mode == "Strict":
        why = f"strict decoding error: {', '.join(decoded.complaints)}"
        raise answers.bad_request(f'{kind.name} in version "v1" cannot be handled as a {kind.name}: {why}')
    if decoded.lacking:
        raise answers.invalid(kind, decoded.object.get("metadata", {}).get("name", ""), decoded.lacking)
    return decoded.object, () if mode == "Ignore" else tuple(decoded.complaints)


def manager_of(request: Request, operation: str, part: str = "") -> applying.Manager:
    """Return who a request's client is, as an owner of fields."""
    agent = request.headers.get("user-agent", "").partition("/")[0]
    return applying.Manager(request.query.get("fieldManager") or agent or "unknown", operation, part)


def is_dry(request: Request, options: str) -> bool:
    """Whether nothing is to be changed.

    Raises:
        Refusal: The parameter says something else.
    """
    text = request.query.get("dryRun", "")
    if text not in ("", "All"):
        why = f'Unsupported value: ["{text}"]: supported values: "All"'
        raise options_invalid(options, Cause("FieldValueNotSupported", why, "dryRun"))
    return text == "All"
