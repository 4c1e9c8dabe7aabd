"""Files joins the storage suite; and what only files have."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rowmill.errors import ConfigurationError, InputError
from rowmill.storage.files import Files
from rowmill.testing import suites

DIES_IN_A_WRITE = """
import os, signal, sys
from rowmill.storage.files import Files
files = Files(sys.argv[1])
with files.claim("run/claim"), files.writer("run/data") as out:
    out.write(b"half")
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("check", suites.STORAGE, ids=suites.name_of)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_files_are_a_storage(check, scheme, tmp_path):
    check(f"{scheme}{tmp_path}/root")


def unfinished(folder):
    return [path for path in folder.rglob(".*") if path.is_file()]


def test_what_a_killed_process_left_half_written_goes_when_its_claim_is_taken_over(tmp_path):
    command = [sys.executable, "-c", DIES_IN_A_WRITE, str(tmp_path), "kill"]
    assert subprocess.run(command, check=False).returncode == -9
    assert unfinished(tmp_path)
    with Files(str(tmp_path)).claim("run/claim"):
        assert not unfinished(tmp_path)


def test_what_a_living_process_is_writing_stays_when_a_claim_is_taken(tmp_path):
    (tmp_path / "run").mkdir()
    command = [sys.executable, "-c", DIES_IN_A_WRITE.replace("run/claim", "elsewhere/claim"), str(tmp_path), "live"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writing:
        assert writing.stdout.readline() == b"writing\n"
        with Files(str(tmp_path)).claim("run/claim"):
            pass
        writing.communicate(b"")
        assert writing.returncode == 0
    assert (tmp_path / "run/data").read_bytes() == b"half"


def test_a_join_removes_what_a_killed_join_of_the_same_name_left(tmp_path):
    files = Files(str(tmp_path))
    (tmp_path / "others").write_bytes(b"")
    script = (
        "import os, signal, sys; from rowmill.storage.files import Files; out = Files(sys.argv[1]).writer('out');"
        "out.__enter__().write(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == -9
    assert unfinished(tmp_path)
    with files.joining("out", []):
        pass
    assert not unfinished(tmp_path)


def test_a_folder_is_no_input(tmp_path):
    with pytest.raises(InputError, match="not a file"), Files(str(tmp_path.parent)).open(tmp_path.name):
        pass


def test_a_file_where_a_folder_should_be_is_the_user_s_to_correct(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"Not a directory|File exists"):
        Files(str(tmp_path / "file")).put("object", b"")
    with pytest.raises(ConfigurationError), Files(str(tmp_path / "file")).claim("claim"):
        pass


def test_a_folder_that_may_not_be_written_is_the_user_s_to_correct(nobody_s_folder):
    folder, as_nobody = nobody_s_folder
    with as_nobody(), pytest.raises(ConfigurationError, match="Permission denied"):
        Files(str(folder)).put("object", b"")
