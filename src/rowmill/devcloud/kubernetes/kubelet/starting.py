"""A container's way to its program: image, environment, start; where one is missing it waits and says so."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

from rowmill.devcloud.kubernetes.kubelet import identities, images, logs
from rowmill.devcloud.kubernetes.kubelet.environment import ConfigError, Sources
from rowmill.devcloud.kubernetes.kubelet.preparing import specification
from rowmill.devcloud.kubernetes.kubelet.processes import Running, StartError
from rowmill.devcloud.kubernetes.quantities import number

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rowmill.devcloud.kubernetes.answers import Object
    from rowmill.devcloud.kubernetes.kubelet.statuses import Box

START_FAILED = 128
BEFORE = "1970-01-01T00:00:00Z"  # what Kubernetes says of a program that never started
UNNAMEABLE = (
    'Failed to apply default image tag "{0}": couldn\'t parse image name "{0}": invalid reference format: '
    "repository name (library/{0}) must be lowercase"
)
UNKNOWN = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "{0}": failed to resolve reference "{0}": '
    "{0}: not found"
)
NEVER = 'Container image "{}" is not present with pull policy of Never'
PRESENT = 'Container image "{}" already present on machine and can be accessed by the pod'


class Waits(Exception):  # noqa: N818 - it is no error of ours: the container waits
    """A container cannot start yet.

    Args:
        reason: Kubernetes' word.
        message: Why.
        told: The event that says so: type, reason, message; empty for none.
    """

    def __init__(self, reason: str, message: str, *told: tuple[str, str, str]) -> None:
        super().__init__(message)
        self.reason, self.message, self.told = reason, message, told


class Failed(NamedTuple):
    """A container whose program could not be started."""

    state: Object
    message: str


class Start(NamedTuple):
    """A container about to start.

    Attributes:
        box: The container.
        sources: Its pod, and where values come from.
        volumes: Where the pod's volumes are.
        folder: The node's.
    """

    box: Box
    sources: Sources
    volumes: dict[str, Path]
    folder: Path

    @property
    def own(self) -> Path:
        """The pod's folder."""
        return self.folder / "pods" / str(self.sources.pod["metadata"]["uid"])

    @property
    def message(self) -> Path:
        """The file in which the container may say why it ended."""
        return self.own / "messages" / f"{self.box.name}-{self.box.restarts}"

    @property
    def log(self) -> Path:
        """Where its output goes."""
        meta = self.sources.pod["metadata"]
        return logs.log_path(self.folder, meta["namespace"], meta["uid"], self.box.name, self.box.restarts)


def image_of(box: Box, folder: Path) -> images.Image:
    """Return a container's image.

    Raises:
        Waits: This node has none of that name.
    """
    name = box.spec["image"]
    if not images.is_name(name):
        why = UNNAMEABLE.format(name)
        told = (("Warning", "InspectFailed", why), ("Warning", "Failed", "Error: InvalidImageName"))
        raise Waits("InvalidImageName", why, *told)
    found = images.found(name, folder)
    if found is not None:
        return found
    if box.spec.get("imagePullPolicy") == "Never":
        why = NEVER.format(name)
        told = (("Warning", "ErrImageNeverPull", why), ("Warning", "Failed", "Error: ErrImageNeverPull"))
        raise Waits("ErrImageNeverPull", why, *told)
    why = UNKNOWN.format(name)
    raise Waits(
        "ErrImagePull",
        why,
        ("Normal", "Pulling", f'Pulling image "{name}"'),
        ("Warning", "Failed", f'Failed to pull image "{name}": {why}'),
        ("Warning", "Failed", "Error: ErrImagePull"),
    )


def started(start: Start, ended: Callable[[int, bool], None], now: str) -> tuple[str, Running | Failed]:
    """Start a container's program; return what the start is called, and what runs or why it does not.

    Raises:
        Waits: It cannot start yet.
    """
    box, image = start.box, image_of(start.box, start.folder)
    start.message.parent.mkdir(parents=True, exist_ok=True)
    start.message.touch()
    start.message.chmod(0o666)  # whoever the container runs as
    root = start.own / "roots" / f"{box.name}-{box.restarts}"
    try:
        given = identities.given(start.sources.pod, start.folder)
        spec = specification(box.spec, start.sources, image, start.volumes, root, start.message, given)
    except ConfigError as error:
        told = (("Normal", "Pulled", PRESENT.format(box.spec["image"])), ("Warning", "Failed", f"Error: {error}"))
        raise Waits("CreateContainerConfigError", str(error), *told) from None
    limit = ((box.spec.get("resources") or {}).get("limits") or {}).get("memory", 0)
    called = uuid.uuid4().hex * 2
    try:
        return called, Running(spec, root.with_suffix(".json"), start.log, int(number(limit)), ended)
    except StartError as error:
        state = {"exitCode": START_FAILED, "reason": "StartError", "message": str(error), "startedAt": BEFORE}
        state |= {"finishedAt": now, "containerID": f"process://{called}"}
        return called, Failed({"terminated": state}, str(error))


def last_words(start: Start, code: int) -> str:
    """Return what a container says of its end: its message, or, if it wants that, the end of its log."""
    words = start.message.read_bytes()[:4096].decode("utf-8", "replace") if start.message.exists() else ""
    if not words and code and start.box.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        return logs.tail(start.log, 80, 2048)
    return words
