"""A held run and a published one, repaired in PostgreSQL."""

from __future__ import annotations

import pytest

import rowmill
from rowmill import Csv, HeldError, Job, Reject, Table, api

TEXT = "id,note\n1,a\n2,bad\n3,bad\n2,late\n"


def made() -> Job:
    job = Job("pg", reads=Csv(), table=Table("Mended", key="id", types={"id": "integer"}))

    @job.process
    def mend(row: dict) -> dict:
        if row["note"] == "bad":
            raise Reject("a bad note")
        return row

    return job


@pytest.mark.parametrize("rejects", ["hold", "2"])
def test_repaired_rows_are_in_the_table_as_if_they_had_always_been_right(place, tmp_path, rejects):
    (tmp_path / "in.csv").write_text(TEXT)
    (tmp_path / "fix.csv").write_text('ordinal,row\n1,"2,early"\n2,"3,c"\n')
    places = {"workspace": f"{tmp_path}/work", "output": f"{tmp_path}/out"}
    words = {"table": place.url, "on": "inline", "rejects": rejects, "rows_per_partition": 2}
    if rejects == "hold":
        with pytest.raises(HeldError):
            rowmill.run(made(), f"{tmp_path}/in.csv", **places, **words)
        assert place.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'Mended'") == [(0,)]
    else:
        rowmill.run(made(), f"{tmp_path}/in.csv", **places, **words)
        assert place.sql('SELECT id, note FROM "Mended" ORDER BY id') == [(1, "a"), (2, "late")]
    run_id = next((tmp_path / "work/runs").iterdir()).name
    report = api.repair(run_id, f"{tmp_path}/fix.csv", workspace=places["workspace"], job=made())
    assert (report.counts.written, report.counts.duplicates, report.table_rows) == (4, 1, 3)
    assert place.sql('SELECT id, note FROM "Mended" ORDER BY id') == [(1, "a"), (2, "late"), (3, "c")]
    assert place.sql(
        "SELECT count(*) FROM pg_tables WHERE tablename LIKE '\\_rowmill\\_%' AND tablename NOT IN "
        "('_rowmill_markers', '_rowmill_runs')"
    ) == [(0,)]
    assert (tmp_path / "out").read_text() == "id,note\n1,a\n2,early\n3,c\n2,late\n"


def test_a_row_that_postgresql_refuses_stays_a_reject(place, tmp_path):
    (tmp_path / "in.csv").write_text(TEXT)
    (tmp_path / "fix.csv").write_text('ordinal,row\n1,"two,b"\n2,"3,c"\n')
    places = {"workspace": f"{tmp_path}/work", "output": f"{tmp_path}/out"}
    with pytest.raises(HeldError):
        rowmill.run(made(), f"{tmp_path}/in.csv", table=place.url, on="inline", rejects="hold", **places)
    run_id = next((tmp_path / "work/runs").iterdir()).name
    with pytest.raises(HeldError, match="refused again: row 2"):
        api.repair(run_id, f"{tmp_path}/fix.csv", workspace=places["workspace"], job=made())
    (left,) = api.rejects(run_id, workspace=places["workspace"]).rejects
    assert left.reason.startswith("the table refuses it: ")
