"""What keeps pods from their work is told while the command waits, in the cluster's own words, with what to do."""

from __future__ import annotations

import contextlib
import http.server
import json
import secrets
import socket
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest
import yaml

from rowmill import kubejobs
from rowmill.devcloud.kubernetes import Fault
from rowmill.errors import ConfigurationError
from rowmill.kubejobs import Pods
from rowmill.runners.kubernetes import cluster as runner
from rowmill.runners.kubernetes import following, running
from rowmill.runners.kubernetes.progress import Found
from rowmill.runners.pods import in_pods
from rowmill.runners.starting import Asked

from .kit import PodRun, job_with, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.whole.kit import Orders

    from .kit import Cluster

NO_PODS = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
EXHAUSTED = "kept = bytearray(600_000_000)"


class Told(NamedTuple):
    """What must stand on a command's standard error, and how it ends; None = it goes on waiting."""

    words: dict[str, str]
    texts: tuple[str, ...]
    code: int | None = None


CASES = {
    "an image that is missing": Told(
        {"image": "registry.invalid/none/there:1"}, ("ErrImagePull", "registry.invalid/none/there:1", "check --image")
    ),
    "more than any node has": Told({"cpu": "100k"}, ("Unschedulable", "Insufficient cpu", "lower --cpu")),
    "a claim that is missing": Told({"claim": "absent:/data"}, ('persistentvolumeclaim "absent" not found', "--claim")),
    "a service account that is missing": Told(
        {"service_account": "absent"}, ("FailedCreate", 'serviceaccount "absent" not found', "service account")
    ),
    "a namespace that is missing": Told(
        {"namespace": "rowmill-absent"}, ("there is no namespace rowmill-absent", "--namespace"), 2
    ),
    "a secret that is missing": Told({}, ("CreateContainerConfigError", 'secret "absent" not found', "Secret")),
    "memory that runs out": Told({"memory": "128Mi"}, ("OOMKilled", "--memory", "--rows-per-partition"), 4),
}


@pytest.fixture(scope="module")
def waiting(cluster: Cluster, few_orders: Orders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    """All commands at once: they wait more than they work."""
    runs: dict[str, PodRun] = {}
    for number, (case, told) in enumerate(CASES.items()):
        folder = tmp_path_factory.mktemp(f"trouble-{number}")
        runs[case] = run_of(cluster, few_orders, folder, **told.words)
    runs["a secret that is missing"].template(
        env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "token"}}}]
    )
    runs["memory that runs out"].code(job_with(EXHAUSTED))
    yield {case: (run, Reading(run.start())) for case, run in runs.items()}
    for run in runs.values():
        run.campaign.end()
        for job in run.jobs():
            cluster.kubectl("delete", "job", job["metadata"]["name"], "--wait=false", "--ignore-not-found")


class Reading:
    """A command whose standard error is read while it runs."""

    def __init__(self, process) -> None:
        self.process, self.text = process, ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(ValueError):  # closed at the test's end
            for line in self.process.stderr:
                self.text += line


@pytest.mark.parametrize("case", CASES)
def test_it_is_told(cluster: Cluster, waiting: dict, case: str) -> None:
    _, client = waiting[case]
    told = CASES[case]
    if told.code is None:
        cluster.until(lambda: all(text in client.text for text in told.texts) or client.process.poll() is not None)
        assert client.process.poll() is None, client.text
    else:
        cluster.until(lambda: client.process.poll() is not None)
        assert client.process.returncode == told.code, client.text
        cluster.until(lambda: told.texts[0] in client.text)
    for text in told.texts:
        assert text in client.text


@contextlib.contextmanager
def namespace_of(cluster: Cluster, *manifests: dict) -> Iterator[str]:
    """Give another namespace, with these objects."""
    name = f"{cluster.namespace}-{secrets.token_hex(2)}"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    cluster.apply(*manifests, namespace=name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def test_a_quota_is_told_in_its_own_words(cluster: Cluster, make: Callable[..., PodRun], few_orders: Orders) -> None:
    with namespace_of(cluster, NO_PODS) as namespace:
        run = make(few_orders, namespace=namespace)
        client = Reading(run.start())
        cluster.until(lambda: "exceeded quota" in client.text, client.process)
        for text in ("FailedCreate", "limited: pods=0", "quota"):
            assert text in client.text


def test_a_quota_on_kubernetes_jobs_ends_the_command(cluster: Cluster, make, few_orders: Orders) -> None:
    quota = json.loads(json.dumps(NO_PODS).replace('"pods"', '"count/jobs.batch"'))
    with namespace_of(cluster, quota) as namespace:
        refused = make(few_orders, namespace=namespace).give()
    assert refused.code == 2, refused.err
    assert "quota" in refused.err
    assert "count/jobs.batch=0" in refused.err


def test_who_may_not_is_told_what_is_forbidden_and_where_the_rights_stand(cluster: Cluster, make, few_orders) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "weak"}})
    run = make(few_orders)
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"] = [{"name": "weak", "user": {"token": cluster.kubectl("create", "token", "weak").strip()}}]
    for context in config["contexts"]:
        context["context"]["user"] = "weak"
    if cluster.small is not None:  # by its path, whoever has it may do all
        config["clusters"][0]["cluster"]["server"] = cluster.small.url
    refused = given_with(run, run.folder, config)
    assert refused.code == 2, refused.err
    for text in ("forbids", "cannot list resource", ":weak", "docs/howto/approval.md"):
        assert text in refused.err


