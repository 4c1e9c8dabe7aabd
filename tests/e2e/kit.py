"""What tests of a landing file compare and disturb."""

from __future__ import annotations

import importlib.util
import io
import json
import time
import urllib.parse
import urllib.request
import zipfile
from contextlib import contextmanager
from pathlib import Path

import rowmill.examples.orders
from rowmill.testing import expected

HANGS_S = 60.0


def _loaded(path):
    spec = importlib.util.spec_from_file_location("orders_that_do", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLE = rowmill.examples.orders.job
JOB = _loaded(Path(__file__).parent / "job" / "orders.py").job


class NeverSo(AssertionError):  # noqa: N818 - it reads as a sentence
    """What a test waited for did not come."""


def until(what):
    end = time.monotonic() + HANGS_S
    while not (found := what()):
        if time.monotonic() > end:
            raise NeverSo("it never came to be")
        time.sleep(0.02)
    return found


def assert_landed(stack, landed, file, job, key="", ending="_Output"):
    """Assert that output, items and answer are the oracle's."""
    assert landed.status == "SUCCEEDED", (landed.error, landed.cause)
    wanted, key = expected(job, file), key or file.name
    assert stack.read(f"{key}{ending}") == wanted.output
    items = {item["Order ID"]: item for item in stack.items()}
    assert [items.get(row["Order ID"]) for row in wanted.table] == wanted.table
    assert {name: landed.output[name] for name in ("status", "output", "rows", "written")} == {
        "status": "done",
        "output": f"s3://{stack.outputs}/{key}{ending}",
        "rows": wanted.counts.read,
        "written": wanted.counts.written,
    }


def asked(cloud, method, path, **query):
    """Ask the small Kubernetes as an administrator."""
    token = Path(cloud.kubeconfig).with_name("token").read_text(encoding="ascii")
    url = f"{cloud.kubernetes_url}{path}?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"}, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=HANGS_S) as answer:  # noqa: S310 - our own
        return json.load(answer)


def running_pods(cloud, namespace, step, **query):
    """Return the names of a step's pods that run."""
    labels = f"rowmill.dev/step={step}"
    found = asked(cloud, "GET", f"/api/v1/namespaces/{namespace}/pods", labelSelector=labels, **query)["items"]
    return [pod["metadata"]["name"] for pod in found if pod.get("status", {}).get("phase") == "Running"]


def names(cloud, stack, of="sequential"):
    """Return the kind and name of all that has a stack's name."""
    found = [
        *(("bucket", one["Name"]) for one in stack.s3.list_buckets()["Buckets"]),
        *(("table", one) for one in stack.dynamodb.list_tables()["TableNames"]),
        *(("machine", one["name"]) for one in stack.states.list_state_machines()["stateMachines"]),
        *(("function", one["FunctionName"]) for one in stack.lambdas.list_functions()["Functions"]),
        *(("namespace", one["metadata"]["name"]) for one in asked(cloud, "GET", "/api/v1/namespaces")["items"]),
    ]
    return {(kind, name) for kind, name in found if of in name.lower()}


def kill(cloud, namespace, pod):
    asked(cloud, "DELETE", f"/api/v1/namespaces/{namespace}/pods/{pod}", gracePeriodSeconds=0)


FAILING = """
import pathlib
from rowmill.splitfile import handler as asked
def handler(event, context):
    marks = pathlib.Path({marks!r})
    count = len(list(marks.iterdir()))
    if count < {times}:
        (marks / str(count)).touch()
        raise RuntimeError("it fails")
    return asked(event, context)
"""


@contextmanager
def failing(stack, lambda_, marks, times):
    """Give a function a handler that fails a few times before it works, meanwhile."""
    marks.mkdir()
    code = stack.lambdas.get_function(FunctionName=lambda_)
    handler = code["Configuration"]["Handler"]
    with urllib.request.urlopen(code["Code"]["Location"], timeout=HANGS_S) as answer:  # noqa: S310 - our own
        archive = io.BytesIO(answer.read())
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("failing.py", FAILING.format(marks=str(marks), times=times))
    stack.lambdas.update_function_code(FunctionName=lambda_, ZipFile=archive.getvalue())
    stack.lambdas.update_function_configuration(FunctionName=lambda_, Handler="failing.handler")
    try:
        yield
    finally:
        stack.lambdas.update_function_configuration(FunctionName=lambda_, Handler=handler)
