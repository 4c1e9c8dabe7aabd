"""A try at a run: when and by whom it was started, and which partitions its pods have to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rowmill.model.report import Who  # noqa: TC001 - msgspec reads annotations at run time

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = "rowmill.attempt/1"


class Attempt(msgspec.Struct, frozen=True):
    """One try.

    Attributes:
        attempt: Its number, from 1.
        start: ISO 8601, UTC.
        who: Who started it.
        code_digest: Digest of the user's code as it was then.
        unfinished: Partitions without a receipt when it began, in order; None where a coordinator hands them out.
    """

    attempt: int
    start: str
    who: Who
    code_digest: str
    unfinished: tuple[int, ...] | None = None
    schema: str = SCHEMA


def share_of(unfinished: Sequence[int], index: int, of: int) -> Sequence[int]:
    """Return the partitions of one pod: each `of`-th place of the list, from the index-th."""
    return unfinished[index::of]
