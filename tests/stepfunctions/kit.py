"""State machines of the local AWS that end as the deployed one does, without its cluster; and an AWS that refuses."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANG_S = 60.0
ROLE = "arn:aws:iam::000000000000:role/states"
RUN_ID = "0123456789abcdef0123456789abcdef"
FOREVER_S = 600


class Machine(NamedTuple):
    """A machine of the local AWS, whose job and bucket nobody else has."""

    arn: str
    job: str
    bucket: str
    client: Any

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    @property
    def input(self) -> str:
        return f"s3://{self.bucket}/in/sales 1+.csv"

    def executions(self) -> list[dict[str, Any]]:
        """Return all its executions, the first one first."""
        found = self.client.list_executions(stateMachineArn=self.arn)["executions"]
        return sorted(found, key=lambda one: one["startDate"])

    def given(self, number: int = -1) -> dict[str, Any]:
        """Return what an execution was started with."""
        arn = self.executions()[number]["executionArn"]
        return json.loads(self.client.describe_execution(executionArn=arn)["input"])

    def start(self, given: Any) -> str:
        return self.client.start_execution(stateMachineArn=self.arn, input=json.dumps(given))["executionArn"]


def until(happened: Callable[[], Any]) -> Any:
    """Wait until something is so."""
    end = time.monotonic() + HANG_S
    while not (found := happened()):
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)
    return found


def output(**fields: Any) -> dict[str, Any]:
    """Return what the deployed machine gives at its end."""
    told = {"run_id": RUN_ID, "status": "done", "input": "s3://in/x", "output": "s3://out/x_Output", "rows": 7}
    counts = {"written": 5, "filtered": 1, "rejected": 1, "duplicates": 0}
    return {**told, **counts, "report": f"runs/{RUN_ID}/report.json", "attempt": 2, **fields}


def ends_well(wait_s: int = 0, run_id: str = RUN_ID, **fields: Any) -> dict[str, Any]:
    """Return a definition that takes the three steps and gives its output."""
    return definition(
        {
            "Split": {"Type": "Pass", "Output": {"run_id": run_id}, "Next": "ProcessWait"},
            "ProcessWait": {"Type": "Wait", "Seconds": wait_s, "Next": "Merge"},
            "Merge": {"Type": "Pass", "Next": "Report"},
            "Report": {"Type": "Pass", "Output": output(run_id=run_id, **fields), "End": True},
        }
    )


def fails(error: str, cause: str) -> dict[str, Any]:
    """Return a definition that fails in its process step."""
    return definition(
        {
            "Split": {"Type": "Pass", "Output": {"run_id": RUN_ID}, "Next": "Failed"},
            "Failed": {"Type": "Fail", "Error": error, "Cause": cause},
        }
    )


def definition(states: dict[str, Any]) -> dict[str, Any]:
    return {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}


@contextmanager
def refusing_aws(code: str, status: int = 400) -> Iterator[str]:
    """Give the address of an AWS that refuses everything with one code, as JSON services do."""

    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps({"__type": code, "message": f"said with {code}"}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.0")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
