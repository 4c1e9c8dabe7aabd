"""All variants are synthesised together, once: most of what a synth costs is Node's start and the handler's layers."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

# Before aws_cdk is imported: its validator is asked in a test of its own, and Node 20's age is no finding of ours.
os.environ["CDK_VALIDATION"] = "false"
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "20"

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the templates of all variants."""
    import aws_cdk as cdk  # noqa: PLC0415 - after the environment is set
    from variants import VARIANTS  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("assembly")
    app = cdk.App(outdir=str(folder))
    for name, build in VARIANTS.items():
        build(cdk.Stack(app, name))
    app.synth()
    return folder


@pytest.fixture(scope="session")
def templates(assembly: Path) -> dict[str, dict[str, Any]]:
    """Return each variant's template."""
    found = {file.name.partition(".")[0]: file for file in assembly.glob("*.template.json")}
    return {name: json.loads(file.read_bytes()) for name, file in found.items()}
