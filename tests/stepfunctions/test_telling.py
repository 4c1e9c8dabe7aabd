"""What is made of what an execution tells. No server."""

from __future__ import annotations

import json

import pytest

from rowmill.errors import ConfigurationError, InputError, RowmillError, StateError, TransientError
from rowmill.model.termination import error_message
from rowmill.runners.stepfunctions import choosing, telling
from rowmill.runners.stepfunctions.choosing import Machine, Wanted
from rowmill.runners.stepfunctions.telling import Execution

ARN = "arn:aws:states:eu-west-1:123456789012:execution:mill:one"


@pytest.mark.parametrize(
    ("status", "error", "cause", "kind"),
    [
        ("FAILED", "InputError", "not JSON", InputError),
        ("FAILED", "InputError", "[1]", InputError),
        ("FAILED", "EKS.401", "Unauthorized", ConfigurationError),
        ("FAILED", "EKS.403", "jobs.batch is forbidden", ConfigurationError),
        ("FAILED", "EKS.404", "namespace not found", ConfigurationError),
        ("FAILED", "EKS.429", "busy", TransientError),
        ("FAILED", "EKS.503", "busy", TransientError),
        ("FAILED", "Lambda.TooManyRequestsException", "", TransientError),
        ("FAILED", "States.Timeout", "", TransientError),
        ("TIMED_OUT", "States.Timeout", "", TransientError),
        ("TIMED_OUT", "", "", TransientError),
        ("FAILED", "States.Permissions", "may not", ConfigurationError),
        ("FAILED", "S3.AccessDeniedException", "may not", ConfigurationError),
        ("FAILED", "States.QueryEvaluationError", "$x", RowmillError),
        ("ABORTED", "", "", StateError),
    ],
)
def test_whose_turn_it_is_where_no_pod_told_it(status, error, cause, kind):
    found = telling.error_of(Execution(ARN, status, error=error, cause=cause))
    assert type(found) is kind
    assert found.hint
    assert cause in found.message


def test_settings_that_a_pod_finds_wrong_are_told_as_a_pod_s():
    cause = error_message(ConfigurationError("no table").as_dict()).decode()
    found = telling.error_of(Execution(ARN, "FAILED", error="ConfigurationError", cause=cause))
    assert found.message == "in the pod: no table"


def test_a_failure_that_the_machine_made_of_kubernetes_words_is_told_in_them():
    cause = json.dumps({"step": "process", "error": "ConfigurationError", "message": "EKS.401: who?", "hint": "look"})
    found = telling.error_of(Execution(ARN, "FAILED", error="ConfigurationError", cause=cause))
    assert (type(found), found.message, found.hint) == (ConfigurationError, "EKS.401: who?", "look")


def test_a_cause_is_told_to_a_length_that_can_be_read():
    found = telling.error_of(Execution(ARN, "FAILED", error="EKS.400", cause="x" * 30_000))
    assert len(found.message) < 1_000


def entered(name):
    return {"type": "PassStateEntered", "stateEnteredEventDetails": {"name": name, "input": "{}"}}


def test_the_step_is_that_of_the_state_that_was_entered_last_whatever_stands_between():
    assert telling.step_of([{"type": "TaskScheduled"}, entered("ProcessWait"), entered("Split")]) == "process"
    assert telling.step_of([entered("Report"), entered("Merge")]) == "merge"
    assert telling.step_of([entered("Init")]) is None


@pytest.mark.parametrize(
    "event",
    [
        {"stateExitedEventDetails": {"name": "Split", "output": json.dumps({"run_id": "0123456789abcdef"})}},
        {"stateExitedEventDetails": {"name": "Split", "assignedVariables": {"run_id": '"0123456789abcdef"'}}},
        {
            "taskSucceededEventDetails": {
                "output": json.dumps({"items": [{"message": json.dumps({"run_id": "0123456789abcdef"})}]})
            }
        },
    ],
)
def test_the_run_is_found_wherever_the_history_tells_it(event):
    assert telling.run_of([{"type": "WaitStateEntered", "id": 3}, event]) == "0123456789abcdef"


def test_a_request_s_executions_have_one_beginning_and_those_of_its_input_too():
    wanted = Wanted("orders.py", "in", "a.csv", ("--fresh",))
    other = wanted._replace(words=())
    elsewhere = wanted._replace(key="b.csv")
    assert wanted.begins == other.begins != elsewhere.begins
    assert wanted.begins_same != other.begins_same
    assert wanted.begins_same.startswith(wanted.begins)
    assert len(wanted.begins_same) + len("20261124t000000-abcd") <= 80  # AWS takes no longer name


def test_words_are_told_apart_however_they_are_cut():
    one, other = (
        Wanted("j", "b", "k", words).begins_same for words in (("--param=a=b", "--fresh"), ("--param=a=b--fresh",))
    )
    assert one != other


@pytest.mark.parametrize(
    ("given", "deployed", "same"),
    [
        ("orders.py", "/job/orders.py", True),
        ("src/orders.py:job", "/job/orders.py", True),
        ("orders.py:other", "/job/orders.py", False),
        ("rowmill.examples.orders", "rowmill.examples.orders:job", True),
        ("rowmill.examples.orders", "examples.orders", False),
        ("orders", "/job/orders.py", False),
    ],
)
def test_a_job_is_known_by_its_file_s_name_or_its_module(given, deployed, same):
    assert choosing.same_job(given, deployed) is same


def test_of_several_machines_the_one_that_fits_is_meant():
    machines = [
        Machine(f"arn:aws:states:eu-west-1:1:stateMachine:{name}", tags)
        for name, tags in {
            "orders": {choosing.JOB: "/job/orders.py", choosing.BUCKET: "in"},
            "clicks": {choosing.JOB: "/job/clicks.py", choosing.BUCKET: "in"},
            "other": {},
        }.items()
    ]
    assert choosing.only_one(machines, Wanted("orders.py", "in", "x")).name == "orders"
    assert choosing.only_one(machines[1:], Wanted("orders.py", "in", "x")).name == "clicks"  # and is refused by name
    with pytest.raises(ConfigurationError, match="2 state machines"):
        choosing.only_one(machines, Wanted("events.py", "in", "x"))
    with pytest.raises(ConfigurationError, match="no state machine with the tag"):
        choosing.only_one(machines[2:], Wanted("orders.py", "in", "x"))
