"""The definitions: what was agreed on, what validators say, and what Step Functions bears.

`python -m tests.statemachine.test_definition` writes the golden files anew.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import jsonata
import kubernetes_validate
import msgspec
import pytest

from rowmill import statemachine
from rowmill.errors import ConfigurationError
from rowmill.statemachine import limits
from rowmill.statemachine.definition import INPUT

from .evaluating import evaluated
from .machines import PODS, SHAPES, machine
from .test_events import ODD, called, created

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
HANG_S = 60
# All that the machine may call; validators know no names of integrations.
INTEGRATIONS = {
    "arn:aws:states:::eks:call",
    "arn:aws:states:::eks:runJob.sync",
    "arn:aws:states:::lambda:invoke",
    "arn:aws:states:::s3:getObject",
    "arn:aws:states:::s3:putObject",
}
# statelint 3.1 does not know JSONata: what it says of expressions in the place of numbers, and of newer fields.
UNKNOWN_TO_STATELINT = re.compile(
    r"(\d+|One) errors?:|.*Seconds is \"\{% .* %\}\" but should be an Integer"
    r"|.*(Field \"(ItemReader|Label|ResultWriter)\".*|ResultWriter.*|ItemReader.*|ItemProcessor.ProcessorConfig.*)"
)
VARIABLE = re.compile(r"'[^']*'|/(?:\\.|[^/\\])*/|\$([a-z_A-Z]+)(?!\()\b")


def definition(shape: str) -> dict[str, Any]:
    return statemachine.definition(machine(shape))


def text_of(shape: str) -> str:
    return json.dumps(definition(shape), indent=1, ensure_ascii=False) + "\n"


def walked(value: Any) -> Iterator[Any]:
    """Return all values in it."""
    yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walked(one)


def expressions(value: Any) -> list[str]:
    return [one[2:-2].strip() for one in walked(value) if isinstance(one, str) and one.startswith("{%")]


def all_states(value: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = list(value["States"].items())
    inner = [state["ItemProcessor"] for _, state in found if state["Type"] == "Map"]
    return found + [one for processor in inner for one in processor["States"].items()]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_machine_is_defined_as_agreed(shape: str) -> None:
    assert text_of(shape) == (GOLDEN / f"{shape}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", SHAPES)
def test_every_expression_is_jsonata_and_none_reads_the_whole_document(shape: str) -> None:
    for code in expressions(definition(shape)):
        jsonata.Jsonata(code)
        assert not re.search(r"(?<![\w'])\$\$?(?![\w'])", re.sub(r"'[^']*'|/(?:\\.|[^/\\])*/", "", code)), code


@pytest.mark.parametrize("shape", SHAPES)
def test_only_known_integrations_are_called(shape: str) -> None:
    used = {one["Resource"] for one in walked(definition(shape)) if isinstance(one, dict) and "Resource" in one}
    assert used <= INTEGRATIONS
    assert ("arn:aws:states:::eks:runJob.sync" in used) == shape.endswith("sync")


@pytest.mark.parametrize("shape", SHAPES)
def test_every_task_ends_in_time_is_caught_and_hands_nothing_on(shape: str) -> None:
    for name, state in all_states(definition(shape)):
        if state["Type"] == "Task":
            assert 0 < state["TimeoutSeconds"] <= 43_200 + 900, name
            assert [rule["ErrorEquals"] for rule in state["Catch"]] == [["States.ALL"]], name
            assert state["Retry"], name
        if state["Type"] in ("Task", "Pass", "Map", "Wait") and name != "ProcessList":
            assert state["Output"] == {}, name
    assert definition(shape)["TimeoutSeconds"] == 43_200


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "map" in shape])
def test_an_iteration_sees_no_variable_of_the_machine(shape: str) -> None:
    made = definition(shape)
    process = made["States"]["Process"]
    outer = {name for _, state in all_states({"States": made["States"]}) for name in state.get("Assign", {})}
    inner_states = process["ItemProcessor"]["States"]
    inner = {name for state in inner_states.values() for name in state.get("Assign", {})}
    rules = [rule for state in inner_states.values() for rule in state.get("Catch", ())]
    inner |= {name for rule in rules for name in rule.get("Assign", {})}
    outer -= inner
    fields = [process.get(name) for name in ("ItemSelector", "ItemReader", "ResultWriter")]
    for code in expressions([inner_states, *fields]):
        assert not {name for name in VARIABLE.findall(code) if name} & outer, code


@pytest.mark.parametrize("shape", SHAPES)
def test_every_choice_is_a_true_or_false_although_nothing_was_told(shape: str) -> None:
    job = dict.fromkeys(("end", "reason", "words", "pod", "index"), "")
    jobs = {f"{step}_job": job for step in ("split", "process", "merge", "processPartition")}
    failure = {"step": "split", "error": "TransientError"}
    known = {"input": "s3://in/a.csv", "round": 1, "told": {}, "listed": {}, "failure": failure, **jobs}
    for name, state in all_states(definition(shape)):
        for rule in state.get("Choices", ()):
            assert evaluated(rule["Condition"][2:-2].strip(), known) in (True, False), (name, rule)


def test_a_distributed_map_has_standard_children_and_writes_what_came_of_them_elsewhere() -> None:
    process = definition("distributed-map-call")["States"]["Process"]
    assert process["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    arguments = process["ResultWriter"]["Arguments"]
    assert arguments["Bucket"] == "orders-work"
    given = {"states": {"input": {"run_id": "r1"}}}
    assert evaluated(arguments["Prefix"][2:-2].strip(), given) == "runs-of/orders/runs/r1/map"
    assert process["MaxConcurrency"] == 40


def test_where_partitions_failures_are_is_told_if_no_pod_has_kept_one() -> None:
    code = definition("distributed-map-call")["States"]["ProcessCause"]["Assign"]["failure"][2:-2].strip()
    threshold = {"error": "TransientError", "message": "States.ExceedToleratedFailureThreshold: …", "hint": "again"}
    known = {"failure": threshold, "told": {"run_id": "r1"}, "states": {"result": {"Payload": {}}}}
    found = evaluated(code, known)
    assert found | {"hint": ""} == threshold | {"hint": ""}
    assert "s3://orders-work/runs-of/orders/runs/r1/map/" in found["hint"]
    unread = known | {"failure": threshold | {"message": "States.ItemReaderFailed: …"}}
    assert evaluated(code, unread) == unread["failure"]


@pytest.mark.parametrize("event", [created, called])
@pytest.mark.parametrize("key", ["sales.csv", *ODD])
def test_a_key_is_taken_as_it_is(event: Any, key: str) -> None:
    assert evaluated(INPUT, {"states": {"input": event(key)}}) == f"s3://in/{key}"


def job_of(shape: str, state: str, **variables: Any) -> dict[str, Any]:
    """Return the KubernetesJob that a state creates."""
    made = dict(all_states(definition(shape)))[state]["Arguments"]
    body = made.get("RequestBody") or made["Job"]

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [filled(one) for one in value]
        return evaluated(value[2:-2].strip(), variables) if isinstance(value, str) and value[:2] == "{%" else value

    return filled(body)


AROUND = {"execution": "arn:e", "digest": "0a" * 20, "round": 2}
KNOWN = {**AROUND, "input": "s3://in/a'$(X).csv", "event_id": "e-1"}
TOLD = {"told": {"run_id": "0123456789abcdef", "next_attempt": 3, "pods": 7}}
ITEM = {"run_id": "0123456789abcdef", "attempt": 3, "partition": 5, **AROUND}
CREATED = [
    ("indexed-job-call", "Split", {**KNOWN, "words": ["--fresh", "--param=a=$(B)"]}),
    ("indexed-job-sync", "Split", {**KNOWN, "words": []}),
    ("sequential", "Split", {**KNOWN, "words": ["--fresh"]}),
    ("indexed-job-call", "Process", {**KNOWN, **TOLD}),
    ("inline-map-call", "ProcessPartition", {"states": {"input": ITEM}}),
    ("distributed-map-sync", "ProcessPartition", {"states": {"input": ITEM}}),
    ("indexed-job-call", "Merge", {**KNOWN, **TOLD}),
]


@pytest.mark.parametrize(("shape", "state", "variables"), CREATED)
def test_kubernetes_takes_every_job_that_a_state_creates(shape: str, state: str, variables: dict[str, Any]) -> None:
    job = job_of(shape, state, **variables)
    for version in ("1.33", "1.37"):
        kubernetes_validate.validate(job, version, strict=True)
    labels = job["metadata"]["labels"]
    assert labels.items() >= {"rowmill.dev/execution": "0a" * 20, "rowmill.dev/round": "2"}.items()
    assert job["spec"]["template"]["metadata"]["labels"].items() >= {"rowmill.dev/execution": "0a" * 20}.items()
    assert "name" not in job["metadata"]
    assert job["spec"]["activeDeadlineSeconds"] == 43_200
    assert job["spec"]["ttlSecondsAfterFinished"] >= 3600
    assert "at-run-time" not in json.dumps(job)
    assert "77000" not in json.dumps(job)


def args_of(job: dict[str, Any]) -> list[str]:
    return job["spec"]["template"]["spec"]["containers"][0]["args"]


def test_what_an_execution_is_asked_reaches_the_command_line() -> None:
    assert args_of(job_of("indexed-job-call", "Split", **CREATED[0][2])) == [
        "split",
        "--output=s3://orders-out/done/a'$$(X).csv_Output",
        "--rows-per-partition=30000",
        "--table=dynamodb://eu-west-1/Orders",
        "--workers=40",
        "--overwrite",
        "--execution=arn:e",
        "--fresh",
        "--param=a=$$(B)",
        "--",
        "rowmill.examples.orders",
        "s3://in/a'$$(X).csv",
    ]
    process = job_of("indexed-job-call", "Process", **KNOWN, **TOLD)
    assert args_of(process) == ["process", "0123456789abcdef", "--of=7", "--attempt=3"]
    assert process["spec"]["completions"] == 7
    partition = job_of("inline-map-sync", "ProcessPartition", states={"input": ITEM})
    assert args_of(partition) == ["process", "0123456789abcdef", "--partition=5", "--attempt=3"]
    assert partition["metadata"]["labels"]["rowmill.dev/partition"] == "5"


@pytest.mark.parametrize("shape", SHAPES)
def test_statelint_finds_nothing_that_it_understands(shape: str, tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(text_of(shape), encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).parent / "statelint", tmp_path / "machine.json"],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    said = [line for line in done.stdout.splitlines() if line and not UNKNOWN_TO_STATELINT.fullmatch(line.strip())]
    assert not said


@pytest.mark.skipif(which("npm") is None, reason="asl-validator is installed by npm, which is not here")
def test_asl_validator_finds_nothing(tmp_path: Path) -> None:
    validator = ROOT / ".venv/node/node_modules/.bin/asl-validator"
    assert validator.exists(), "make dev installs it"
    for shape in SHAPES:
        (tmp_path / f"{shape}.json").write_text(text_of(shape), encoding="utf-8")
    words = [word for shape in SHAPES for word in ("--json-path", str(tmp_path / f"{shape}.json"))]
    done = subprocess.run([validator, *words], capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("shape", SHAPES)
def test_a_definition_is_far_smaller_than_step_functions_takes(shape: str) -> None:
    assert len(text_of(shape).encode()) < 1_000_000 / 5


@pytest.mark.parametrize(
    "changed",
    [
        {"workers": 0},
        {"poll_s": 0},
        {"most_poll_s": 1},
        {"fan_out": "map"},
        {"waiter": "watch"},
        {"mode": "serial"},
        {"fan_out": "inline-map", "workers": 41},
        {"fan_out": "inline-map", "split_file": ""},
        {"fan_out": "distributed-map", "workspace_bucket": ""},
        {"fan_out": "distributed-map", "workers": 10_001},
        {"poll_s": 1, "most_poll_s": 1},
        {"pods": msgspec.structs.replace(PODS, namespace="")},
        {"pods": msgspec.structs.replace(PODS, ttl_s=300)},
        {"pods": msgspec.structs.replace(PODS, env={"A": "{% $states.input %}"})},
        {"output": "{% 1 %}"},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_with_a_way_out(changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        statemachine.definition(machine(**changed))
    assert refused.value.hint


def test_looks_fit_into_a_history() -> None:
    assert limits.looks(0, 5, 30) == 0
    assert limits.looks(5, 5, 30) == 1
    assert limits.looks(5 + 8 + 12, 5, 30) == 3
    made = machine("inline-map-call")
    looks = limits.looks(made.timeout_s, made.poll_s, limits.most_poll_s(made))
    most = limits.most_inline(made)
    assert 50 < most < limits.most_inline(machine("inline-map-sync"))
    assert most * (limits.EVENTS_OF_PARTITION + limits.EVENTS_OF_LOOK * looks) <= limits.BUDGET


def test_tokens_of_cdk_are_left_as_they_are() -> None:
    region = "${Token[AWS.Region.4]}"
    pods = msgspec.structs.replace(PODS, workspace=f"s3://{region}/p", env={"AWS_REGION": region})
    made = json.dumps(statemachine.definition(machine(table=f"dynamodb://{region}/Orders", pods=pods)))
    assert "$$" not in made.replace("'$$'", "")
    assert made.count(region) > 5


def write() -> None:
    """Write the golden files anew."""
    GOLDEN.mkdir(exist_ok=True)
    for shape in SHAPES:
        (GOLDEN / f"{shape}.json").write_text(text_of(shape), encoding="utf-8")


if __name__ == "__main__":
    write()
