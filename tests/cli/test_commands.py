"""Each command: help with an example, an answer for people, an answer for programs."""

from __future__ import annotations

import csv
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rowmill.cli.group import NAMES
from rowmill.model import orders

from .conftest import ECHO, Desk, names

PAYLOAD = Path(orders.__file__).parents[1] / "examples" / "payload" / "orders.csv"


@pytest.fixture
def done(desk: Desk) -> Desk:
    """A desk with a run that ended well."""
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(25))
    assert desk("run", "job.py", "in.csv", "--rows-per-partition", "10").code == 0
    return desk


def run_id(desk: Desk) -> str:
    return json.loads(desk("status", "--json").out)["run_id"]


@pytest.mark.parametrize("command", [(), *((name,) for name in NAMES), ("config", "show")])
def test_every_command_has_help_that_starts_with_an_example(desk: Desk, command: tuple[str, ...]) -> None:
    shown = desk(*command, "--help" if command else "-h")
    assert (shown.code, shown.err) == (0, "")
    usage, example, *_ = shown.out.split("\n\n")
    assert usage.startswith(f"Usage: rowmill {' '.join(command)}".rstrip())
    assert re.match(r"  \$ .*\browmill\b", example)


def test_the_list_of_commands_has_all_with_a_word_on_each(desk: Desk) -> None:
    listed = desk("--help").out.partition("Commands:")[2]
    assert re.findall(r"^  ([a-z]+)  +\S", listed, re.MULTILINE) == list(NAMES)


def test_the_version_is_told(desk: Desk) -> None:
    shown = desk("--version")
    assert (shown.code, shown.err) == (0, "")
    assert re.fullmatch(r"rowmill \d+\.\d+\.\d+\n", shown.out)


@pytest.mark.parametrize(("typo", "meant"), [("rnu", "run"), ("stauts", "status"), ("generte", "generate")])
def test_a_typo_in_a_command_is_answered_with_what_was_meant(desk: Desk, typo: str, meant: str) -> None:
    refused = desk(typo)
    assert (refused.code, refused.out) == (2, "")
    assert f"Did you mean {meant}?" in refused.err


def test_a_typo_in_an_option_is_answered_with_what_was_meant(desk: Desk) -> None:
    refused = desk("run", "--wrokers", "2")
    assert refused.code == 2
    assert "--workers" in refused.err.partition("Error:")[2]


def test_the_report_says_what_was_proved(done: Desk) -> None:
    shown = done("run", "job.py", "in.csv", "--fresh").out
    assert shown.splitlines()[-1] == "proved: 25 rows in = 25 written + 0 filtered + 0 rejected; order checked"
    for word in ("in.csv_Output", "rowmill.db", "rows/s", "sha256", "split", "process", "merge", run_id(done)):
        assert word in shown


def test_filtered_rows_are_told_by_reason(desk: Desk) -> None:
    desk.write("job.py", ECHO.replace("return row", 'return Skip("small") if int(row["id"]) < 4 else row'))
    desk.write("in.csv", names(10))
    assert "4 (small 4)" in desk("run", "job.py", "in.csv").out


@pytest.mark.parametrize(
    ("command", "schema"),
    [
        (("run", "job.py", "in.csv"), "rowmill.report/1"),
        (("run", "job.py", "in.csv", "--dry-run"), "rowmill.plan/1"),
        (("plan", "job.py", "in.csv"), "rowmill.plan/1"),
        (("split", "job.py", "in.csv"), "rowmill.split/1"),
        (("process", "RUN"), "rowmill.process/1"),
        (("merge", "RUN"), "rowmill.report/1"),
        (("status",), "rowmill.status/1"),
        (("status", "RUN"), "rowmill.status/1"),
        (("runs",), "rowmill.runs/1"),
        (("verify",), "rowmill.verification/1"),
        (("clean", "--dry-run"), "rowmill.clean/1"),
        (("generate", "3", "new.csv"), "rowmill.generate/1"),
        (("config", "show"), "rowmill.config/1"),
    ],
)
def test_an_answer_in_json_is_one_object_with_a_schema(done: Desk, command: tuple[str, ...], schema: str) -> None:
    ident = run_id(done)
    answer = done(*(ident if word == "RUN" else word for word in command), "--json")
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out)["schema"] == schema


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            ("plan", "job.py", "in.csv", "--rows-per-partition", "10"),
            ["25 rows", "3 partitions", "nothing was written"],
        ),
        (("status",), ["succeeded", "25 of 25", "3 of 3"]),
        (("runs",), ["succeeded", "echo", "in.csv"]),
        (("verify",), ["ok"]),
        (("clean", "--dry-run"), ["would be removed"]),
        (("config", "show"), ["workers", "default"]),
    ],
)
def test_an_answer_for_people_says_the_same(done: Desk, command: tuple[str, ...], words: list[str]) -> None:
    answer = done(*command)
    assert (answer.code, answer.err) == (0, "")
    for word in words:
        assert word in answer.out