def given_with(run: PodRun, folder: Path, config: dict):
    """Give a run's command with another kubeconfig."""
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    run.campaign.env["KUBECONFIG"] = str(folder / "kubeconfig")
    return run.give()


def config_for(url: str) -> dict:
    """Return a kubeconfig."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {}}],
    }


def test_an_address_where_no_cluster_is_is_told(make, few_orders, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        refused = given_with(make(few_orders), tmp_path, config_for(url))
    assert refused.code == 75, refused.err
    assert f"the cluster at {url} does not answer" in refused.err
    assert "Connection refused" in refused.err


def test_a_kubeconfig_that_is_missing_is_told(make, few_orders) -> None:
    run = make(few_orders)
    run.campaign.env["KUBECONFIG"] = "/absent/kubeconfig"
    refused = run.give()
    assert refused.code == 2, refused.err
    assert "/absent/kubeconfig" in refused.err
    assert "set KUBECONFIG" in refused.err


def test_a_context_that_is_missing_is_told(make, few_orders) -> None:
    refused = make(few_orders, kube_context="absent").give()
    assert refused.code == 2, refused.err
    assert "absent" in refused.err
    assert "--kube-context" in refused.err


class Older(http.server.BaseHTTPRequestHandler):
    """An API server of another time."""

    def do_GET(self) -> None:
        body = json.dumps({"major": "1", "minor": "32+", "gitVersion": "v1.32.9"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Log nothing."""


def test_an_older_server_is_refused_clearly(make, few_orders, tmp_path: Path) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Older) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        refused = given_with(make(few_orders), tmp_path, config_for(f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
        thread.join()
    assert refused.code == 2, refused.err
    assert "the cluster's Kubernetes is 1.32" in refused.err
    assert "Rowmill needs 1.33 or later" in refused.err


@pytest.fixture
def asked(cluster: Cluster, as_a_user: None) -> Iterator[runner.Cluster]:
    """The cluster as the runner asks it."""
    del as_a_user
    with runner.connected(None, cluster.namespace) as made:
        yield made


def config_map(name: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_a_change_that_another_was_quicker_with_is_asked_again_and_is_not_taken_for_what_is_there(
    asked, failing
) -> None:
    refusals = [Fault(409, reason="Conflict"), Fault(409, reason="Conflict")]
    failing(lambda _method, path: refusals.pop() if refusals and path.endswith("/configmaps") else None)
    assert asked.create(config_map("contended")) is True
    assert refusals == []
    assert asked.create(config_map("contended")) is False
    assert asked.get("ConfigMap", "contended") is not None


def event(about: dict, uid: str, message: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"event-{secrets.token_hex(4)}"},
        "involvedObject": {"kind": "Job", "name": about["metadata"]["name"], "uid": uid},
        "type": "Warning",
        "reason": "FailedCreate",
        "message": message,
    }


def test_what_is_told_of_an_earlier_object_of_the_same_name_is_not_told_of_this_one(cluster: Cluster, asked) -> None:
    pods = Pods(image=cluster.image, job="none", workspace="none", cpu="50m", memory="64Mi", queue="none")
    asked.create(kubejobs.merge_job(pods, "0123456789abcdef", attempt=1))
    job = asked.get("Job", kubejobs.job_name("0123456789abcdef", "merge", 1))
    of_another = event(job, secrets.token_hex(8), "of an earlier one")
    cluster.apply(of_another, event(job, job["metadata"]["uid"], "of this one"))
    assert [trouble.words for trouble in following.troubles_of(asked, job)] == ["of this one"]


@pytest.mark.parametrize("fan_out", ["indexed", "per-partition"])
def test_a_step_of_which_nothing_can_begin_is_taken_back(
    asked, make, few_orders: Orders, monkeypatch: pytest.MonkeyPatch, fan_out: str
) -> None:
    run = make(few_orders, image="registry.invalid/none/there:1", fan_out=fan_out)
    monkeypatch.chdir(run.folder)
    words = {name: value for name, value in run.words.items() if name not in ("on", "output")}
    made = in_pods(Asked("job.py", run.campaign.given, None, None, words))
    found, told = Found(secrets.token_hex(8), 1_000, 10, 10, 1), list[str]()
    impatient = following.Following(asked, told.append, give_up_s=0.5)
    with pytest.raises(ConfigurationError, match=r"pods cannot begin: .*(ErrImagePull|ImagePullBackOff)"):
        running.process(made, impatient, found, lambda _view: None)
    assert "given up after" in told[-1]
    assert [job for job in run.jobs("process") if "deletionTimestamp" not in job["metadata"]] == []
