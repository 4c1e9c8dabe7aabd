"""The benchmarks run whole at a tiny size, and what they compare with tells right from wrong."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from benchmarks import charts, memory, oracle, page, results, running
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
NAMES = (
    "orders", "borders", "start", "memory", "dynamodb", "million", "postgresql", "kubernetes", "modes", "sizes",
)  # fmt: skip


def python(*words, folder=ROOT):
    return subprocess.run([sys.executable, *map(str, words)], cwd=folder, capture_output=True, text=True, check=False)


def bench(out, work, *options):
    done = python("-m", "benchmarks", "--rows", 2000, "--runs", 1, "--out", out, "--work", work, *options)
    assert done.returncode == 0, done.stderr
    return json.loads((out / "results.json").read_bytes())


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def measured(folders):
    return bench(
        *folders, *(word for name in NAMES for word in ("--only", name))
    )  # `rate` takes two minutes, `aws` one


def test_every_experiment_keeps_each_single_figure_with_rows_bytes_seed_and_date(measured):
    assert tuple(measured["experiments"]) == NAMES
    for experiment in measured["experiments"].values():
        assert all(figure > 0 for figures in experiment["raw"].values() for figure in figures)
        assert experiment["rows"] in (200, 2000)
        assert experiment["input_bytes"] > 100 * experiment["rows"]
        assert (experiment["seed"], experiment["runs"]) == (1, 1)
        assert experiment["date"]


def test_the_page_shows_machine_targets_and_each_chart_that_was_drawn(measured, folders):
    text = (folders[0] / "index.md").read_text()
    assert all(f"{name} {value}" in text for name, value in measured["machine"].items())
    for experiment in measured["experiments"].values():
        assert f"## {experiment['title']}" in text
        assert all(f"| {target['what']} |" in text for target in experiment["targets"])
        for chart in experiment["charts"]:
            assert f"({chart['name']}.svg)" in text
            assert ET.parse(folders[0] / f"{chart['name']}.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own


def test_runs_leave_only_payloads_behind(measured, folders):
    assert measured
    assert {path.suffix for path in folders[1].iterdir()} == {".csv"}


def test_one_experiment_done_again_keeps_the_others(measured, folders):
    again = bench(*folders, "--only", "start")["experiments"]
    assert {name: one for name, one in again.items() if name != "start"} == {
        name: one for name, one in measured["experiments"].items() if name != "start"
    }
    assert again["start"]["raw"] != measured["experiments"]["start"]["raw"]


def test_figures_of_another_machine_are_not_mixed_in(measured, tmp_path):
    elsewhere = {**measured, "machine": {**measured["machine"], "CPU": "another"}}
    (tmp_path / "results.json").write_text(json.dumps(elsewhere))
    assert list(bench(tmp_path, tmp_path / "work", "--only", "start")["experiments"]) == ["start"]


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("orders")
    for words in (
        ("generate", 100, "in.csv"),
        ("run", "rowmill.examples.orders", "in.csv", "--output", "out", "--table", "sqlite:///rowmill.db"),
    ):
        done = python("-m", "rowmill", *words, folder=folder)
        assert done.returncode == 0, done.stderr
    return folder


def judge(source, output, *, table):
    return python("-m", "benchmarks.oracle", source, output, "--table", table)


def test_the_oracle_agrees_with_what_rowmill_wrote(orders):
    done = judge(orders / "in.csv", orders / "out", table=orders / "rowmill.db")
    assert (done.returncode, done.stdout) == (0, "as it must be\n"), done.stderr


def other_id(lines):
    return [lines[0][:-2] + ("0" if lines[0][-2] != "0" else "1") + "\n", *lines[1:]]


@pytest.mark.parametrize(
    ("tamper", "place"),
    [
        (other_id, "row 1 of the output differs"),
        (lambda lines: [*lines[:9], lines[10], lines[9], *lines[11:]], "row 10 of the output differs"),
        (lambda lines: lines[:-1], "row 100 of the output is missing"),
        (lambda lines: [*lines, lines[0]], "row 101 of the output is one too many"),
        (lambda lines: [*lines[:4], lines[3], *lines[4:]], "row 5 of the output differs"),
        (lambda lines: [line.replace("\n", "\r\n") for line in lines], "other bytes"),
    ],
    ids=["another id", "swapped", "lost", "one more", "doubled", "other line ends"],
)
def test_the_oracle_finds_a_tampered_output_and_names_the_place(orders, tmp_path, tamper, place):
    lines = (orders / "out").read_text().splitlines(keepends=True)
    (tmp_path / "out").write_bytes("".join(tamper(lines)).encode())
    done = judge(orders / "in.csv", tmp_path / "out", table=orders / "rowmill.db")
    assert done.returncode == 1
    assert place in done.stderr
    assert lines[9].split(",")[0] not in done.stderr


@pytest.mark.parametrize(
    "change",
    ["""UPDATE "Orders" SET "ConfirmationId" = 'x' WHERE rowid = 7""", 'DELETE FROM "Orders" WHERE rowid = 7'],
    ids=["another id", "lost"],
)
def test_the_oracle_finds_a_tampered_table(orders, tmp_path, change):
    table = tmp_path / "rowmill.db"
    table.write_bytes((orders / "rowmill.db").read_bytes())
    with closing(sqlite3.connect(table)) as database:
        assert database.execute(change).rowcount == 1
        database.commit()
    done = judge(orders / "in.csv", orders / "out", table=table)
    assert done.returncode == 1
    assert "table" in done.stderr


def test_the_loop_keeps_the_order_and_saves_every_key(orders, tmp_path):
    done = python(running.LOOP, orders / "in.csv", tmp_path / "out", "--table", tmp_path / "loop.db")
    assert done.returncode == 0, done.stderr
    oracle.check_order(orders / "in.csv", tmp_path / "out")
    with closing(sqlite3.connect(tmp_path / "loop.db")) as database:
        saved = dict(database.execute('SELECT "Order ID", "ConfirmationId" FROM "Orders"'))
    assert saved == dict(oracle.written(tmp_path / "out"))
    assert len(saved) == 100


def test_a_loop_that_moves_a_row_is_found(orders, tmp_path):
    assert python(running.LOOP, orders / "in.csv", tmp_path / "out").returncode == 0
    first, second, *rest = (tmp_path / "out").read_bytes().splitlines(keepends=True)
    (tmp_path / "out").write_bytes(b"".join([second, first, *rest]))
    with pytest.raises(oracle.Differs, match="row 1 "):
        oracle.check_order(orders / "in.csv", tmp_path / "out")


def test_a_command_that_fails_has_no_time(tmp_path):
    with pytest.raises(RuntimeError, match=r"ended with 2: .*no_such_module"):
        running.rowmill("run", "no_such_module", "nothing.csv", folder=tmp_path)


def test_the_memory_of_children_is_seen(tmp_path):
    child = "import time; block = bytes(1) * 60_000_000; time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    own, childs = memory.watched([sys.executable, "-c", parent], tmp_path)
    assert own < 60_000_000 < childs


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (results.Target("gain", "x", 3.0, at_least=3.0), True),
        (results.Target("gain", "x", 2.99, at_least=3.0, aim=3.5), False),
        (results.Target("time", "s", 0.6, at_most=0.6), True),
        (results.Target("time", "s", 0.61, at_most=0.6), False),
    ],
)
def test_a_missed_target_is_said_at_the_top(target, met):
    grid = results.Grid(("way", "seconds"), ())
    experiment = results.Experiment("Title", "About.", 1, 1, 1, 1, "today", (target,), grid, (), {})
    text = page.page({"cores": "2"}, {"one": experiment})
    assert ("All are met." in text) is met
    assert ("Missed: 1. " in text) is not met


def test_ratios_are_taken_within_a_run():
    assert results.median_ratio([10, 40, 10], [5, 20, 1]) == 2


def test_a_bar_is_as_long_as_its_value_and_text_is_escaped():
    chart = results.Bars("name", "A < B", "s", ("one", "two"), (("a & b", (1.0, 2.0)), ("c", (None, 4.0))))
    drawn = charts.svg(chart)
    bars = [one.attrib for one in ET.fromstring(drawn).iter() if one.get("rx") == "2" and one.get("height") == "20"]  # noqa: S314
    assert [(one["class"], float(one["width"]) / float(bars[0]["width"])) for one in bars] == [
        ("s0", 1),
        ("s2", 2),
        ("s2", 4),
    ]
    assert charts.svg(chart) == drawn


@given(st.floats(min_value=0, max_value=1e7))
def test_an_axis_reaches_its_highest_value_with_few_ticks(highest):
    ticks = charts.ticks_to(highest)
    assert ticks[0] == 0
    assert ticks[-1] >= highest
    assert 2 <= len(ticks) <= 7
