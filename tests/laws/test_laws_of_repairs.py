"""Whatever is rejected, and however it is repaired and waived: the run is what it would be on the corrected input."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from laws_kit import output_of, rejects_of, run, table_of

from rowmill import Csv, HeldError, Job, Reject, Skip, Table, api
from rowmill.testing import expected

GOOD, BAD, FILTERED, MALFORMED = "good", "bad", "skip", "malformed"
KEYS = st.integers(0, 2)
ROWS = st.lists(st.tuples(KEYS, st.sampled_from([GOOD, GOOD, BAD, BAD, MALFORMED, FILTERED])), min_size=2, max_size=9)
NEW = st.tuples(KEYS, st.sampled_from([GOOD, GOOD, GOOD, GOOD, BAD, MALFORMED, FILTERED]))
SOME = st.lists(st.tuples(st.integers(0, 8), NEW), min_size=1, max_size=4)  # of what is left, by place
REST = st.tuples(
    st.sampled_from(["repair", "repair", "waive"]), st.lists(st.tuples(KEYS, st.just(GOOD)), min_size=9, max_size=9)
)
STEPS = st.lists(st.tuples(st.sampled_from(["repair", "repair", "repair", "waive"]), SOME), min_size=1, max_size=4)
TABLES = st.sampled_from(
    [None, Table("T"), Table("T", key="id"), Table("T", key="id", on_duplicate="first"), Table("T", key=("id", "at"))]
)


def text_of(ordinal: int, key: int, kind: str) -> str:
    """A row that tells where it stands; one that is malformed has one column only."""
    return f"row {ordinal}" if kind == MALFORMED else f"{key},{kind},{ordinal},1.{key}"


def made(table: Table | None) -> Job:
    job = Job("repaired", reads=Csv(), table=table, totals=["amount"])

    @job.process
    def work(row: dict) -> dict | Skip:
        if row["kind"] == BAD:
            raise Reject("bad")
        return Skip("skipped") if row["kind"] == FILTERED else row

    return job


def write_input(path: Path, texts: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in ["id,kind,at,amount", *texts]))


def write_fix(path: Path, texts: dict[int, str]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("ordinal", "row"), *texts.items()])


class Desk:
    """A run, and the input as it should have been."""

    def __init__(self, folder: Path, job: Job, texts: list[str], policy: str, output: str, size: int) -> None:
        self.folder, self.job, self.texts, self.output = folder, job, texts, output
        write_input(folder / "in.csv", texts)
        self.published = False
        self.waived: set[int] = set()
        self.policy = policy
        self.run_id = ""
        self.check(lambda: run(job, folder / "in.csv", output=output, rejects=policy, rows_per_partition=size))

    def told(self):
        (self.folder / "corrected").mkdir(exist_ok=True)
        path = self.folder / "corrected" / "in.csv"
        write_input(path, self.texts)
        return expected(self.job, path)

    def check(self, command) -> None:
        """Give a command, and compare what the run is then with the oracle's word on the corrected input."""
        told, before = self.told(), self.rows_of_output()
        left = {one.ordinal for one in told.rejects} - self.waived
        if self.policy == "hold" and left:
            with pytest.raises(HeldError, match=f"^{len(left)} of {len(self.texts)} rows"):
                command()
            assert not (self.folder / self.output).exists()
            assert self.job.table is None or table_of(self.folder, self.job.table.name) == []
            assert rejects_of(self.folder / self.output) == told.rejects
            self.run_id = next((self.folder / "work/runs").iterdir()).name
            return
        report = command()
        self.run_id = report.run_id
        assert report.counts == told.counts
        assert output_of(self.folder / self.output) == told.output
        assert rejects_of(self.folder / self.output) == told.rejects
        if self.job.table is not None:
            live = table_of(self.folder, self.job.table.name)
            assert sorted(map(str, live)) == sorted(map(str, told.table))
            assert report.table_rows == len(told.table)
        delta = self.folder / f"{self.output}_Repairs"
        if self.published and delta.exists():
            added = output_of(delta.rename(delta.with_name("delta.gz" if self.output.endswith("gz") else "delta")))
            assert Counter(added.splitlines()[1:]) == Counter(self.rows_of_output()) - Counter(before)
        self.published = True

    def rows_of_output(self) -> list[bytes]:
        path = self.folder / self.output
        return output_of(path).splitlines()[1:] if path.exists() else []

    def take(self, verb: str, chosen: list[tuple[int, tuple[int, str]]]) -> None:
        place = {"workspace": str(self.folder / "work")}
        left = [one.ordinal for one in api.rejects(self.run_id, **place).rejects]
        assert left == [one.ordinal for one in self.told().rejects]
        if not left:
            return
        texts = {left[at % len(left)]: new for at, new in chosen}
        texts = {ordinal: text_of(ordinal, *new) for ordinal, new in texts.items()}
        if verb == "waive":
            self.waived |= set(texts)
            self.check(lambda: api.waive(self.run_id, set(texts), reason="agreed", job=self.job, **place))
            return
        write_fix(self.folder / "fix.csv", texts)
        self.texts = [texts.get(ordinal, text) for ordinal, text in enumerate(self.texts)]
        self.waived &= {one.ordinal for one in self.told().rejects}
        self.check(lambda: api.repair(self.run_id, str(self.folder / "fix.csv"), job=self.job, **place))


ALL_GOOD = ("repair", [(1, GOOD)] * 9)
PLAIN = {"table": None, "policy": "hold", "output": "out.csv", "size": 9}


@example(  # a row that is repaired later comes behind the one that was repaired first, and not behind a filtered one
    rows=[(0, BAD), (0, BAD), (0, BAD), (0, GOOD)],
    steps=[("repair", [(0, (0, GOOD)), (1, (0, FILTERED))])],
    rest=ALL_GOOD,
    **PLAIN,
)
@example(  # so does one that was refused a second time
    rows=[(0, BAD), (0, BAD), (0, GOOD)],
    steps=[("repair", [(0, (0, GOOD)), (1, (0, BAD))])],
    rest=ALL_GOOD,
    **PLAIN,
)
@example(  # of two rows with one key that are repaired together, the later one stays
    rows=[(0, BAD), (0, BAD), (2, GOOD)],
    steps=[("repair", [(0, (1, GOOD)), (1, (1, GOOD))])],
    rest=ALL_GOOD,
    table=Table("T", key="id"),
    policy="100%",
    output="out.csv",
    size=1,
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=ROWS,
    steps=STEPS,
    rest=REST,
    table=TABLES,
    policy=st.sampled_from(["hold", "100%"]),
    output=st.sampled_from(["out.csv", "out.csv.gz"]),
    size=st.integers(1, 4),
)
def test_a_repaired_run_is_the_run_on_the_corrected_input(rows, steps, rest, table, policy, output, size) -> None:
    texts = [text_of(ordinal, *row) for ordinal, row in enumerate(rows)]
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder), made(table), texts, policy, output, size)
        for verb, chosen in [*steps[:2], (rest[0], list(enumerate(rest[1]))), *steps[2:]]:
            desk.take(verb, chosen)
