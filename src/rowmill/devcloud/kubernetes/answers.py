"""What the server says when it refuses: Kubernetes' `Status` objects, word by word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.devcloud.kubernetes.kinds import Kind

Object = dict[str, Any]
LACKING = "Forbidden: rowmill devcloud's Kubernetes lacks it"
DELETED_AND_MADE_AGAIN = "The object might have been deleted and then recreated"


class Cause(NamedTuple):
    """One reason why an object was refused: of which sort, in words, at which field."""

    reason: str
    message: str
    field: str


class Refusal(Exception):  # noqa: N818 - one word for one thing
    """A request that is refused; it carries the `Status` that Kubernetes answers: no error of Rowmill's.

    Args:
        code: HTTP's status code.
        reason: Kubernetes' word for it, `NotFound`.
        message: What Kubernetes says.
        details: What is concerned; None leaves it out.
    """

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    @property
    def status(self) -> Object:
        """The body of the answer."""
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message}
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return {**body, "code": self.code}


def details_of(kind: Kind, name: str, *, by_kind: bool = False) -> Object:
    """Return what a `Status` says of the object concerned; some name the kind, most the resource."""
    words = {"name": name, "group": kind.group, "kind": kind.name if by_kind else kind.plural}
    return {key: word for key, word in words.items() if word}


def missing(kind: Kind, name: str) -> Refusal:
    """Return the answer for an object that is not there."""
    return Refusal(404, "NotFound", f'{kind.resource} "{name}" not found', details_of(kind, name))


def exists(kind: Kind, name: str) -> Refusal:
    """Return the answer for a name that is taken."""
    return Refusal(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', details_of(kind, name))


def modified(kind: Kind, name: str) -> Refusal:
    """Return the answer for a change of what is no longer so."""
    return conflict(
        kind, name, "the object has been modified; please apply your changes to the latest version and try again"
    )


def conflict(kind: Kind, name: str, why: str, *, by_kind: bool = False) -> Refusal:
    """Return the answer for a change that cannot be made as things stand."""
    called = kind.qualified if by_kind else kind.resource
    message = f'Operation cannot be fulfilled on {called} "{name}": {why}'
    return Refusal(409, "Conflict", message, details_of(kind, name, by_kind=by_kind))


def forbidden(kind: Kind, name: str, why: str, causes: Sequence[Cause] = ()) -> Refusal:
    """Return the answer for what admission does not let in."""
    details = details_of(kind, name) | ({"causes": [cause._asdict() for cause in causes]} if causes else {})
    return Refusal(403, "Forbidden", f'{kind.resource} "{name}" is forbidden: {why}', details)


def invalid(kind: Kind, name: str, causes: Sequence[Cause]) -> Refusal:
    """Return the answer for an object whose fields do not hold."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    texts = list(dict.fromkeys(texts))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = details_of(kind, name, by_kind=True) | {"causes": [cause._asdict() for cause in causes]}
    return Refusal(422, "Invalid", f'{kind.qualified} "{name}" is invalid: {text}', details)


def expired(asked: int, oldest: int) -> Refusal:
    """Return the answer for a version whose changes are no longer kept."""
    return Refusal(410, "Expired", f"too old resource version: {asked} ({oldest})")


def bad_request(message: str) -> Refusal:
    """Return the answer for what cannot be understood."""
    return Refusal(400, "BadRequest", message)
