"""What a request meets, and what it is answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rowmill.devcloud.kubernetes.answers import Refusal
    from rowmill.devcloud.kubernetes.authorizing import Tokens
    from rowmill.devcloud.kubernetes.store import Store


class Api(NamedTuple):
    """What requests meet.

    Attributes:
        store: All objects.
        tokens: Who may ask.
        folder: Where the pods' logs are.
        address: Where the server listens, `127.0.0.1:6443`.
        closing: Set when the server stops: streams end.
        reset: Removes all objects but those that were there at the start.
        bookmark_s: How often a quiet watch is told the version.
    """

    store: Store
    tokens: Tokens
    folder: Path
    address: str
    closing: threading.Event
    reset: Callable[[], None]
    bookmark_s: float = 60.0


class Answer(NamedTuple):
    """What a client gets.

    Attributes:
        body: An object, or bytes.
        media: Its media type.
        warnings: What is said beside it, one header each.
        stream: Pieces that are sent as they come; then there is no body.
        headers: Further ones.
    """

    status: int
    body: Any = b""
    media: str = "application/json"
    warnings: tuple[str, ...] = ()
    stream: Iterator[bytes] | None = None
    headers: tuple[tuple[str, str], ...] = ()


def refused(refusal: Refusal, warnings: tuple[str, ...] = ()) -> Answer:
    """Return the answer that a refusal is."""
    wait = (refusal.details or {}).get("retryAfterSeconds")
    headers = (("Retry-After", str(wait)),) if wait else ()
    return Answer(refusal.code, refusal.status, warnings=warnings, headers=headers)
