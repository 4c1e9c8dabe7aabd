"""Which KubernetesJob to follow, and how it stands: by what the cluster says of it, and by nothing else. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rowmill.kubejobs.naming import ATTEMPT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Object = dict[str, Any]
COMPLETE, FAILED = "Complete", "Failed"


class Ended(NamedTuple):
    """How a KubernetesJob ended.

    Attributes:
        well: Whether it is complete.
        reason, words: Why not, as Kubernetes says it.
    """

    well: bool
    reason: str = ""
    words: str = ""


def end_of(job: Mapping[str, Any]) -> Ended | None:
    """Return how a KubernetesJob ended; None while it is under way."""
    for condition in job.get("status", {}).get("conditions", ()):
        if condition["status"] == "True" and condition["type"] in (COMPLETE, FAILED):
            return Ended(condition["type"] == COMPLETE, condition.get("reason", ""), condition.get("message", ""))
    return None


def is_going(job: Mapping[str, Any]) -> bool:
    """Whether a KubernetesJob may still do something: it has not ended, and nobody has deleted it."""
    return end_of(job) is None and "deletionTimestamp" not in job["metadata"]


def attempt_of(job: Mapping[str, Any]) -> int:
    """Return the number of the try that a KubernetesJob is; 0 if it does not say."""
    number = job["metadata"].get("labels", {}).get(ATTEMPT, "")
    return int(number) if number.isdecimal() else 0


def to_follow(jobs: Iterable[Object]) -> Object | None:
    """Return the newest KubernetesJob that is under way: whoever comes later attaches to it."""
    return max(filter(is_going, jobs), key=attempt_of, default=None)


def next_attempt(jobs: Iterable[Object], least: int = 1) -> int:
    """Return the number of the next try: above all that the cluster still knows."""
    return max([least, *(attempt_of(job) + 1 for job in jobs)])


def indexes(text: str) -> set[int]:
    """Return the indexes that a status writes as ranges: `0,2-4`."""
    found: set[int] = set()
    for span in filter(None, text.split(",")):
        low, _, high = span.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return found
