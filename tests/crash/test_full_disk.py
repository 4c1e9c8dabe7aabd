"""A full disk ends a run with exit 75; with more room the same command goes on."""

from __future__ import annotations

import json
import os

import pytest

from rowmill.errors import TransientError
from rowmill.storage.files import Files

ROWS, SIZE = 60_000, 4_000


def test_a_full_disk_leaves_the_old_object_and_no_half(small_disk):
    folder, _ = small_disk
    files = Files(str(folder))
    files.put("object", b"old")
    with pytest.raises(TransientError) as told:
        files.put("object", os.urandom(4 * 1024 * 1024))
    assert told.value.exit_code == 75
    assert files.get("object") == b"old"
    assert [path.name for path in folder.iterdir()] == ["object"]


@pytest.mark.parametrize("place", ["workspace", "table", "output"])
@pytest.mark.parametrize("on", ["inline", "processes"])
def test_a_run_on_a_full_disk_goes_on_when_there_is_room(runs, small_disk, place, on):
    run = runs(ROWS, SIZE)
    folder, make_room = small_disk
    where = {"workspace": f"{folder}/workspace", "table": f"sqlite:///{folder}/table.db", "output": f"{folder}/out.csv"}
    words = {place: where[place], "on": on, "workers": 2}
    if place == "output":
        (folder / "ballast").write_bytes(b"x" * 1_500_000)
    code, _, error = run.give(**words)
    assert (code, json.loads(error)["error"]) == (75, "TransientError"), error
    assert json.loads(error)["hint"]
    make_room()
    code, out, error = run.give(**words)
    assert (code, error) == (0, "")
    assert json.loads(out)[3] == ROWS


@pytest.mark.parametrize("on", ["inline", "processes"])
def test_a_run_whose_files_may_not_grow_goes_on_when_they_may(runs, on):
    run = runs(ROWS, SIZE)
    words = {"on": on, "workers": 2}
    code, _, error = run.give({"FILE_LIMIT": "1000000"}, **words)
    assert (code, json.loads(error)["error"]) == (75, "TransientError"), error
    code, out, error = run.give(**words)
    assert (code, error) == (0, "")
    assert json.loads(out)[3] == ROWS
