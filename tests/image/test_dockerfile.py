"""The image: its build steps are carried out here in a folder of their own, as far as they go without docker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from rowmill import kubejobs
from rowmill.kubejobs.pods import USER_ID
from rowmill.wire import VERSION

ROOT = Path(__file__).resolve().parents[2]
HANG_S = 240
MOST_BYTES = 150_000_000
FOLDERS = ("/wheels", "/install", "/src")  # of the build stage


class Step(NamedTuple):
    word: str
    text: str


def stages() -> list[list[Step]]:
    """Return the instructions of each stage; those before the first FROM come first."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: list[list[Step]] = [[]]
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            if word == "FROM":
                found.append([])
            found[-1].append(Step(word, " ".join(rest.split())))
    return found


def of(stage: list[Step], word: str) -> list[str]:
    return [step.text for step in stage if step.word == word]


def test_every_stage_stands_on_the_base_that_a_release_names_by_its_digest() -> None:
    before, *built = stages()
    (base,) = of(before, "ARG")
    assert re.fullmatch(r"BASE=python:3\.\d+-slim", base)
    assert [of(stage, "FROM")[0].split()[0] for stage in built] == ["${BASE}"] * 2


def test_the_last_stage_is_not_root_and_has_one_entry_point_and_no_compiler() -> None:
    last = stages()[-1]
    assert [json.loads(text) for text in of(last, "ENTRYPOINT")] == [["rowmill"]]
    assert not of(last, "CMD")
    assert of(last, "USER") == [f"{USER_ID}:{USER_ID}"]
    assert last.index(Step("USER", f"{USER_ID}:{USER_ID}")) > max(
        number for number, step in enumerate(last) if step.word in ("RUN", "COPY")
    )
    assert of(last, "COPY") == ["--from=build /install /usr/local"]
    for command in of(last, "RUN"):
        assert not re.search(r"\b(apt|apt-get|apk|pip|gcc|make)\b", command)


def test_the_image_says_what_it_is() -> None:
    last = stages()[-1]
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', " ".join(of(last, "LABEL"))))
    assert set(labels) == {"title", "description", "licenses", "version", "revision", "created"}
    given = dict(text.split("=", 1) for text in of(last, "ARG"))
    filled = {name.upper() for name, value in labels.items() if value == f"${{{name.upper()}}}"}
    assert filled == set(given)
    assert given["VERSION"] == VERSION


def test_nothing_but_what_is_built_goes_to_docker() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {word for text in of(stages()[1], "COPY") for word in text.split()[:-1]}
    assert allowed == copied
    assert "**/__pycache__" in lines


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Carry out the build stage: COPY from the tree, RUN by this machine's shell and Python."""
    root = tmp_path_factory.mktemp("image")
    for folder in FOLDERS:
        (root / folder[1:]).mkdir()
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for step in stages()[1]:
        if step.word == "COPY":
            for name in step.text.split()[:-1]:
                copy(ROOT / name, root / "src" / name)
        elif step.word == "RUN":
            command = step.text.replace("--no-cache-dir ", "")  # here it would fetch all again at each test
            for folder in FOLDERS:
                command = re.sub(rf"(?<![\w/]){folder}\b", str(root / folder[1:]), command)
            done = subprocess.run(
                ["sh", "-ec", command],
                cwd=root / "src",
                env=env,
                capture_output=True,
                text=True,
                timeout=HANG_S,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    return root / "install"


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def site_of(installed: Path) -> Path:
    (found,) = installed.glob("lib/python3.*/site-packages")
    return found


def rowmill(installed: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what the image runs, without anything of this machine's own installation."""
    site = site_of(installed)
    start = "import sys; sys.path.insert(0, sys.argv.pop(1)); from rowmill.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", start, str(site), *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": "/", "ROWMILL_TERMINATION_LOG": str(folder / "log")},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


def test_what_is_installed_runs_and_takes_a_job(installed: Path, tmp_path: Path) -> None:
    assert (installed / "bin" / "rowmill").is_file()
    assert rowmill(installed, "--version", folder=tmp_path).stdout == f"rowmill {VERSION}\n"
    assert rowmill(installed, "generate", "50", "in.csv", folder=tmp_path).returncode == 0
    done = rowmill(installed, "split", "rowmill.examples.orders", "in.csv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    run = json.loads((tmp_path / "log").read_bytes())["run_id"]
    for step in (("process", run, "--of=1", "--attempt=1", "--index=0"), ("merge", run)):
        done = rowmill(installed, *step, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    assert len((tmp_path / "in.csv_Output").read_text().splitlines()) == 50


def test_the_image_has_all_that_a_url_may_need(installed: Path, tmp_path: Path) -> None:
    names = "boto3, lightkube, obstore, psycopg, pydantic, valkey, yaml, zstandard"
    start = f"import sys; sys.path.insert(0, sys.argv[1]); import {names}"
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", start, str(site_of(installed))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr


def test_our_layers_are_small_and_compiled(installed: Path) -> None:
    size = sum(file.stat().st_size for file in installed.rglob("*") if file.is_file())
    assert size < MOST_BYTES
    modules = list(site_of(installed).glob("rowmill/**/*.py"))
    assert len(modules) > 100
    for module in modules:
        assert list((module.parent / "__pycache__").glob(f"{module.stem}.*.pyc")), module
    assert kubejobs.__name__ in {".".join(module.relative_to(site_of(installed)).parts[:2]) for module in modules}