def test_the_three_steps_one_by_one_give_what_run_gives_and_may_be_repeated(done: Desk) -> None:
    split = ("split", "job.py", "in.csv", "--output", "steps.csv", "--rows-per-partition", "10", "--json")
    first = json.loads(done(*split).out)
    assert json.loads(done(*split).out) == first
    assert (first["partitions"], first["rows"]) == (3, 25)
    run = first["run_id"]
    process = ("process", run, "--partition", "2", "--partition", "0", "--json")
    assert done(*process).out == done(*process).out
    assert done("merge", run).code == 5
    assert done("process", run).code == 0
    assert done("merge", run).code == 0
    assert json.loads(done("merge", run, "--json").out)["status"] == "repeated"
    assert (done.folder / "steps.csv").read_bytes() == (done.folder / "in.csv_Output").read_bytes()


def test_a_dry_run_writes_nothing(desk: Desk) -> None:
    desk.write("job.py", ECHO)
    desk.write("in.csv", names(5))
    before = sorted(path.name for path in desk.folder.iterdir())
    shown = desk("run", "job.py", "in.csv", "--dry-run", env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert "nothing was written" in shown.out
    assert sorted(path.name for path in desk.folder.iterdir()) == before


def test_sequential_is_one_partition_beside_the_other_output(done: Desk) -> None:
    report = json.loads(done("run", "job.py", "in.csv", "--sequential", "--json").out)
    assert (report["partitions"], report["status"]) == (1, "succeeded")
    assert (done.folder / "in.csv_Single_Output").read_bytes() == (done.folder / "in.csv_Output").read_bytes()


def test_a_typed_auto_wins_over_environment_and_job(desk: Desk) -> None:
    desk.write("job.py", ECHO.replace('key="id")', 'key="id"), rows_per_partition=5'))
    desk.write("in.csv", names(25))

    def partitions(*options: str, **env: str) -> int:
        return len(json.loads(desk("plan", "job.py", "in.csv", *options, "--json", env=env).out)["partitions"])

    assert partitions() == 5
    assert partitions(MAX_LINES_PER_BATCH="10") == 3
    assert partitions(ROWMILL_ROWS_PER_PARTITION="7") == 4
    assert partitions("--rows-per-partition", "20", MAX_LINES_PER_BATCH="10") == 2
    assert partitions("--rows-per-partition", "auto", MAX_LINES_PER_BATCH="10") == 1


def test_params_reach_the_function(desk: Desk) -> None:
    desk.write(
        "job.py",
        ECHO.replace("row: dict", "row: dict, ctx").replace("return row", 'return row | {"name": ctx.params["to"]}'),
    )
    desk.write("in.csv", names(1))
    assert desk("run", "job.py", "in.csv", "--param", "to=a=b c").code == 0
    assert (desk.folder / "in.csv_Output").read_text() == "0,a=b c\n"


def test_config_show_tells_where_each_value_comes_from(desk: Desk) -> None:
    desk.write("rowmill.toml", 'workspace = "place"\n')
    shown = json.loads(desk("config", "show", "--json", env={"ROWMILL_WORKERS": "3"}).out)["settings"]
    assert shown["workers"] == {"value": 3, "origin": "environment"}
    assert shown["workspace"] == {"value": "place", "origin": "rowmill.toml"}
    assert shown["rejects"]["origin"] == "default"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_shells_script(desk: Desk, shell: str) -> None:
    script = desk("completion", shell)
    assert script.code == 0
    assert f"_ROWMILL_COMPLETE={shell}_complete" in script.out.replace('env "', "")


def test_completion_knows_commands_and_options(desk: Desk) -> None:
    def offered(line: str) -> str:
        words = str(len(line.split()) - 1)
        return desk(env={"_ROWMILL_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": words}).out

    assert "plain,split" in offered("rowmill sp")
    assert "plain,--workers" in offered("rowmill run --wor")


def test_clean_keeps_outputs_and_the_latest_runs(done: Desk) -> None:
    assert done("run", "job.py", "in.csv", "--output", "other.csv").code == 0
    ids = {one["run_id"] for one in json.loads(done("runs", "--json").out)["runs"]}
    removed = json.loads(done("clean", "--keep", "1", "--json").out)["removed"]
    left = {one["run_id"] for one in json.loads(done("runs", "--json").out)["runs"]}
    assert (len(ids), len(removed), left) == (2, 1, ids - set(removed))
    assert (done.folder / "in.csv_Output").exists()
    assert (done.folder / "other.csv").exists()
    assert done("clean", *left).code == 0
    assert json.loads(done("runs", "--json").out)["runs"] == []


def test_a_broken_output_does_not_verify(done: Desk) -> None:
    assert done("verify").code == 0
    output = done.folder / "in.csv_Output"
    output.write_bytes(output.read_bytes().replace(b"name 7", b"name 8"))
    broken = done("verify", "--json")
    assert broken.code == 6
    assert json.loads(broken.out)["ok"] is False
    assert "Traceback" not in broken.err


def test_generate_refuses_to_replace_a_file(desk: Desk) -> None:
    assert desk("generate", "3", "new.csv").code == 0
    before = (desk.folder / "new.csv").read_bytes()
    assert desk("generate", "4", "new.csv").code == 5
    assert (desk.folder / "new.csv").read_bytes() == before
    assert desk("generate", "4", "new.csv", "--overwrite").code == 0
    assert (desk.folder / "new.csv").read_bytes().startswith(before)


def test_generated_files_are_functions_of_seed_and_rows(desk: Desk) -> None:
    for name, *options in (["a.csv"], ["b.csv", "--seed", "0"], ["c.csv", "--seed", "1"]):
        assert desk("generate", "20001", name, *options).code == 0
    a, b, c = ((desk.folder / name).read_bytes() for name in ("a.csv", "b.csv", "c.csv"))
    assert a == b
    assert a != c
    assert a.decode() == orders.HEADER + orders.row_maker(0)(0, 20001)


def test_any_range_of_generated_rows_can_be_made_alone() -> None:
    rows = orders.row_maker(7)
    whole = rows(0, 40).splitlines(keepends=True)
    for low, high in itertools.combinations_with_replacement(range(41), 2):
        assert rows(low, high) == "".join(whole[low:high])


def test_generated_rows_have_the_samples_look() -> None:
    with PAYLOAD.open(newline="") as file:
        header, *sample = csv.reader(file)
    made = list(csv.reader(orders.row_maker(3)(0, 20_000).splitlines()))
    assert ",".join(header) + "\n" == orders.HEADER
    prices = {row[2]: row[9:11] for row in sample}
    for column in (0, 2, 3, 4):
        assert {row[column] for row in made} == {row[column] for row in sample}
    assert {(row[0], row[1]) for row in sample} <= {(row[0], row[1]) for row in made}
    for row in made:
        units, price, cost = int(row[8]), cents(row[9]), cents(row[10])
        assert row[9:11] == prices[row[2]]
        assert [cents(text) for text in row[11:]] == [units * price, units * cost, units * (price - cost)]
        assert all(re.fullmatch(r"[1-9]\d?/[1-9]\d?/201[0-7]", row[column]) for column in (5, 7))
        assert re.fullmatch(r"\d{9}", row[6])


def cents(text: str) -> int:
    whole, point, part = text.partition(".")
    assert (point, len(part)) == (".", 2)
    return int(whole) * 100 + int(part)


@pytest.mark.parametrize("seed", [0, 1, -5, 10**30])
def test_order_ids_are_a_bijection_of_a_billion(seed: int) -> None:
    step, first = orders.id_sequence(seed)
    assert step % 2
    assert step % 5
    rows = orders.row_maker(seed)
    for i in (0, 1, 123_456_789, orders.MAX_ROWS - 1):
        assert int(rows(i, i + 1).split(",")[6]) == (first + i * step) % orders.MAX_ROWS


def test_peek_prints_one_row_of_a_table(done: Desk) -> None:
    peek = [sys.executable, "-m", "rowmill.examples.peek"]
    shown = subprocess.run([*peek, "rowmill.db", "Names"], cwd=done.folder, capture_output=True, text=True, check=True)
    assert shown.stdout == "id: 0\nname: name 0\n"
    refused = subprocess.run(
        [*peek, "rowmill.db", "None"], cwd=done.folder, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "None" in refused.stderr
    assert "Traceback" not in refused.stderr
