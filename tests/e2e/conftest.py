"""One local AWS, one synth, and each stack deployed once, when a test first asks for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rowmill import api
from rowmill.testing import landing

# Before aws_cdk is imported: what its validator says is tested with the templates.
QUIET = {"CDK_VALIDATION": "false", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
REGIONS = {"Inline": "eu-west-1"}


@pytest.fixture(scope="session")
def assembly(tmp_path_factory):
    out = tmp_path_factory.mktemp("assembly")
    script = Path(__file__).with_name("stacks.py")
    subprocess.run([sys.executable, script, out], env=os.environ | QUIET, check=True, capture_output=True, timeout=300)
    return out


@pytest.fixture(scope="session")
def stacks(rowmill_devcloud, assembly):
    """Give a stack by its name."""
    made = {}

    def stack(name):
        if name not in made:
            deployed = rowmill_devcloud.deploy(assembly, name, region=REGIONS.get(name, ""))
            made[name] = landing.stack(rowmill_devcloud, deployed)
        return made[name]

    return stack


@pytest.fixture(scope="session")
def orders(tmp_path_factory):
    """Write a file of made-up orders, other ones for each seed; `do` says by row what is to happen to it."""

    def orders(rows, seed, do=None):
        file = tmp_path_factory.mktemp("orders") / f"{seed}.csv"
        api.generate(rows, str(file), seed=seed)
        if do is not None:
            head, *lines = file.read_text().splitlines()
            lines = [f"{line},{do.get(place, do.get('all', ''))}" for place, line in enumerate(lines)]
            file.write_text("\n".join([f"{head},Do", *lines]) + "\n")
        return file

    return orders
