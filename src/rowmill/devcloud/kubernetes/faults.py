"""Faults that tests ask for: errors, answers that lie, streams that are cut, connections that break."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes import answers
from rowmill.devcloud.kubernetes.watching import encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.devcloud.kubernetes.requests import Request

GONE = 410
REASONS = {
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", "forbidden"),
    404: ("NotFound", "the server could not find the requested resource"),
    409: ("AlreadyExists", "already exists"),
    410: ("Expired", "too old resource version"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    500: ("InternalError", "Internal error occurred"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted time"),
}


class Fault(NamedTuple):
    """What goes wrong with a request.

    Attributes:
        status: What is answered.
        after: Whether the request is done first, and the answer then lies.
        reset: Whether the connection breaks instead of an answer.
        cut: After how many lines a stream breaks off; the answer is else as it should be. With `status` 410 it does not
            break: its last line says that the version is too old.
        reason: Kubernetes' word for it, where the status alone does not say: 409 is `AlreadyExists`, or `Conflict`.
    """

    status: int = 500
    after: bool = False
    reset: bool = False
    cut: int | None = None
    reason: str = ""


Rule = Callable[[str, str], Fault | int | None]


def anybody(request: Request) -> bool:
    """Whoever asks."""
    del request
    return True


class Rules:
    """The rules of now; the first that has something to say decides."""

    def __init__(self) -> None:
        self._rules: list[tuple[Rule, Callable[[Request], bool]]] = []
        self._guard = threading.Lock()

    def add(self, rule: Rule, whose: Callable[[Request], bool]) -> Callable[[], None]:
        """Let a rule see each request of some clients from now on; return what ends that."""
        with self._guard:
            self._rules.append((rule, whose))
        return lambda: self._remove(rule)

    def _remove(self, rule: Rule) -> None:
        with self._guard:
            self._rules = [each for each in self._rules if each[0] is not rule]

    def for_request(self, request: Request) -> Fault | None:
        """Return what goes wrong with a request; None if nothing does."""
        with self._guard:
            rules = list(self._rules)
        for rule, whose in rules:
            found = rule(request.method, request.path) if whose(request) else None
            if found is not None:
                fault = Fault(found) if isinstance(found, int) else found
                return fault._replace(after=fault.after or fault.cut is not None)
        return None


def cut(lines: Iterator[bytes], fault: Fault) -> Iterator[bytes | None]:
    """Yield a stream's lines until it is cut; None is where it breaks off."""
    left = fault.cut
    while left != 0:
        line = next(lines, None)
        if line is None:
            return
        left = left if left is None else left - bool(line)
        yield line
    if fault.status == GONE:
        yield encode({"type": "ERROR", "object": refusal(fault).status}) + b"\n"
    else:
        yield None


def refusal(fault: Fault) -> answers.Refusal:
    """Return the answer of a fault."""
    reason, message = REASONS.get(fault.status, ("Unknown", "unknown"))
    details = {"retryAfterSeconds": 1} if fault.status in (429, 503) else None
    return answers.Refusal(fault.status, fault.reason or reason, message, details)
