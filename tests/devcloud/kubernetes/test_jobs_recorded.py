"""What a real Kubernetes 1.36 wrote into KubernetesJobs, ours writes: status by status, event by event."""

import pytest
from tests.devcloud.kubernetes.replay import Replay, cases, course

CASES = cases()
NUMBERS = ("active", "terminating", "ready")
# Here the recording shows a number some milliseconds before or after another change; the rest must be the same.
LOOSE = {
    "04-compressed-indexes": ("active", "terminating"),  # five of eight pods were ready when it looked
    "09-suspended-while-running": (),
}
ONLY_THE_END = {"10-1-3-1"}  # the third change of parallelism came in the middle of a look


@pytest.mark.parametrize("name", [name for name in CASES if name not in ONLY_THE_END])
def test_statuses_follow_each_other_as_recorded(name):
    recorded = [step["status"] for step in CASES[name]["watch"] if (step["kind"], step["type"]) == ("Job", "MODIFIED")]
    numbers = LOOSE.get(name, NUMBERS)
    assert course(Replay(CASES[name]).run().statuses, counts=numbers) == course(recorded, counts=numbers)


@pytest.mark.parametrize("name", sorted(ONLY_THE_END))
def test_the_end_is_as_recorded(name):
    recorded = [step["status"] for step in CASES[name]["watch"] if step["kind"] == "Job"]
    assert course(Replay(CASES[name]).run().statuses[-1:], counts=NUMBERS) == course(recorded[-1:], counts=NUMBERS)


@pytest.mark.parametrize("name", CASES)
def test_what_is_told_is_as_recorded(name):
    recorded = [event[2:] for event in CASES[name]["events"] if event[0] == "Job"]
    assert sorted(Replay(CASES[name]).run().told) == sorted(recorded)
