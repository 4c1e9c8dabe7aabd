"""What a real Kubernetes 1.36.2 answered, this one answers: status, reason, message, causes, defaults, warnings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.devcloud.kubernetes.exchanging import send

from rowmill.devcloud.kubernetes import admission
from rowmill.devcloud.kubernetes.kubelet.logs import log_path

RECORDED = json.loads((Path(__file__).parent / "recorded/api.json").read_text(encoding="utf-8"))
CASES = {f"{case['recording']}-{case['name']}": case for case in RECORDED["cases"]}
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
GENERATED = re.compile(r"(batch-|Bad_|g{58})[a-z0-9]{5}")
# How Kubernetes' own program prints a whole object, which ours prints as JSON.
OPENING = r'"\{\\"|\{"(?:metadata|spec|automount|containers|labels|rules|Rules)'
DUMP = re.compile(rf'Invalid value: (?:{OPENING}).*?\}}"?(?=: (?:field is imm|strict|json))')
RECORD = re.compile(r"(?<=in record \()\d+")
LIVELY = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "deletionTimestamp", "continue")


def plain(value, depth=0):
    """Return an answer without what differs from one cluster to the next."""
    if isinstance(value, dict):
        left_out = (*LIVELY, "status") if depth == 0 and value.get("kind") in ("Job", "Pod") else LIVELY
        return {key: plain(item, depth + 1) for key, item in value.items() if key not in left_out}
    if isinstance(value, list):
        return [plain(item, depth + 1) for item in value]
    if not isinstance(value, str):
        return value
    text = DUMP.sub("Invalid value: …", UID.sub("UID", value))
    return RECORD.sub("N", GENERATED.sub(r"\1XXXXX", text))


def own(text, uids):
    for theirs, ours in uids.items():
        text = text.replace(theirs, ours)
    return text


def prepare(cluster, case):
    """Make the namespace of a case, and the pods that its controllers had made."""
    place = case["namespace"]
    cluster.store.create("Namespace", {"metadata": {"name": place, "labels": case.get("labels", {})}})
    admission.furnish(cluster.store, place)
    for found in case.get("pods", ()):
        meta = {**found["metadata"], "namespace": place}
        pod = cluster.store.create("Pod", {"metadata": meta, "spec": found["spec"]})
        cluster.store.update(
            "Pod", place, meta["name"], lambda old, status=found["status"]: {**old, "status": status}, status=True
        )
        keep_logs(cluster, case, pod)


def keep_logs(cluster, case, pod):
    """Write a pod's log as a kubelet would, from what was read of it with its times."""
    name, folder = pod["metadata"]["name"], cluster.kubeconfig.parent
    for exchange in case["exchanges"]:
        query, body = exchange.get("query", {}), exchange["answer"].get("body")
        if f"/{name}/log" not in exchange["path"] or not isinstance(body, str) or not body:
            continue
        if case["name"] == "finished" and query != {"timestamps": "true"}:
            continue
        container = query.get("container", pod["spec"]["containers"][0]["name"])
        restart = 1 if name.startswith("again") and "previous" not in query else 0
        path = log_path(folder, case["namespace"], pod["metadata"]["uid"], container, restart)
        path.parent.mkdir(parents=True, exist_ok=True)
        stamped = "timestamps" in query
        lines = [line if stamped else f"2026-11-24T04:27:13.000000000Z {line}" for line in body.splitlines()]
        path.write_text("".join(line.replace("Z ", "Z stdout ", 1) + "\n" for line in lines), encoding="utf-8")


def answered(cluster, exchange, uids):
    body = exchange.get("body")
    raw = None if body is None else own(body if isinstance(body, str) else json.dumps(body), uids)
    return send(cluster, exchange["method"], exchange["path"], exchange.get("query"), raw, exchange.get("headers"))


@pytest.mark.parametrize("name", CASES)
def test_an_answer_is_that_of_kubernetes(api, name):
    case, uids = CASES[name], {}
    prepare(api, case)
    for place, exchange in enumerate(case["exchanges"]):
        got, wanted = answered(api, exchange, uids), exchange["answer"]
        body = wanted.get("body", "")
        if isinstance(body, dict) and isinstance(got.body, dict):
            theirs, ours = (each.get("metadata", {}).get("uid") for each in (body, got.body))
            uids |= {theirs: ours} if theirs and ours else {}
        if "lacking" in exchange:
            assert got.status == 422
            assert exchange["lacking"] in [cause["field"] for cause in got.body["details"]["causes"]]
            continue
        where = f"{place}: {exchange['method']} {exchange['path']} {exchange.get('query', '')}"
        assert (where, got.status) == (where, wanted["status"]), got.body
        if isinstance(body, str):
            assert (where, got.body.rstrip("\n")) == (where, body.rstrip("\n"))
        else:
            assert (where, plain(got.body)) == (where, plain(body))
        assert got.warnings == wanted.get("warnings", [])
        if "then_remove" in exchange:
            api.store.delete("Job", case["namespace"], exchange["then_remove"], propagation="Background")
        for job, status in case.get("statuses", {}).items():
            api.store.update(
                "Job", case["namespace"], job, lambda old, status=status: {**old, "status": status}, status=True
            )


def known(row):
    return {key: value for key, value in row.items() if key != "storageVersionHash"}


@pytest.mark.parametrize("place", range(len(RECORDED["discovery"])))
def test_what_the_server_says_of_itself_is_part_of_what_kubernetes_says(api, place):
    wanted = RECORDED["discovery"][place]
    got = send(api, "GET", wanted["path"], headers={"Accept": wanted["accept"]})
    assert got.status == wanted["status"]
    if not isinstance(wanted["body"], dict):
        assert got.body == wanted["body"]
    elif "resources" in wanted["body"]:
        theirs = [known(row) for row in wanted["body"]["resources"]]
        rows = got.body.pop("resources")
        assert got.body == {key: value for key, value in wanted["body"].items() if key != "resources"}
        assert [row for row in rows if row["name"] != "nodes" and row not in theirs] == []
    elif wanted["body"].get("kind") == "APIGroupDiscoveryList":
        theirs = {row["resource"]: row for each in wanted["body"]["items"] for row in each["versions"][0]["resources"]}
        ours = {row["resource"]: row for each in got.body["items"] for row in each["versions"][0]["resources"]}
        assert got.headers["Content-Type"] == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        both = [(ours[name], row) for name, row in theirs.items() if name in ours]
        assert both
        for mine, row in both:
            parts = mine.pop("subresources", [])
            assert [part for part in parts if part not in row.get("subresources", [])] == []
            assert mine == {key: value for key, value in row.items() if key != "subresources"}
    else:
        body = json.loads(json.dumps(wanted["body"]).replace("10.0.0.1:6443", f"127.0.0.1:{api.port}"))
        assert got.body == body
