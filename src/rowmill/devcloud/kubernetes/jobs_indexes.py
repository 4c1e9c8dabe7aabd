"""The indexes of an Indexed KubernetesJob: how they are written, which are done, which are next. Pure."""

from __future__ import annotations

from itertools import count, islice, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Indexes = frozenset[int]
NONE: Indexes = frozenset()


def parse(text: str | None, completions: int) -> Indexes:
    """Return the indexes below a limit that a text such as `0,2-4` names."""
    found: set[int] = set()
    for part in filter(None, (text or "").split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), min(int(last or first), completions - 1) + 1))
    return frozenset(found)


def written(indexes: Iterable[int]) -> str:
    """Return indexes as Kubernetes writes them: `0,1` and `0-2`."""
    ordered = sorted(indexes)
    if not ordered:
        return ""
    breaks = [(low, high) for low, high in pairwise(ordered) if high != low + 1]
    firsts = [ordered[0], *(high for _, high in breaks)]
    lasts = [*(low for low, _ in breaks), ordered[-1]]
    return ",".join(_interval(first, last) for first, last in zip(firsts, lasts, strict=True))


def _interval(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"


def first_free(taken: Indexes, wanted: int, completions: int) -> list[int]:
    """Return the lowest indexes that are not taken."""
    return list(islice((number for number in islice(count(), completions) if number not in taken), wanted))
