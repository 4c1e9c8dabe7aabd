"""The cluster of these tests: the small Kubernetes, or KUBECONFIG's where `make test-kubernetes` asks for it."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from lightkube.config.client_adapter import Client, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig
from tests.devcloud.kubernetes.running import QUICK
from tests.whole.kit import Orders, orders_in

from rowmill.devcloud import kubernetes
from rowmill.devcloud.kubernetes.kubelet.volumes import claim_folder

from .files import FolderFiles, PodFiles
from .kit import CLAIM, SMALL_ONLY, Cluster, PodRun, run_in_pod, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WANTED, IMAGE, NODE = "ROWMILL_TEST_CLUSTER", "ROWMILL_TEST_IMAGE", "ROWMILL_TEST_NODE"
CLASS, ACCESS = "ROWMILL_TEST_STORAGE_CLASS", "ROWMILL_TEST_ACCESS_MODE"
OUR_IMAGE = "rowmill:0.1"  # which the small Kubernetes has
HANG_S, REAL_HANG_S = 90.0, 600.0
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A namespace of these tests' own, with a claim, where pods may do the least."""
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl")
    folder = tmp_path_factory.mktemp("kubernetes")
    with real() if os.environ.get(WANTED) else small(folder) as made:
        labels = {"app.kubernetes.io/name": "rowmill-tests", **RESTRICTED}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.namespace, "labels": labels}}
        made.apply(namespace)
        made.apply(claim())
        if made.small is None:
            made.claim_files.append(PodFiles(partial(run_in_pod, made)))
        else:
            root = claim_folder(folder, made.namespace, CLAIM)
            root.mkdir(parents=True)
            root.chmod(0o777)  # pods run as another user
            made.claim_files.append(FolderFiles(root))
        yield made
        if made.small is None:
            made.kubectl("delete", "namespace", made.namespace, "--wait=false")


@contextmanager
def small(folder: Path) -> Iterator[Cluster]:
    """Give the small Kubernetes, whose waits are short."""
    with kubernetes.serving(folder, running=8, **QUICK) as server, spoken_to(server.kubeconfig) as http:
        yield Cluster(server.kubeconfig, namespace(), OUR_IMAGE, "node-1", http, HANG_S, server)


@contextmanager
def real() -> Iterator[Cluster]:
    """Give the cluster of KUBECONFIG."""
    kubeconfig, image = os.environ.get("KUBECONFIG", ""), os.environ.get(IMAGE, "")
    if not kubeconfig or not Path(kubeconfig).is_file():
        pytest.skip("KUBECONFIG names no file: there is no cluster to test on")
    if not image:
        pytest.skip(f"{IMAGE} names no image that the cluster can pull")
    with spoken_to(Path(kubeconfig)) as http:
        try:
            nodes = http.request("GET", "api/v1/nodes").json()["items"]
        except httpx2.TransportError as error:
            pytest.skip(f"the cluster of {kubeconfig} does not answer: {error}")
        free = [it for it in nodes if not it["spec"].get("taints") and not it["spec"].get("unschedulable")]
        assert free, "no node takes pods without more ado"
        node = os.environ.get(NODE) or free[0]["metadata"]["labels"]["kubernetes.io/hostname"]
        yield Cluster(Path(kubeconfig), namespace(), image, node, http, REAL_HANG_S)


@contextmanager
def spoken_to(kubeconfig: Path) -> Iterator[Any]:
    """Give a connection to a cluster's API."""
    config = KubeConfig.from_file(kubeconfig).get()
    assert config is not None
    with closing(Client(config, ConnectionParams(timeout=httpx2.Timeout(30.0)))) as http:
        yield http


def namespace() -> str:
    return f"rowmill-tests-{secrets.token_hex(3)}"


def claim() -> dict[str, Any]:
    """Return the claim; a cluster of one node may have a class whose volumes are a node's own."""
    mode, storage = os.environ.get(ACCESS, "ReadWriteMany"), os.environ.get(CLASS)
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
    spec |= {"storageClassName": storage} if storage else {}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM}, "spec": spec}


@pytest.fixture
def as_a_user(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process find the cluster as a user's does, whose environment says nothing of tests."""
    for name in (WANTED, IMAGE, NODE, CLASS, ACCESS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))


@pytest.fixture
def failing(cluster: Cluster) -> Iterator[Callable[..., None]]:
    """Let requests to the API server fail until the test's end."""
    if cluster.small is None:
        pytest.skip(SMALL_ONLY)
    ends: list[Callable[[], None]] = []
    yield lambda rule, **words: ends.append(cluster.small.fail(rule, **words))
    for end in ends:
        end()


@pytest.fixture(scope="session")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Orders:
    """20,000 orders, some hundred keys twice."""
    return orders_in(tmp_path_factory.mktemp("orders"))


@pytest.fixture(scope="session")
def few_orders(tmp_path_factory: pytest.TempPathFactory) -> Orders:
    """1,000 orders, where the size is not the point."""
    return orders_in(tmp_path_factory.mktemp("few-orders"), 1_000, 40, 40)


@pytest.fixture
def make(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., PodRun]]:
    """Give runs whose pods are in the cluster."""
    made: list[PodRun] = []

    def make(orders: Orders, **words: str) -> PodRun:
        folder = tmp_path / f"{len(made)}"
        folder.mkdir()
        made.append(run_of(cluster, orders, folder, **words))
        return made[-1]

    yield make
    for run in made:
        run.campaign.end()
        for job in run.jobs():
            cluster.kubectl("delete", "job", job["metadata"]["name"], "--wait=false", "--ignore-not-found")
