"""What is put together at synth: the Lambda and what the image is built from."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rowmill.cdk import function, image

ROOT = Path(__file__).resolve().parents[2]
HANG_S = 60


def test_the_lambda_runs_on_what_its_asset_and_the_runtime_have(tmp_path: Path) -> None:
    function.assemble(tmp_path)
    code = (
        "import sys; sys.path[:0] = sys.argv[1:2]; import rowmill.splitfile as it, valkey\n"
        "assert valkey.__file__.startswith(sys.argv[1]) and it.__file__.startswith(sys.argv[1])\n"
        "print(it.handler({'run_id': 'r', 'attempt': 1, 'fan_out': 'inline-map', 'most': 9}, None)['failure']['error'])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(tmp_path)],
        env={"ROWMILL_WORKSPACE": str(tmp_path / "nothing")},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "StateError"


def test_the_lambda_is_small_and_all_python(tmp_path: Path) -> None:
    function.assemble(tmp_path)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= {".py", ".typed"}
    assert sum(file.stat().st_size for file in files) < 5_000_000
    assert (tmp_path / "rowmill" / "__init__.py").read_bytes() == b""


def test_the_same_source_gives_the_same_asset(tmp_path: Path) -> None:
    seen = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        function.assemble(tmp_path / name)
        files = sorted(file for file in (tmp_path / name).rglob("*") if file.is_file())
        seen.append([(str(file.relative_to(tmp_path / name)), file.read_bytes()) for file in files])
    assert seen[0] == seen[1]


def test_an_installed_package_has_what_the_image_is_built_from() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    shared = wheel["wheel"]["shared-data"]
    assert shared == {name: f"share/rowmill/{name}" for name in image.BUILT_FROM}
    copied = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert all(name in copied for name in image.BUILT_FROM)


def test_without_a_job_folder_the_image_is_the_shipped_one(tmp_path: Path) -> None:
    image.context(tmp_path, None)
    assert (tmp_path / "Dockerfile").read_bytes() == (ROOT / "Dockerfile").read_bytes()
    assert (tmp_path / "src" / "rowmill" / "examples" / "orders.py").is_file()
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.parametrize("libraries", [False, True])
def test_a_jobs_folder_comes_into_the_image_and_its_libraries_if_it_names_some(tmp_path: Path, libraries: bool) -> None:
    job, context = tmp_path / "mine", tmp_path / "context"
    job.mkdir()
    context.mkdir()
    (job / "orders.py").write_text("job = 1\n")
    (job / ".env").write_text("SECRET=1\n")
    if libraries:
        (job / "requirements.txt").write_text("phonenumbers==9.0.0\n")
    image.context(context, str(job))
    shipped = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    added = (context / "Dockerfile").read_text(encoding="utf-8").removeprefix(shipped).split("\n")
    assert "COPY job /job" in added
    assert ("USER root" in added) == libraries
    last = [
        line for line in (context / "Dockerfile").read_text(encoding="utf-8").split("\n") if line.startswith("USER")
    ]
    assert last[-1] == "USER 10001:10001"
    assert (context / "job" / "orders.py").is_file()
    assert not (context / "job" / ".env").exists()
