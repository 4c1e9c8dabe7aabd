"""The app that is shipped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HANG_S = 240


def test_the_shipped_app_synthesises_without_docker_npm_or_account(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    env |= {"CDK_OUTDIR": str(tmp_path), "CDK_DOCKER": "/bin/false", "CDK_VALIDATION": "false"}
    env |= {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20", "HOME": str(Path.home())}
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT / "infra",
        env=env,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    template = json.loads((tmp_path / "RowmillOrders.template.json").read_bytes())
    kinds = [one["Type"] for one in template["Resources"].values()]
    assert kinds.count("AWS::StepFunctions::StateMachine") == 1
    assert kinds.count("AWS::EKS::Cluster") == 1
