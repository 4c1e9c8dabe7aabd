"""Every shape of the machine gives the oracle's output, with real pods."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing

import pytest

from rowmill.statemachine.asked import FAN_OUTS, WAITERS

SHAPES = list(itertools.product(FAN_OUTS, WAITERS))


def rows_of(mill):
    with closing(sqlite3.connect(mill.folder / "table.db")) as table:
        table.row_factory = sqlite3.Row
        return [dict(row) for row in table.execute('select * from "Orders"')]


@pytest.mark.parametrize(("fan_out", "waiter"), SHAPES)
def test_each_fan_out_and_waiter_gives_the_oracle_s_output(mill, world, fan_out, waiter):
    on_s3 = {}
    if fan_out == "distributed-map":
        world.steps.s3.create_bucket(Bucket=f"work-{waiter}")
        on_s3 = {"workspace": f"s3://work-{waiter}/p", "workspace_bucket": f"work-{waiter}", "workspace_prefix": "p/"}
    made = mill(fan_out=fan_out, waiter=waiter, **on_s3)
    ended = made.run()
    assert ended.status == "SUCCEEDED", (ended.error, ended.cause)
    told = made.told
    assert made.output() == told.output
    assert sorted(map(str, rows_of(made))) == sorted(map(str, told.table))
    assert ended.output == {
        "run_id": ended.output["run_id"],
        "status": "done",
        "input": made.input,
        "output": f"{made.input}_Output",
        "rows": 200,
        "written": 200,
        "filtered": 0,
        "rejected": 0,
        "duplicates": 0,
        "report": f"runs/{ended.output['run_id']}/report.json",
        "attempt": 1,
    }
    shares = 2 if fan_out == "indexed-job" else 1
    assert [len(made.jobs(step)) for step in ("split", "process", "merge")] == [1, 1 if shares == 2 else 4, 1]
