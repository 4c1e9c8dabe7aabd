"""A cluster, Step Functions, and machines between them; each test has a folder of its own on the claim."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.devcloud.kubernetes.running import QUICK
from tests.whole.kit import module_of

from rowmill import statemachine
from rowmill.devcloud import kubernetes
from rowmill.devcloud.kubernetes.kubelet.volumes import claim_folder
from rowmill.kubejobs import Claim, Pods
from rowmill.model.orders import HEADER, row_maker
from rowmill.testing import expected

from .cluster import Eks, SplitFile, none_ended
from .interpreter import KEYS, Ended, Service, StepFunctions, running
from .synthesised import definitions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rowmill.testing import Expected

NAMESPACE, CLAIM, MOUNT = "rowmill", "rowmill-workspace", "/workspace"
ROWS = 200
NUMBERS = itertools.count(1)
# What a test wants of it is said by files beside it.
JOB = """
import os
import time

from rowmill import Csv, Job, Table

HERE = os.path.dirname(__file__)
job = Job(
    "orders",
    reads=Csv(),
    writes=Csv(columns=["Order ID", "ConfirmationId"], header=False),
    table=Table("Orders", key="Order ID"),
    rows_per_partition=100,
)


@job.process
def confirm(row, ctx):
    told = os.path.join(HERE, f"{ctx.ordinal}.")
    if os.path.exists(told + "poison"):
        raise ValueError("no such thing")
    if os.path.exists(told + "passing"):
        with open(told + "passing") as file:
            left = int(file.read())
        if left:
            with open(told + "passing", "w") as file:
                file.write(str(left - 1))
            os._exit(75)
    while os.path.exists(told + "hold"):
        time.sleep(0.02)
    return row | {"ConfirmationId": ctx.stable_id()}
"""


@dataclass
class World:
    """A cluster and Step Functions.

    Attributes:
        cluster: The small Kubernetes.
        claim: The claim's folder.
    """

    cluster: kubernetes.Cluster
    claim: Path
    steps: StepFunctions
    eks: Eks
    split_file: SplitFile


@pytest.fixture(scope="module")  # no longer: within it moto stands in for AWS in all of this process
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("cluster")
    with kubernetes.serving(folder, running=8, **QUICK) as cluster, running() as steps:
        cluster.store.create("Namespace", {"metadata": {"name": NAMESPACE}})
        claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
        meta = {"name": CLAIM, "namespace": NAMESPACE}
        cluster.store.create("PersistentVolumeClaim", {"metadata": meta, "spec": claim})
        for account in ("default", "rowmill-pods"):
            cluster.store.create("ServiceAccount", {"metadata": {"name": account, "namespace": NAMESPACE}})
        root = claim_folder(folder, NAMESPACE, CLAIM)
        root.mkdir(parents=True)
        root.chmod(0o777)
        eks, split_file = Eks(cluster.token), SplitFile()
        steps.services |= {
            "eks": lambda: Service(eks.answer, eks.ended),
            "lambda": lambda: Service(split_file.answer, none_ended),
        }
        yield World(cluster, root, steps, eks, split_file)


@pytest.fixture(scope="module")
def synthesised(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return the definition of each shape as AWS CDK makes it; pods are told where AWS is, and nothing else changes."""
    env = {**KEYS, "AWS_ENDPOINT_URL": world.steps.url}
    return definitions(tmp_path_factory.mktemp("assembly"), world.cluster.url, env)


@dataclass
class Mill:
    """A deployed machine, with a file of orders on the claim.

    Attributes:
        world: Where.
        folder: The test's own on the claim; `place`: as pods see it.
        workspace: As pods see it.
        definition: What is deployed.
        arn: The machine's.
    """

    world: World
    folder: Path
    place: str
    workspace: str
    definition: dict[str, Any]
    arn: str

    @property
    def input(self) -> str:
        return f"{self.place}/in.csv"

    @property
    def told(self) -> Expected:
        """What the oracle says."""
        return expected(module_of(self.folder / "job.py").job, self.folder / "in.csv")

    def start(self, *words: str, given: str = "") -> str:
        """Begin an execution; return its ARN."""
        return self.world.steps.start(self.arn, {"input": given or self.input, "event_id": "e-1", "words": words})

    def run(self, *words: str, given: str = "") -> Ended:
        """Begin an execution, and wait for its end."""
        return self.world.steps.ended(self.start(*words, given=given))

    def say(self, name: str, text: str = "") -> None:
        """Let the job see a file, which it may write."""
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o666)

    def output(self, name: str = "in.csv_Output") -> bytes:
        return (self.folder / name).read_bytes()

    def jobs(self, step: str = "") -> list[dict[str, Any]]:
        """Return the KubernetesJobs that the machine has made here."""
        found = [job for job in self.world.cluster.store.list("Job", NAMESPACE)[0] if self._is_ours(job)]
        return [job for job in found if step in ("", job["metadata"]["labels"]["rowmill.dev/step"])]

    def _is_ours(self, job: dict[str, Any]) -> bool:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        return {"name": "ROWMILL_WORKSPACE", "value": self.workspace} in container["env"]


@pytest.fixture
def mill(world: World) -> Iterator[Callable[..., Mill]]:
    """Give deployed machines; the arguments are those of `Machine`, and `pods` changes those of `Pods`."""
    made: list[Mill] = []

    def deploy(*, pods: dict[str, Any] | None = None, workspace: str = "", **machine: Any) -> Mill:
        name = f"t{next(NUMBERS)}"
        folder, place = world.claim / name, f"{MOUNT}/{name}"
        folder.mkdir()
        folder.chmod(0o777)
        (folder / "job.py").write_text(JOB)
        (folder / "in.csv").write_text(HEADER + row_maker(7)(0, ROWS))
        workspace = workspace or f"{place}/work"
        env = {**KEYS, "AWS_ENDPOINT_URL": world.steps.url}
        common = Pods(
            image="rowmill:0.1",
            job=f"{place}/job.py",
            workspace=workspace,
            namespace=NAMESPACE,
            claim=Claim(CLAIM, MOUNT),
            env=env | (pods or {}).pop("env", {}),
            **{"cpu": "50m", "memory": "256Mi", **(pods or {})},
        )
        asked = statemachine.Machine(
            **{
                "cluster": statemachine.Cluster("small", world.cluster.url, "Y2E="),
                "pods": common,
                "bucket": "in",
                "table": f"sqlite:///{place}/table.db",
                "workers": 2,
                "split_file": "arn:aws:lambda:us-east-1:123456789012:function:split-file",
                **machine,
            }
        )
        definition = json.loads(json.dumps(statemachine.definition(asked)))
        world.split_file.env = {"ROWMILL_WORKSPACE": workspace.replace(MOUNT, str(world.claim))}
        made.append(Mill(world, folder, place, workspace, definition, world.steps.create(definition)))
        return made[-1]

    yield deploy
    world.eks.fail = lambda _method, _path: ""
    world.split_file.fail = 0
    for one in made:
        for file in one.folder.glob("*.hold"):
            file.unlink()
        shutil.rmtree(one.folder, ignore_errors=True)
