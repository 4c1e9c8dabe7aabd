"""What pods may do, and what nobody finds in what a cluster keeps."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets

import pytest
from tests.whole.places import rows_of_stub

from rowmill.testing.dynamodb_stub import DynamoStub
from rowmill.testing.postgresql_server import PostgreSqlServer

from .kit import SMALL_ONLY, job_with, pod

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
INSIDE = f"""
assert not os.path.exists({ACCOUNT!r}), "a token"
assert (os.getuid(), os.getgid()) == (10001, 10001), "another user"
status = open("/proc/self/status").read()
assert "NoNewPrivs:\\t1" in status, "privileges"
assert "CapEff:\\t0000000000000000" in status, "capabilities"
try:
    open("/written", "w").close()
except OSError:
    pass
else:
    raise AssertionError("a root that can be written to")
"""


def test_a_namespace_that_admits_restricted_pods_only_admits_ours_which_have_no_token_and_no_rights(
    cluster, make, few_orders
) -> None:
    labels = cluster.get(f"api/v1/namespaces/{cluster.namespace}")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    bare = pod(cluster, "bare", "", ())
    del bare["spec"]["securityContext"]
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        cluster.apply(bare)
    run = make(few_orders)
    run.code(job_with(INSIDE))
    run.ends_right(run.start())
    assert {pod["spec"]["automountServiceAccountToken"] for pod in run.pods()} == {False}
    names = [job["metadata"]["name"] for job in run.jobs()]
    told = [it for it in cluster.objects("events") if it["involvedObject"]["name"] in names]
    assert {it["type"] for it in told} == {"Normal"}


def secret_of(cluster, value: str) -> str:
    """Create a Secret; return its name."""
    name = f"secret-{secrets.token_hex(3)}"
    cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"it": value}})
    return name


def by_reference(variable: str, secret: str) -> dict:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": "it"}}}


def test_a_secret_reaches_the_function_and_is_nowhere_else(cluster, make, few_orders) -> None:
    value = f"correct-horse-{secrets.token_hex(8)}"
    run = make(few_orders)
    run.template(env=[by_reference("TOKEN", secret_of(cluster, value))])
    digest = hashlib.sha256(value.encode()).hexdigest()
    run.code(job_with(f"import hashlib\nassert hashlib.sha256(os.environ['TOKEN'].encode()).hexdigest() == {digest!r}"))
    ended = run.give()
    run.agrees(ended.report)
    kept = b"".join(run.files("work/**/*").values()).decode("utf-8", "replace")
    for text in (run.everything_told(), ended.out, ended.err, kept):
        assert value not in text
        assert base64.b64encode(value.encode()).decode() not in text


def test_a_password_in_a_url_is_refused_and_not_repeated(make, few_orders) -> None:
    refused = make(few_orders, table="postgresql://tester:hunter2@db.example/orders").give()
    assert refused.code == 2, refused.err
    assert "hunter2" not in refused.err
    assert "Secret" in refused.err


@pytest.fixture
def loopback(cluster) -> None:
    if cluster.small is None:
        pytest.skip(f"pods reach servers of this machine: {SMALL_ONLY}")


@pytest.mark.usefixtures("loopback")
def test_pods_that_are_killed_write_each_row_once_into_postgresql(cluster, make, few_orders) -> None:
    import psycopg  # noqa: PLC0415 - an extra
    from psycopg.rows import dict_row  # noqa: PLC0415

    password = secrets.token_hex(8)
    with PostgreSqlServer(method="scram-sha-256", password=password) as server:
        url = f"postgresql://tester@127.0.0.1:{server.port}/postgres"

        def rows() -> list[dict]:
            with psycopg.connect(url, password=password, row_factory=dict_row) as db:
                return db.execute('SELECT * FROM "Orders"').fetchall()

        run = make(few_orders, table=url, workers="2", rows_per_partition="250")
        run.campaign.rows_of_table = rows
        run.put(hold=b"")
        held = [{"name": "HOLD", "value": run.on_claim("hold")}, {"name": "HOLD_FROM", "value": "500"}]
        run.template(env=[by_reference("PGPASSWORD", secret_of(cluster, password)), *held])
        process = run.start()
        run.disrupt(process, 2, cluster.kill, seed=11)
        run.ends_right(process)
        assert password not in json.dumps([run.jobs(), run.pods()])


@pytest.mark.usefixtures("loopback")
def test_pods_that_are_evicted_write_each_row_once_into_dynamodb(cluster, make, few_orders) -> None:
    with DynamoStub() as stub:
        stub.create("Orders", {"Order ID": "S"})
        run = make(few_orders, table="dynamodb://us-east-1/Orders", workers="2", rows_per_partition="250")
        run.campaign.rows_of_table = lambda: rows_of_stub(stub)
        run.put(hold=b"")
        run.env(
            AWS_ENDPOINT_URL_DYNAMODB=stub.url,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - of a stub
            HOLD=run.on_claim("hold"),
            HOLD_FROM="500",
        )
        process = run.start()
        run.disrupt(process, 2, cluster.evict, seed=12)
        run.ends_right(process)
