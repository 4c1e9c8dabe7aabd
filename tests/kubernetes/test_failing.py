"""A partition that fails: tried again where that may help, told with its row where it does not, and gone on with."""

from __future__ import annotations

import json

from tests.whole.kit import JOB

from rowmill import kubejobs
from rowmill.kubejobs import Pods

from .kit import ends_badly_at, job_with

POISON = 612  # its row fails; in partitions of 250 it is the third's
LINE = POISON + 2  # in the input, whose first line is the header
BY_ERROR = "raise ValueError(f'no such region: {row}')"
BY_REJECT = "raise Reject('no such region')"


def poisoned(run, how: str) -> None:
    """Let one row fail."""
    run.code(job_with(f"if ctx.ordinal == {POISON}:\n    {how}"))


def order_of(orders, ordinal: int) -> str:
    """Return what is in no other row."""
    return orders.input.read_text().splitlines()[ordinal + 1].split(",")[6]


def receipts(run) -> dict[str, bytes]:
    return run.files("work/runs/*/receipts/[0-9]*.json")


def test_an_exception_ends_the_run_with_its_line_and_the_corrected_code_goes_on(make, few_orders) -> None:
    run = make(few_orders, rows_per_partition="250")
    poisoned(run, BY_ERROR)
    failed = run.give()
    assert failed.code == 4, failed.err
    assert f"line {LINE:,}" in failed.err
    assert run.files("out.csv") == {}
    (pod,) = run.pods("process", "Failed")
    assert len(run.pods("process")) <= 2
    before = receipts(run)
    assert before
    check_what_is_kept(run, failed, pod, order_of(few_orders, POISON))

    run.code(f"{JOB}\n# corrected\n")
    asked = run.give()
    assert asked.code == 5, asked.err
    assert "--continue" in asked.err
    words = {"continue": ""}
    run.ends_right(run.start(**words))
    assert before.items() <= receipts(run).items()  # what was finished was not done again


def check_what_is_kept(run, failed, pod, order: str) -> None:
    """The error is told as JSON of ours, the log is in the workspace, and no row is anywhere."""
    told = pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    error = json.loads(told)
    assert len(told.encode()) <= 4096
    assert (error["schema"], error["exit_code"], error["line_no"]) == ("rowmill.error/1", 4, LINE)
    ((path, kept),) = run.files("work/runs/*/failures/*").items()
    failure = json.loads(kept)
    assert path.split("/")[2] == failure["run_id"] == error["run_id"]
    assert (failure["partition"], failure["first_ordinal"], failure["rows"]) == (2, 500, 250)
    assert failure["error"]["line_no"] == LINE
    for text in (failed.out, failed.err, told, kept.decode(), run.everything_told()):
        assert order not in text


def test_a_refused_row_ends_the_run_with_3_and_its_line(make, few_orders) -> None:
    run = make(few_orders, rows_per_partition="250", rejects="stop")
    run.code(job_with(f"if ctx.ordinal == {POISON}:\n    {BY_REJECT}\nreturn row | {{'ConfirmationId': ''}}"))
    failed = run.give()
    assert failed.code == 3, failed.err
    assert f"line {LINE:,}" in failed.err
    assert len(run.pods("process")) <= 2
    for text in (failed.out, failed.err, run.everything_told()):
        assert order_of(few_orders, POISON) not in text


def counted(run, *ends: str) -> str:
    """Return a job in which one partition ends badly, in these ways one after the other; the claim counts."""
    return job_with(ends_badly_at(600, run.on_claim("work/count"), *ends))


def test_a_partition_that_fails_too_often_ends_the_run_and_the_same_command_goes_on(make, few_orders) -> None:
    run = make(few_orders, rows_per_partition="500", fan_out="per-partition")
    run.code(counted(run, "os._exit(1)", "os._exit(137)", "os._exit(75)", "os._exit(1)"))
    failed = run.give()
    assert failed.code == 75, failed.err
    assert "give the same command again" in failed.err
    assert len(run.pods("process", "Failed")) == 4
    run.ends_right(run.start())
    assert run.files("work/count") == {"work/count": b"....."}


CODES = {2: "FailJob", 3: "FailJob", 4: "FailIndex", 5: "FailJob", 6: "FailJob", 75: "Count", 1: "Count"}


def mapped(cluster, code: int) -> str:
    """Create a KubernetesJob of ours whose first pod waits, and whose second ends so; return its name."""
    pods = Pods(image=cluster.image, job="none", workspace="none", cpu="50m", memory="64Mi")
    made = kubejobs.process_job(pods, f"0123456789abcd{code:02}", attempt=1, completions=2, workers=2)
    made["spec"]["backoffLimitPerIndex"] = 1
    (container,) = made["spec"]["template"]["spec"]["containers"]
    waits = 'trap "exit 143" TERM; while true; do sleep 0.2; done'
    script = f'if [ "$JOB_COMPLETION_INDEX" = 1 ]; then exit {code}; fi; {waits}'
    container |= {"command": ["sh", "-c", script], "args": []}
    cluster.apply(made)
    return made["metadata"]["name"]


def test_what_an_exit_code_does_to_a_kubernetes_job_is_what_its_error_asks_for(cluster) -> None:
    names = {code: mapped(cluster, code) for code in CODES}
    reasons = {"FailJob": "PodFailurePolicy", "FailIndex": "MaxFailedIndexesExceeded"}
    for code, name in names.items():
        path = f"apis/batch/v1/namespaces/{cluster.namespace}/jobs/{name}"
        ended = cluster.until(lambda path=path: conditions(cluster.get(path)).get("Failed"))
        pods = cluster.objects("pods", f"job-name={name}")
        tries = [pod for pod in pods if pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == "1"]
        assert ended["reason"] == reasons.get(CODES[code], "MaxFailedIndexesExceeded"), code
        assert len(tries) == (2 if CODES[code] == "Count" else 1), code
        cluster.kubectl("delete", "job", name, "--wait=false")


def conditions(job) -> dict:
    return {it["type"]: it for it in job["status"].get("conditions", ()) if it["status"] == "True"}
