"""The evidence of a run is the same each time, has no row in it, and its script finds out every change."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.evidence.conftest import JOB, Made, lines, made

import rowmill.runners.evidence
from rowmill import StateError, api

if TYPE_CHECKING:
    from collections.abc import Callable

HANG_S = 60
SCRIPT = Path(rowmill.runners.evidence.__file__).with_name("verify.py")


class Case(NamedTuple):
    """Evidence, unpacked, and the files that it speaks of."""

    folder: Path
    input: Path
    output: Path
    rejects: Path

    def verify(self) -> tuple[int, str]:
        words = ["--input", self.input, "--output", self.output, "--rejects", self.rejects]
        done = subprocess.run(
            [sys.executable, "-I", "-B", self.folder / "verify.py", *words],
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    def resign(self) -> None:
        """List all digests anew, as a forger would."""
        names = sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file())
        digests = {n: hashlib.sha256((self.folder / n).read_bytes()).hexdigest() for n in names if n != "SHA256SUMS"}
        (self.folder / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))


def unpacked(run: Made, folder: Path, name: str = "in.csv") -> Case:
    api.evidence(run.run, str(folder / "e.zip"), workspace=run.workspace)
    with zipfile.ZipFile(folder / "e.zip") as packed:
        packed.extractall(folder / "e")
    files = [run.folder / name, Path(run.report.output.url), Path(f"{run.report.output.url}_Rejects")]
    copies = [folder / f"{file.name}.copy" for file in files]
    for file, copy in zip(files, copies, strict=True):
        copy.write_bytes(file.read_bytes() if file.exists() else b"")
    return Case(folder / "e", *copies)


@pytest.fixture
def case(finished: Made, tmp_path: Path) -> Case:
    return unpacked(finished, tmp_path)


def test_the_evidence_of_a_run_holds_and_says_what_it_does_not_show(case: Case) -> None:
    code, told = case.verify()
    assert code == 0, told
    assert "4 partitions tile" in told
    assert "100 rows read = " in told
    assert "does not show" in told


def test_the_same_run_gives_the_same_bytes(finished: Made, tmp_path: Path) -> None:
    first, second = (
        api.evidence(finished.run, str(tmp_path / name), workspace=finished.workspace) for name in ("a.zip", "b.zip")
    )
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert first.sha256 == second.sha256 == hashlib.sha256((tmp_path / "a.zip").read_bytes()).hexdigest()


def test_a_file_that_is_there_is_not_replaced_unasked(finished: Made, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"mine")
    with pytest.raises(StateError):
        api.evidence(finished.run, str(tmp_path / "a.zip"), workspace=finished.workspace)
    assert (tmp_path / "a.zip").read_bytes() == b"mine"


def test_no_row_is_in_the_evidence(case: Case) -> None:
    content = b"".join(file.read_bytes() for file in case.folder.rglob("*") if file.is_file())
    for value in (b"secret-", b"k5,", b'"k5"', b"first 4", b"note 1"):
        assert value in b"".join(file.read_bytes() for file in (case.input, case.rejects)) or value == b'"k5"'
        assert value not in content


def test_every_file_that_is_changed_added_or_taken_away_is_found_out(case: Case) -> None:
    files = sorted(file for file in case.folder.rglob("*") if file.is_file() and file.name != "verify.py")
    assert len(files) > 12
    for file in files:
        before = file.read_bytes()
        for changed in (before[:-2] + b"#" + before[-1:] if before else b"#", None):
            if changed is None:
                file.unlink()
            else:
                file.write_bytes(changed)
            code, told = case.verify()
            assert (code, told.splitlines()[-1][:11]) == (1, "NOT PROVED:"), f"{file.name}: {told}"
            file.write_bytes(before)
    (case.folder / "more.json").write_text("{}")
    assert case.verify()[0] == 1


def change(name: str, how: Callable[[Any], object]) -> Callable[[Case], None]:
    def forge(case: Case) -> None:
        file = case.folder / name
        value = json.loads(file.read_bytes())
        how(value)
        file.write_text(json.dumps(value))

    return forge


def report(how: Callable[[Any], object]) -> Callable[[Case], None]:
    def forge(case: Case) -> None:
        change("report.json", how)(case)
        change("reports/1.json", how)(case)

    return forge


def both(*forgers: Callable[[Case], None]) -> Callable[[Case], None]:
    def forge(case: Case) -> None:
        for one in forgers:
            one(case)

    return forge


def moved(counts: Any) -> None:
    counts["written"] += 1
    counts["rejected"] -= 1


def swapped(case: Case) -> None:
    one, two = (case.folder / f"receipts/0000{index}.json" for index in (0, 1))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


FORGED = {
    "another run's manifest": change("manifest.json", lambda it: it.update(run_id="0" * 16)),
    "a partition forgotten": change("manifest.json", lambda it: it["partitions"].pop(1)),
    "a partition longer": change("manifest.json", lambda it: it["partitions"][1].update(end=1500)),
    "rows moved between partitions": change(
        "manifest.json",
        lambda it: (it["partitions"][0].update(rows=31), it["partitions"][1].update(rows=29, first_ordinal=31)),
    ),
    "another digest of the input": both(
        change("manifest.json", lambda it: it["input"].update(digest="0" * 64)),
        report(lambda it: it["input"].update(digest="0" * 64)),
    ),
    "another digest of a partition": change("manifest.json", lambda it: it["partitions"][1].update(digest="0" * 64)),
    "receipts exchanged": swapped,
    "a reject counted as written": both(
        change("receipts/00000.json", lambda it: moved(it["counts"])), report(lambda it: moved(it["counts"]))
    ),
    "a row more filtered in the report": report(lambda it: it["counts"]["filtered"].update({"three of seven": 99})),
    "another total": report(lambda it: it["totals"]["n"].update(written="1")),
    "fewer rows in the table": report(lambda it: it.update(table_rows=1)),
    "another code": report(lambda it: it.update(code_digests=["0" * 64])),
    "another filtered row": change("filtered/00001.json", lambda it: it["gaps"]["three of seven"].__setitem__(0, 1)),
    "a part of the output forgotten": report(lambda it: it["output_digest"].pop()),
    "an older report": change("report.json", lambda it: it.update(end="2000-01-01T00:00:00+00:00")),
    "no JSON": lambda case: (case.folder / "manifest.json").write_text("{"),
    "no list": lambda case: (case.folder / "manifest.json").write_text("7"),
}


@pytest.mark.parametrize("lie", FORGED)
def test_a_forger_who_lists_all_digests_anew_is_found_out(case: Case, lie: str) -> None:
    FORGED[lie](case)
    case.resign()
    code, told = case.verify()
    assert code == 1, told
    assert told.splitlines()[-1].startswith("NOT PROVED: ")
    assert "was changed after" not in told


@pytest.mark.parametrize("which", ["input", "output", "rejects"])
def test_every_change_of_the_files_themselves_is_found_out(case: Case, which: str) -> None:
    file: Path = getattr(case, which)
    before = file.read_bytes()
    middle = len(before) // 2
    for changed in (
        before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :],
        before[:-1],
        before + b"more\n",
        b"#" + before[1:],
        b"",
    ):
        file.write_bytes(changed)
        code, told = case.verify()
        assert code == 1, told
        assert which in told.splitlines()[-1]
    file.write_bytes(before)
    assert case.verify()[0] == 0


UTF_16 = JOB.replace("reads=Csv()", 'reads=Csv(encoding="utf-16")')
PLAIN = JOB.replace("reads=Csv()", 'reads=Csv(delimiter=";", quoting="none", header=False, names=["id", "card", "n"])')


@pytest.mark.parametrize(
    ("job", "data", "output"),
    [
        (JOB, gzip.compress(("\n".join(lines()) + "\n").encode()), "out.csv.gz"),
        (UTF_16, ("\n".join(lines()) + "\n").encode("utf-16"), "out.csv"),
        (PLAIN, b'a;b";1\r\n\r\n"c;d;2', "out.csv"),
        (JOB.replace("writes=Csv()", "writes=Jsonl()").replace("Csv,", "Csv, Jsonl,"), None, "out.jsonl"),
        (JOB, b"id,card,n,note\n", "out.csv"),
    ],
    ids=["gzip", "utf-16", "no quotes, CRLF, no last line end", "jsonl", "no rows"],
)
def test_other_formats_are_verified_too(tmp_path: Path, job: str, data: bytes | None, output: str) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "e").mkdir()
    run = made(tmp_path / "made", job=job, data=data, output=str(tmp_path / output))
    case = unpacked(run, tmp_path / "e")
    code, told = case.verify()
    assert code == 0, told
    case.output.write_bytes(case.output.read_bytes()[:-1] + b"#")
    assert case.verify()[0] == 1


HOLDING = JOB.replace("raise Reject", 'if row["note"] != "mended":\n            raise Reject').replace("50%", "hold")


def test_what_was_repaired_and_waived_is_shown_and_proved(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    words = {"workspace": str(tmp_path / "made" / "w")}
    with pytest.raises(rowmill.HeldError):
        made(tmp_path / "made", job=HOLDING, rejects=None)
    (status,) = api.runs(**words)
    with pytest.raises(rowmill.HeldError, match="withheld"):
        api.follow(status.run_id, **words)
    (held,) = api.show(status.run_id, ordinal=5, **words)
    assert (held.outcome, held.reason) == ("rejected", "ends in five")
    fix = 'ordinal,line,reason,row\n5,,x,"k5,secret-5,5,mended"\n15,,x,"k15,secret-15,17,mended"\n'
    (tmp_path / "fix.csv").write_text(fix)
    with pytest.raises(rowmill.HeldError):
        api.repair(status.run_id, str(tmp_path / "fix.csv"), by="ann", **words)
    report = api.waive(status.run_id, None, reason="agreed", by="bob", **words)
    run = Made(tmp_path / "made", report)
    told = {i: api.show(run.run, ordinal=i, **words)[0] for i in (5, 15, 25, 6)}
    assert [(one.outcome, one.reason) for one in told.values()] == [
        ("written", ""),
        ("filtered", "three of seven"),
        ("rejected", "ends in five; waived"),
        ("written", ""),
    ]
    assert (told[5].output_text, told[5].output_holds) == ("k5,(sensitive),10", True)
    assert (told[5].corrected, told[6].corrected) == ("(sensitive)", "")
    assert told[6].output_row == (told[5].output_row or 0) + 1
    case = unpacked(run, tmp_path)
    code, shown = case.verify()
    assert code == 0, shown
    assert len(list(case.folder.glob("repairs/*.json"))) == 2
    assert b"secret" not in b"".join(file.read_bytes() for file in case.folder.rglob("*.json"))


def test_the_evidence_of_a_run_that_has_not_ended_well_is_refused(tmp_path: Path) -> None:
    with pytest.raises(rowmill.ProcessingError):
        made(tmp_path, job=JOB.replace("i = int", "assert False\n    i = int"))
    (status,) = api.runs(workspace=str(tmp_path / "w"))
    with pytest.raises(StateError, match="not ended well"):
        api.evidence(status.run_id, str(tmp_path / "e.zip"), workspace=str(tmp_path / "w"))
    assert not (tmp_path / "e.zip").exists()


def test_the_script_is_short_and_imports_the_standard_library_alone() -> None:
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 200
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
