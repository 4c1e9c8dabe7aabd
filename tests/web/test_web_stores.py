"""Pages of a workspace in an object store are those of a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.storage.s3_server import s3, s3_endpoint
from web_kit import a_run

from rowmill.runners.seeing import look
from rowmill.runners.standing import all_runs
from rowmill.storage import open_storage
from rowmill.web import parts
from rowmill.web.parts import Viewer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.s3_server import Bucket

__all__ = ["s3", "s3_endpoint"]


def test_a_workspace_on_s3_shows_what_the_same_folder_shows(tmp_path: Path, s3: Bucket) -> None:
    run_id = a_run(tmp_path, 30, range(12), failed=[12])
    folder, bucket = open_storage(str(tmp_path / ".rowmill")), open_storage(f"{s3.url}/work")
    for name in folder.list(""):
        bucket.put(name, folder.get(name) or b"")
    drawn = [parts.parts(look(place, run_id), [], Viewer(linked=True), "") for place in (folder, bucket)]
    assert drawn[0] == drawn[1]
    assert [one.run_id for one in all_runs(bucket)] == [run_id]
