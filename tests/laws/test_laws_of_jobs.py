"""Sameness for every kind of function and format, and on worker processes."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import json
import tempfile
from decimal import Decimal
from pathlib import Path

import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws_kit import agrees, output_of, rejects_of, table_of

import rowmill
from rowmill import FixedWidth, Job, Jsonl, Lines, Reject, Skip, Table
from rowmill.testing import expected

SETTINGS = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ORDERS = "Order ID,Amount\n" + "".join(f"{row % 50},{row}.10\n" for row in range(120)) + "x,1\n7,none\n8\n"


class AsStruct(msgspec.Struct):
    order_id: int
    amount: Decimal


@dataclasses.dataclass
class AsDataclass:
    order_id: int
    amount: Decimal


class AsModel(pydantic.BaseModel):
    order_id: int
    amount: Decimal


@pytest.mark.parametrize("kind", [AsStruct, AsDataclass, AsModel])
@pytest.mark.parametrize("rows_per_partition", [1, 40, 1000])
def test_typed_rows_are_converted_or_refused_alike(tmp_path, kind, rows_per_partition):
    job = Job("typed", table=Table("Typed", key="order_id"))

    def double(row):
        return {"order_id": row.order_id, "double": row.amount * 2}

    double.__annotations__["row"] = kind
    job.process(double)
    path = tmp_path / "orders.csv"
    path.write_text(ORDERS)
    told = expected(job, path)
    assert (told.counts.written, told.counts.rejected) == (120, 3)
    run = rowmill.run(
        job,
        str(path),
        output=str(tmp_path / "out"),
        workspace=str(tmp_path / "work"),
        table=f"sqlite:///{tmp_path}/table.db",
        on="inline",
        rejects="3",
        rows_per_partition=rows_per_partition,
    )
    assert (tmp_path / "out").read_bytes() == told.output
    assert rejects_of(tmp_path / "out") == told.rejects
    assert run.counts == told.counts
    live = {int(row["order_id"]): row["double"] for row in table_of(tmp_path, "Typed")}
    assert live == {row["order_id"]: str(row["double"]) for row in told.table}


@pytest.mark.parametrize("kind", [AsStruct, AsDataclass, AsModel])
def test_a_typed_result_is_written_by_its_fields(tmp_path, kind):
    job = Job("typed results", rejects="3")

    @job.process
    def made(row: dict):
        return kind(order_id=int(row["Order ID"]), amount=Decimal(row["Amount"]) + 1)

    path = tmp_path / "orders.csv"
    path.write_text("Order ID,Amount\n1,2.50\n2,0.00\n")
    agrees(job, path, rows_per_partition=1)
    assert (tmp_path / "out").read_text() == "order_id,amount\n1,3.50\n2,1.00\n"


@pytest.mark.parametrize("rows_per_partition", [1, 50, 1000])
def test_async_functions_keep_the_order_of_the_input(tmp_path, rows_per_partition):
    job = Job("async", concurrency=8, rejects="100%")

    @job.process
    async def wait(row: dict, ctx) -> dict:
        await asyncio.sleep(0 if ctx.ordinal % 3 else 0.001)
        if row["Order ID"] == "3":
            raise Reject("three")
        return row | {"id": ctx.stable_id(), "dice": ctx.random.random(), "now": ctx.now}

    path = tmp_path / "orders.csv"
    path.write_text(ORDERS)
    agrees(job, path, rows_per_partition=rows_per_partition)


@pytest.mark.parametrize("rows_per_partition", [1, 50, 1000])
def test_a_function_of_many_rows_answers_each_in_its_place(tmp_path, rows_per_partition):
    job = Job("chunks", table=Table("Chunks", key="Order ID"))

    def judge(row, ctx):
        if row["Order ID"] == "3":
            return Reject("three")
        return Skip("four") if row["Order ID"] == "4" else row | {"line": str(ctx.line_no)}

    @job.process_chunk
    def judge_all(rows, ctxs):
        if len(rows) > 1 and any(row["Order ID"] == "9" for row in rows):
            raise ValueError("not together with others")
        return [judge(row, ctx) for row, ctx in zip(rows, ctxs, strict=True)]

    path = tmp_path / "orders.csv"
    path.write_text(ORDERS)
    agrees(job, path, rows_per_partition=rows_per_partition)


@pytest.mark.parametrize("rows_per_partition", [1, 1000])
def test_a_function_of_many_rows_gets_them_typed_as_it_is_annotated(tmp_path, rows_per_partition):
    job = Job("typed chunks")

    @job.process_chunk
    def double_all(rows: list[AsStruct], ctxs) -> list[dict]:
        return [
            {"id": row.order_id, "double": row.amount * 2, "place": ctx.ordinal}
            for row, ctx in zip(rows, ctxs, strict=True)
        ]

    path = tmp_path / "orders.csv"
    path.write_text(ORDERS)
    report = agrees(job, path, rows_per_partition=rows_per_partition)
    assert (report.counts.written, report.counts.rejected) == (120, 3)


def test_an_exception_that_the_job_bears_becomes_the_same_reject(tmp_path):
    job = Job("bearing", on_error="reject", totals=["Amount"])

    @job.process
    def halve(row: dict) -> dict:
        return row | {"half": Decimal(row["Amount"]) / (int(row["Order ID"]) % 5)}

    path = tmp_path / "orders.csv"
    path.write_text(ORDERS)
    report = agrees(job, path, rows_per_partition=11)
    assert report.counts.rejected > 20


def test_a_row_without_a_number_where_a_total_is_declared_is_refused_by_the_oracle_too(tmp_path):
    job = Job("totals", totals=["Amount"])
    job.process(dict)
    path = tmp_path / "orders.csv"
    path.write_text(ORDERS)
    report = agrees(job, path, rows_per_partition=50)
    assert report.counts.rejected == 2


@pytest.mark.parametrize("kind", [AsStruct, AsDataclass, AsModel])
def test_the_text_of_an_exception_never_shows_a_typed_row(tmp_path, kind):
    job = Job("telling", on_error="reject")

    def fail(row):
        raise ValueError(f"no order {row.order_id} here")

    fail.__annotations__["row"] = kind
    job.process(fail)
    path = tmp_path / "orders.csv"
    path.write_text("Order ID,Amount\n123456,1.00\n")
    agrees(job, path)
    assert [one.reason for one in rejects_of(tmp_path / "out")] == [
        "ValueError: (its text shows the row, and is left out)"
    ]


def test_params_and_setup_reach_the_oracle_as_they_reach_the_run(tmp_path):
    job = Job("asked")

    @job.setup
    def setup(params):
        yield {"factor": int(params["factor"])}

    @job.process
    def times(row: dict, ctx) -> dict:
        return {"id": row["Order ID"], "times": ctx.setup["factor"] * len(ctx.params["factor"])}

    path = tmp_path / "orders.csv"
    path.write_text(ORDERS)
    agrees(job, path, rows_per_partition=50, params={"factor": "12"})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 99)
    | st.text(max_size=4)
    | st.decimals(places=2, min_value=-9, max_value=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@SETTINGS
@given(
    st.lists(VALUES, max_size=8),
    st.lists(st.sampled_from(["\n", "\r\n", "{\n", "\xff\n", " \n"]), max_size=4),
    st.integers(1, 5),
)
def test_json_lines_give_what_a_plain_loop_gives(values, noise, rows_per_partition):
    job = Job("json", reads=Jsonl())

    @job.process
    def wrap(row, ctx):
        return Skip("null") if row is None else {"row": row, "line": ctx.line_no}

    lines = [json.dumps(value, default=str) + "\n" for value in values]
    mixed = [part for pair in zip(lines, [*noise, *[""] * len(lines)], strict=False) for part in pair]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.jsonl"
        path.write_bytes("".join([*mixed, *noise]).encode("latin-1", "backslashreplace"))
        agrees(job, path, rows_per_partition=rows_per_partition)


@SETTINGS
@given(
    st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\xff", b"\xc3\xa9"]), max_size=20).map(b"".join), st.integers(1, 5)
)
def test_lines_give_what_a_plain_loop_gives(data, rows_per_partition):
    job = Job("lines", reads=Lines())

    @job.process
    def tag(row: str, ctx) -> str:
        return f"{ctx.line_no} {row}"

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.txt"
        path.write_bytes(data)
        agrees(job, path, rows_per_partition=rows_per_partition)


@SETTINGS
@given(
    st.lists(st.sampled_from(["ab", "c", "é ", "d\n", "\n", "\r\n", " x", "\r", "e\n"]), max_size=14), st.integers(1, 5)
)
def test_fixed_width_gives_what_a_plain_loop_gives(parts, rows_per_partition):
    job = Job("fixed", reads=FixedWidth(fields={"one": 2, "two": 1}), writes=FixedWidth(fields={"two": 3, "one": 2}))

    @job.process
    def safe(row: dict) -> dict:
        return {name: text.replace("\r", "?") for name, text in row.items()}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.txt"
        path.write_bytes("".join(parts).encode())
        agrees(job, path, rows_per_partition=rows_per_partition)


def test_one_format_in_and_another_out_is_the_same_for_the_oracle(tmp_path):
    job = Job("csv to json", writes=Jsonl(), table=Table("Mixed", key="id", types={"id": "INTEGER", "amount": "REAL"}))

    @job.process
    def typed(row: dict) -> dict:
        if not row["Order ID"].isdigit():
            raise Reject("no number")
        return {"id": int(row["Order ID"]), "amount": float(row["Amount"].replace("none", "0"))}

    path = tmp_path / "orders.csv"
    path.write_text(ORDERS)
    agrees(job, path, rows_per_partition=33)


def test_compressed_input_is_the_same_input(tmp_path):
    job = Job("compressed", table=Table("Compressed", key="Order ID"))

    @job.process
    def confirm(row: dict, ctx) -> dict:
        return row | {"id": ctx.stable_id()}

    (tmp_path / "plain.csv").write_text(ORDERS)
    (tmp_path / "orders.csv.gz").write_bytes(gzip.compress(ORDERS.encode(), mtime=0))
    agrees(job, tmp_path / "orders.csv.gz", rows_per_partition=50)
    assert output_of(tmp_path / "out") == expected(job, tmp_path / "plain.csv").output


JOB = """
from rowmill import Csv, Job, Reject, Skip, Table

job = Job("orders", table=Table("Orders", key="Order ID", on_duplicate="{on_duplicate}"), writes=Csv())


@job.process
def judge(row: dict, ctx) -> dict:
    if row["Order ID"] == "13":
        return Skip("thirteen")
    if row["Order ID"] == "x":
        raise Reject("no number")
    return row | {{"id": ctx.stable_id(), "line": str(ctx.line_no)}}
"""


@pytest.mark.parametrize("on_duplicate", ["last", "first"])
@pytest.mark.parametrize(("workers", "output"), [(1, "out"), (3, "out"), (2, "out.gz")])
def test_worker_processes_give_what_a_plain_loop_gives(tmp_path, on_duplicate, workers, output):
    (tmp_path / f"orders_{on_duplicate}.py").write_text(JOB.format(on_duplicate=on_duplicate))
    path = tmp_path / "orders.csv"
    path.write_text(ORDERS + '8,"\n\n"\n9,2\n')
    job = rowmill.runners.loading.load_job(str(tmp_path / f"orders_{on_duplicate}.py"))
    report = agrees(job, path, output=output, on="processes", workers=workers, rows_per_partition=9)
    assert report.partitions == 14
