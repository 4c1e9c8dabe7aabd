"""Step Functions in this process: moto's interpreter, with what it lacks.

It has no JSONata, no EKS, no Lambda without Docker, bears every failed item of a distributed Map, and does not take
ResultWriter's arguments. What is changed are private names: its version is pinned, and a wrong name fails here.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
from moto import mock_aws
from moto.server import ThreadedMotoServer
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import distributed_iteration_component
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_callback
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.jsonata.jsonata import extract_jsonata_variable_references
from tests.statemachine.evaluating import evaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HANG_S = 120.0
MOST_BYTES = 256 * 1024
SCALE = 0.02  # of a second that the machine waits
LOOK_S = 0.02
ROLE = "arn:aws:iam::123456789012:role/machine"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
THRESHOLD = "States.ExceedToleratedFailureThreshold"

Answer = dict[str, Any]


class Refused(Exception):  # noqa: N818 - it is what a service does
    """A service's error, as Step Functions names it."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name}: {cause}")
        self.name, self.cause = name, cause


def failure(env: Any, name: str, cause: str) -> FailureEvent:
    """Return an error of a state; names of Step Functions' own have a type of their own."""
    own = name.startswith("States.")
    typ = StatesErrorName(typ=StatesErrorNameType.from_name(name)) if own else CustomErrorName(error_name=name)
    details = TaskFailedEventDetails(error=name, cause=cause)
    return FailureEvent(
        env=env,
        error_name=typ,
        event_type=HistoryEventType.TaskFailed,
        event_details=EventDetails(taskFailedEventDetails=details),
    )


class Service(state_task_service_callback.StateTaskServiceCallback):
    """An integration that a function answers."""

    def __init__(self, answer: Callable[[str, Answer], Any], ended: Callable[[Answer], Any]) -> None:
        super().__init__(supported_integration_patterns={ResourceCondition.Sync, ResourceCondition.WaitForTaskToken})
        self._answer, self._ended = answer, ended

    def _get_supported_parameters(self) -> set[str]:
        return set()

    def _normalise_parameters(self, *_: Any, **__: Any) -> None:
        pass

    def _eval_service_task(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
    ) -> None:
        del resource_runtime_part, state_credentials
        env.stack.append(self._answer(self.resource.api_action, normalised_parameters))

    def _build_sync_resolver(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
    ) -> Callable[[], Any]:
        del resource_runtime_part, state_credentials
        begun = env.stack.pop()
        return lambda: self._ended({**normalised_parameters, "begun": begun})

    def _from_error(self, env: Any, ex: Exception) -> Any:
        return failure(env, ex.name, ex.cause) if isinstance(ex, Refused) else super()._from_error(env=env, ex=ex)


def evaluate_string(self: Any, env: Any) -> None:
    """Evaluate a field: variables are bound, where moto writes them into the code without their quotes."""
    extract_jsonata_variable_references(self.expression)  # it refuses `$` and `$$`, as Step Functions does
    store = env.variable_store
    states = {name: value for name, value in env.states._states_data.items() if value is not None}
    bindings = {**store._outer_scope, **store._inner_scope, "states": states}
    try:
        value = evaluated(self.expression, bindings)
        defined = value is not None or evaluated(f"$exists(({self.expression}))", bindings)
    except Exception as error:  # noqa: BLE001 - the library raises what it likes
        raise query_failed(env, f"{self.expression}: {error}") from None
    if not defined:
        raise query_failed(env, f"The JSONata expression '{self.expression}' returned nothing (undefined).")
    env.stack.append(json.loads(json.dumps(value)))


def query_failed(env: Any, cause: str) -> FailureEventException:
    name = StatesErrorNameType.StatesQueryEvaluationError
    details = EvaluationFailedEventDetails(error=name.to_name(), cause=cause)
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=name),
            event_type=HistoryEventType.EvaluationFailed,
            event_details=EventDetails(evaluationFailedEventDetails=details),
        )
    )


def map_run(self: Any, env: Any, eval_input: Any, *, run: Callable[..., None]) -> None:
    """Carry out a distributed Map: moto bears any failed item, and Step Functions tells that one failed, not why."""
    run(self, env=env, eval_input=eval_input)
    if eval_input.map_run_record.item_counter.failed.get():
        cause = "The specified tolerated failure threshold was exceeded"
        raise FailureEventException(failure(env, THRESHOLD, cause))


