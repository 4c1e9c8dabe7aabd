"""The image: the shipped Dockerfile with the job's folder, built when it is deployed; or one that is there."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from aws_cdk import aws_ecr_assets as assets

if TYPE_CHECKING:
    from constructs import Construct

    from rowmill.cdk.props import JobProps

PACKAGE = Path(__file__).resolve().parents[1]
BUILT_FROM = ("Dockerfile", "pyproject.toml", "README.md")
PLATFORMS = {"x86_64": assets.Platform.LINUX_AMD64, "arm64": assets.Platform.LINUX_ARM64}
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
CODE = "\n# The job.\nCOPY job /job\n"
LIBRARIES = """USER root
RUN pip install --no-cache-dir --disable-pip-version-check --requirement /job/requirements.txt
USER 10001:10001
"""


def image(scope: Construct, props: JobProps) -> str:
    """Return the image's URI.

    Docker is needed when it is deployed, not when it is synthesised.
    """
    if props.image is not None:
        return props.image
    with TemporaryDirectory() as folder:
        context(Path(folder), props.job_folder)
        made = assets.DockerImageAsset(scope, "Image", directory=folder, platform=PLATFORMS[props.architecture])
    return str(made.image_uri)


def context(folder: Path, job_folder: str | None) -> None:
    """Put together what docker builds from: our source, and the job's folder as `/job`."""
    for name in BUILT_FROM:
        shutil.copy(_source() / name, folder)
    shutil.copytree(PACKAGE, folder / "src" / "rowmill", ignore=LEFT_OUT)
    if job_folder is None:
        return
    shutil.copytree(job_folder, folder / "job", ignore=LEFT_OUT)
    libraries = LIBRARIES if (folder / "job" / "requirements.txt").is_file() else ""
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text(encoding="utf-8") + CODE + libraries, encoding="utf-8")


def _source() -> Path:
    """Return where the Dockerfile is: in a checkout, or where the wheel has put it."""
    checkout = PACKAGE.parents[1]
    return checkout if (checkout / "Dockerfile").is_file() else Path(sysconfig.get_path("data")) / "share" / "rowmill"
