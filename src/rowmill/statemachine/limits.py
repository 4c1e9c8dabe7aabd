"""What Step Functions bears: events of an execution's history, and how many partitions an inline Map may have. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.errors import ConfigurationError
from rowmill.statemachine.asked import CALL, INLINE_MAP, SEQUENTIAL

if TYPE_CHECKING:
    from rowmill.statemachine.asked import Machine

MOST_EVENTS = 25_000  # Step Functions fails an execution that has more
BUDGET = 20_000  # the rest is for retries, other rounds and the steps around
EVENTS_OF_LOOK = 9  # Wait 2, Task 5, Choice 2
EVENTS_OF_PARTITION = 12  # of an iteration without looks
MOST_INLINE = 1_000
GROWTH = 1.5


def looks(longest_s: int, first_s: int, most_s: int) -> int:
    """Return how often something is looked at that lasts so long, when each pause is half as long again."""
    waited_s, pause_s, count = 0, first_s, 0
    while pause_s < most_s and waited_s < longest_s:
        waited_s += pause_s
        pause_s = -int(-pause_s * GROWTH // 1)
        count += 1
    return count + max(0, -(-(longest_s - waited_s) // most_s))


def most_poll_s(machine: Machine) -> int:
    """Return the longest pause between two looks at a partition's KubernetesJob.

    All iterations of an inline Map share one history: pauses there grow on, up to what leaves time to see an end.
    """
    return machine.pods.ttl_s // 2 if machine.fan_out == INLINE_MAP else machine.most_poll_s


def most_inline(machine: Machine) -> int:
    """Return how many partitions an inline Map may have, whatever each takes, in one round."""
    events = EVENTS_OF_PARTITION
    if machine.waiter == CALL:
        longest_s = min(machine.timeout_s, machine.pods.deadline_s)
        events += EVENTS_OF_LOOK * looks(longest_s, machine.poll_s, most_poll_s(machine))
    return min(MOST_INLINE, BUDGET // events)


def check(machine: Machine) -> None:
    """Refuse a machine whose history could become too long.

    Raises:
        ConfigurationError: It looks too often for the time that it may take.
    """
    if machine.waiter != CALL and machine.mode != SEQUENTIAL:
        return
    events = EVENTS_OF_LOOK * looks(machine.timeout_s, machine.poll_s, machine.most_poll_s)
    if events > BUDGET:
        raise ConfigurationError(
            f"an execution of {machine.timeout_s} s that looks each {machine.most_poll_s} s has {events:,} events, "
            f"and Step Functions takes {MOST_EVENTS:,}",
            hint="give a longer most_poll_s, a shorter timeout_s, or waiter='sync'",
        )