@dataclass
class Ended:
    """How an execution ended.

    Attributes:
        arn: The execution's.
        status: As DescribeExecution has it.
        output: What it answered, if it ended well.
        error, cause: If it failed.
        events: Its history.
    """

    arn: str
    status: str
    output: Any
    error: str
    cause: str
    events: list[Any]

    @property
    def failure(self) -> Answer:
        return json.loads(self.cause)

    def entered(self) -> list[str]:
        """Return the states that were entered, in order."""
        found = (event.get("stateEnteredEventDetails") for event in self.events)
        return [one["name"] for one in found if one]


@dataclass
class StepFunctions:
    """The service.

    Attributes:
        url: Where other processes reach it, and S3.
        services: What answers integrations, by name.
        executions: Those that were begun.
    """

    url: str
    services: dict[str, Service] = field(default_factory=dict)

    @property
    def client(self) -> Any:
        return self.service("stepfunctions")

    @property
    def s3(self) -> Any:
        return self.service("s3")

    def service(self, name: str) -> Any:
        """Return a client of another service of the same AWS."""
        return boto3.client(name, region_name="us-east-1")

    def create(self, definition: Mapping[str, Any], name: str = "") -> str:
        """Deploy a definition, as far as the interpreter takes it."""
        name = name or f"machine-{uuid.uuid4().hex[:8]}"
        taken = json.dumps(taken_of(definition))
        return self.client.create_state_machine(name=name, definition=taken, roleArn=ROLE)["stateMachineArn"]

    def start(self, machine: str, given: Any, name: str = "") -> str:
        """Begin an execution."""
        name = name or uuid.uuid4().hex
        begun = self.client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(given))
        return begun["executionArn"]

    def ended(self, arn: str) -> Ended:
        """Wait for an execution's end, and check what Step Functions would check."""
        end = time.monotonic() + HANG_S
        while (told := self.client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < end, self.history(arn)[-5:]
            time.sleep(LOOK_S)
        events = self.history(arn)
        assert len(events) < 25_000
        for event in events:
            for details in (value for value in event.values() if isinstance(value, dict)):
                for text in (details.get(name, "") for name in ("input", "output", "parameters")):
                    assert len(text.encode()) <= MOST_BYTES, event
        output = json.loads(told["output"]) if told.get("output") else None
        return Ended(arn, told["status"], output, told.get("error", ""), told.get("cause", ""), events)

    def history(self, arn: str) -> list[Any]:
        pages = self.client.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]


def taken_of(definition: Mapping[str, Any]) -> Answer:
    """Return a definition without what moto cannot read: ResultWriter's arguments, without which it takes none."""
    taken = json.loads(json.dumps(definition))
    for state in taken["States"].values():
        if "ResultWriter" in state:
            assert set(state.pop("ResultWriter")) == {"Resource", "Arguments"}
    return taken


@contextmanager
def running() -> Iterator[StepFunctions]:
    """Give Step Functions and S3, in this process and for others."""
    interval = WaitFunction._wait_interval
    run = distributed_iteration_component.DistributedIterationComponent._map_run
    with ExitStack() as patched:
        patched.enter_context(mock.patch.dict("os.environ", KEYS))
        patched.enter_context(mock_aws(config={"stepfunctions": {"execute_state_machine": True}}))
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server.start()
        patched.callback(server.stop)
        host, port = server.get_host_and_port()
        made = StepFunctions(f"http://{host}:{port}")

        def patch(where: Any, name: str, what: Any) -> None:
            patched.enter_context(mock.patch.object(where, name, what))

        patch(state_task_factory, "state_task_service_for", lambda service_name: made.services[service_name]())
        patch(StringJSONata, "_eval_body", evaluate_string)
        patch(
            WaitFunction,
            "_wait_interval",
            lambda self, env, wait_seconds: interval(self, env, wait_seconds * SCALE),
        )
        patch(retrier_decl, "time", SimpleNamespace(sleep=lambda seconds: time.sleep(seconds * SCALE)))
        patch(state_task_service_callback, "_DELAY_SECONDS_SYNC_CONDITION_CHECK", LOOK_S)
        patch(
            distributed_iteration_component.DistributedIterationComponent,
            "_map_run",
            lambda self, env, eval_input: map_run(self, env, eval_input, run=run),
        )
        yield made
