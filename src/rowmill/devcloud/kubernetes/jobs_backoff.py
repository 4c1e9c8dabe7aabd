"""How long a KubernetesJob waits after a failure: 10 s, then twice as long each time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes import jobs_pods

if TYPE_CHECKING:
    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.jobs_pods import Pods

LONGEST_S = 600.0


class Backoff(NamedTuple):
    """What is remembered of a KubernetesJob's failures; Kubernetes' controller keeps it in memory, too.

    Attributes:
        failures: How many pods have failed since the last success.
        last: When the last of them ended, in seconds since 1970.
    """

    failures: int = 0
    last: float = 0.0

    def after(self, succeeded: Pods, failed: Pods) -> Backoff:
        """Return what is remembered once pods have ended."""
        if not succeeded and not failed:
            return self
        ends = sorted(jobs_pods.finished_at(pod) for pod in failed)
        if not succeeded:
            return Backoff(self.failures + len(ends), ends[-1])
        success = max(jobs_pods.finished_at(pod) for pod in succeeded)
        later = [end for end in ends if end > success]
        return Backoff(len(later), later[-1]) if later else Backoff()

    def remaining_s(self, now: float, base_s: float) -> float:
        """Return how long to wait before the next pod."""
        return remaining_s(self.failures, self.last, now, base_s)


def remaining_s(failures: int, last: float, now: float, base_s: float) -> float:
    """Return how much of the wait after a number of failures is left."""
    if not failures:
        return 0.0
    longest = max(LONGEST_S, base_s)
    wait = min(base_s * 2.0 ** min(failures - 1, 30), longest)
    return max(0.0, last + wait - now)


def of_index_s(pod: Object, now: float, base_s: float) -> float:
    """Return how long an index waits after its last failed pod."""
    failures = jobs_pods.tries(pod) + jobs_pods.tries(pod, jobs_pods.IGNORED) + 1
    return remaining_s(failures, jobs_pods.finished_at(pod), now, base_s)
