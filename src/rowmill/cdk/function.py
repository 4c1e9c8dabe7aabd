"""The split-file Lambda, put together without pip or docker: our own source and Valkey's client are pure Python."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from rowmill import wire
from rowmill.cdk import logs, tracker
from rowmill.cdk.asked import FOLDER
from rowmill.cdk.network import PRIVATE

if TYPE_CHECKING:
    from aws_cdk import aws_efs as efs
    from constructs import Construct

    from rowmill.cdk.platforms import Platform
    from rowmill.cdk.props import JobProps

MOUNT = "/mnt/workspace"
ARCHITECTURES = {"x86_64": lambda_.Architecture.X86_64, "arm64": lambda_.Architecture.ARM_64}
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")
OURS = Path(wire.__file__).parent
MEMORY_MIB = 512
TIMEOUT = cdk.Duration.minutes(2)


def split_file(
    scope: Construct, platform: Platform, bucket: str, point: efs.AccessPoint | None, props: JobProps
) -> lambda_.Function:
    """Return the function that tells which partitions are left, and repairs what the tracker shows.

    Args:
        scope: Where it stands.
        platform: Where the cache and the file system are.
        bucket: With the workspace, or empty: it is on the file system.
        point: Of the file system, if it is there.
        props: Of the job.
    """
    with TemporaryDirectory() as folder:
        assemble(Path(folder))
        made = lambda_.Function(
            scope,
            "SplitFile",
            description="Which partitions of a run are left; repairs what the tracker shows",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=ARCHITECTURES[props.architecture],
            handler="rowmill.splitfile.handler",
            code=lambda_.Code.from_asset(folder),
            memory_size=MEMORY_MIB,
            timeout=TIMEOUT,
            tracing=lambda_.Tracing.ACTIVE,
            log_group=logs.group(scope, "SplitFileLogs", props),
            environment=_environment(platform, bucket),
            filesystem=None if point is None else lambda_.FileSystem.from_efs_access_point(point, MOUNT),
            **_network(platform, point),
        )
    tracker.allow(made, platform.cache)
    return made


def assemble(folder: Path) -> None:
    """Put together what the function is made of: names, the handler, and the client of Valkey."""
    package = folder / "rowmill"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    shutil.copy(OURS / "wire.py", package)
    shutil.copytree(OURS / "splitfile", package / "splitfile", ignore=LEFT_OUT)
    found = importlib.util.find_spec("valkey")
    assert found is not None  # noqa: S101 - the extra brings it
    assert found.origin is not None  # noqa: S101
    shutil.copytree(Path(found.origin).parent, folder / "valkey", ignore=LEFT_OUT)


def _environment(platform: Platform, bucket: str) -> dict[str, str]:
    environment = {wire.WORKSPACE_VARIABLE: f"s3://{bucket}/{FOLDER.rstrip('/')}" if bucket else MOUNT}
    if platform.cache is not None:
        environment |= {"ROWMILL_TRACKER": platform.cache.url, "ROWMILL_TRACKER_AUTH": "iam"}
    return environment


def _network(platform: Platform, point: efs.AccessPoint | None) -> dict[str, Any]:
    """Return where the function runs: in the VPC only for what is reached from nowhere else."""
    if platform.vpc is None or (platform.cache is None and point is None):
        return {}
    groups = [] if platform.clients is None else [platform.clients]
    return {"vpc": platform.vpc, "vpc_subnets": PRIVATE, "security_groups": groups}
