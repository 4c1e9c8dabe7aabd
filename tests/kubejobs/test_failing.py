"""What an error means to Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from rowmill.errors import (
    BY_NAME,
    ConfigurationError,
    HeldError,
    InputError,
    IntegrityError,
    ProcessingError,
    RowmillError,
    StateError,
    TransientError,
)
from rowmill.kubejobs import Pods, merge_job, partition_job, pod_failure_policy, process_job
from rowmill.kubejobs.failing import ACTIONS

# The page's table: docs/howto/approval.md and the architecture say the same.
INDEXED = {
    ConfigurationError: "FailJob",
    InputError: "FailJob",
    ProcessingError: "FailIndex",
    StateError: "FailJob",
    IntegrityError: "FailJob",
    HeldError: "FailJob",
    TransientError: "Count",
    RowmillError: "Count",
}


def action(rules: list[dict[str, Any]], code: int) -> str:
    """Return what the first rule that fits says, as Kubernetes reads them."""
    for rule in rules:
        if code in rule.get("onExitCodes", {}).get("values", ()):
            return str(rule["action"])
    return "Count"


@pytest.mark.parametrize("kind", BY_NAME.values(), ids=BY_NAME)
def test_each_error_has_its_action(kind: type[RowmillError]) -> None:
    assert action(pod_failure_policy("process")["rules"], kind.exit_code) == INDEXED[kind]
    alone = INDEXED[kind].replace("FailIndex", "FailJob")
    for step in ("split", "merge", "run", "check"):
        assert action(pod_failure_policy(step)["rules"], kind.exit_code) == alone


def test_a_new_error_cannot_be_forgotten() -> None:
    assert set(ACTIONS) == set(BY_NAME.values())


@pytest.mark.parametrize("step", ["split", "process", "merge", "run", "check"])
def test_what_the_cluster_does_to_pods_spends_no_retries(step: str) -> None:
    first, second, *others = pod_failure_policy(step)["rules"]
    assert first == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert (second["action"], second["onExitCodes"]["values"]) == ("Ignore", [143])
    for rule in others:
        values = rule["onExitCodes"]["values"]
        assert values == sorted(set(values))
        assert 0 not in values
        assert rule["onExitCodes"]["containerName"] == "rowmill"


def test_an_index_that_fails_for_good_fails_the_job(pods: Pods) -> None:
    spec = process_job(pods, "0123456789abcdef", attempt=1, completions=4, workers=2)["spec"]
    assert (spec["maxFailedIndexes"], spec["backoffLimitPerIndex"]) == (0, 3)
    assert "backoffLimit" not in spec
    assert action(spec["podFailurePolicy"]["rules"], 4) == "FailIndex"


def test_without_indexes_there_is_no_rule_for_them(pods: Pods) -> None:
    for made in (partition_job(pods, "0123456789abcdef", 7, attempt=1), merge_job(pods, "0123456789abcdef", attempt=1)):
        assert "backoffLimitPerIndex" not in made["spec"]
        assert "FailIndex" not in {rule["action"] for rule in made["spec"]["podFailurePolicy"]["rules"]}
