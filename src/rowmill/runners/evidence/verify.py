"""Check the evidence of a run without trusting who made it: Python's standard library alone, ten minutes to read.

    python verify.py --input sales.csv --output sales.csv_Output [--rejects sales.csv_Output_Rejects]

It stands beside the files that it checks, writes nothing, and holds one partition in memory. It says what holds; at the
first thing that does not it says so in one sentence and ends with exit code 1.
"""

import argparse
import csv
import gzip
import hashlib
import io
import json
import sys
from collections import Counter
from decimal import Decimal
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PIECE, BLOCK = 256 * 1024, 8 * 1024 * 1024  # digests are taken of pieces, of a block's pieces, and of all blocks
csv.field_size_limit(sys.maxsize)


def must(holds: bool, otherwise: str) -> None:
    """Go on only if this holds."""
    if not holds:
        sys.exit(f"NOT PROVED: {otherwise}")


def read(name: str) -> Any:
    """Read a JSON file of the evidence."""
    return json.loads((HERE / name).read_bytes())


def sha256(*parts: bytes) -> bytes:
    """Digest bytes."""
    return hashlib.sha256(b"".join(parts)).digest()


def check_files() -> None:
    """1. The evidence is the set of files that was made, and none of them was changed since."""
    own = (HERE / "SHA256SUMS").read_bytes()
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in own.decode().splitlines())}
    there = {str(p.relative_to(HERE)) for p in HERE.rglob("*") if p.is_file() and p.parent.name != "__pycache__"}
    must(there <= {*listed, "SHA256SUMS"}, f"{min(there - set(listed), default='')} is no part of the evidence")
    for name, digest in listed.items():
        must(name in there, f"{name} is missing")
        must(sha256((HERE / name).read_bytes()).hex() == digest, f"{name} was changed after the evidence was made")
    print(f"ok   {len(listed)} files are as SHA256SUMS lists them, whose own SHA-256 is {sha256(own).hex()}")


def check_manifest(run: Any, manifest: Any, report: Any) -> None:
    """2. All is of one run. Partitions tile the input: no byte and no row belongs to none or to two, and in order."""
    must(run["run_id"] == manifest["run_id"] == report["run_id"], "run, manifest and report are of different runs")
    known = [manifest["input"][name] for name in ("digest", "bytes")] + [manifest["rows"]]
    must(known == [report["input"][name] for name in ("digest", "bytes", "rows")], "the report is of another input")
    must(report["output"]["url"] == run["output"], "the report is of another output")
    latest = max(int(file.stem) for file in (HERE / "reports").iterdir())
    must(read(f"reports/{latest}.json") == report, "report.json is not the latest report")
    print(f"ok   run {run['run_id']} of job {run['job']}, by {report['who']['user']}, ended {report['end']}")
    at, ordinal = manifest["body_start"], 0
    for index, part in enumerate(manifest["partitions"]):
        follows = (part["index"], part["start"], part["first_ordinal"]) == (index, at, ordinal)
        must(follows and part["end"] >= at, f"partition {index} does not follow the one before it")
        at, ordinal = part["end"], ordinal + part["rows"]
    whole = (manifest["trailer_start"] or manifest["input"]["bytes"], manifest["rows"])
    must((at, ordinal) == whole, "the partitions do not cover the input")
    print(f"ok   {len(manifest['partitions'])} partitions tile {at} bytes and {ordinal} rows, in order")


def check_partition(part: Any, receipt: Any, run_id: str, rejected: list[int]) -> None:
    """3. Each row of a partition has one outcome; which were left out is listed, each once, each its own."""
    index, counts = part["index"], receipt["counts"]
    where, filtered = f"partition {index}", sum(counts["filtered"].values())
    must((receipt["run_id"], receipt["partition"]) == (run_id, index), f"{where} has the receipt of another")
    outcomes = counts["written"] + counts["rejected"] + filtered
    must(part["rows"] == counts["read"] == outcomes, f"rows are not conserved in {where}")
    must(receipt["data"]["rows"] == counts["written"], f"{where} has other rows in its data than were written")
    must(receipt["table_rows"] in (None, counts["written"]), f"{where} gave the table other rows than were written")
    must(len(rejected) == counts["rejected"], f"{where} lists other rejects than it counted")
    left_out = list(rejected)
    gaps = read(f"filtered/{index:05d}.json")["gaps"] if receipt["filtered"] else {}
    for reason, steps in gaps.items():  # the first ordinal, then the distance to each next one
        must(len(steps) == counts["filtered"].get(reason), f"{where} lists other rows than it filtered")
        left_out += accumulate(steps)
    own = range(part["first_ordinal"], part["first_ordinal"] + part["rows"])
    must(all(row in own for row in left_out) and len(set(left_out)) == len(left_out), f"{where} lists rows wrongly")


def check_sums(report: Any, receipts: list[Any]) -> None:
    """4. The report's counts and totals are the sums of the receipts'; the table took what was written."""
    told, counts = report["counts"], [receipt["counts"] for receipt in receipts]
    sums: Any = {name: sum(one[name] for one in counts) for name in ("read", "written", "rejected")}
    sums["filtered"] = sum((Counter(one["filtered"]) for one in counts), Counter())
    must(all(told[name] == sums[name] for name in sums), "the report's counts are not its receipts' sum")
    must(report["table_rows"] in (None, told["written"] - told["duplicates"]), "the table took other rows")
    for column, kinds in report["totals"].items():
        found = {kind: sum(Decimal(one["totals"][column][kind]) for one in receipts) for kind in set(kinds) - {"read"}}
        holds = {kind: Decimal(value) for kind, value in kinds.items()} == {**found, "read": sum(found.values())}
        must(holds, f"the report's total of {column} is not its receipts' sum")
    repairs = [json.loads(file.read_bytes()) for file in (HERE / "repairs").glob("*.json")]
    code = {one["code_digest"] for one in [*receipts, *repairs]} - {""}
    must(sorted(code) == report["code_digests"], "the code is not the report's")
    left_out = f"{sum(sums['filtered'].values())} filtered + {told['rejected']} rejected"
    print(f"ok   {told['read']} rows read = {told['written']} written + {left_out}, in each partition and together")


def opened(path: Path, code: str) -> Any:
    """Open the input as the run read it: decompressed; text that cannot be cut by bytes as UTF-8."""
    with path.open("rb") as start:
        magic = start.read(4)
    must(magic != b"\x28\xb5\x2f\xfd", f"{path} is compressed with zstd: give it decompressed (zstd -d)")
    file: Any = gzip.open(path) if magic.startswith(b"\x1f\x8b") else path.open("rb")  # noqa: SIM115 - who asks closes
    return io.BytesIO(file.read().decode(code, "surrogateescape").encode("utf-8", "surrogatepass")) if code else file


def count_rows(content: bytes, form: Any) -> int:
    """Count rows as Python's own csv reader does, or lines."""
    quoted = form["kind"] == "Csv" and form["quoting"] != "none"
    lines = io.TextIOWrapper(io.BytesIO(content), "latin-1", newline="" if quoted else "\n")
    if quoted:
        return sum(1 for row in csv.reader(lines, delimiter=form["delimiter"], quotechar=form["quote"]) if row)
    return sum(1 for line in lines if form["kind"] == "Lines" or line.strip("\r\n"))


def check_input(path: Path, manifest: Any, run: Any, code: str) -> None:
    """5. The input is what the run read, byte for byte, partition by partition, and has the rows that were counted."""
    with opened(path, code) as file:
        file.read(manifest["body_start"])
        for part in manifest["partitions"]:
            start, end, name = part["start"], part["end"], f"partition {part['index']}"
            content = file.read(end - start)
            cuts = [start, *range((start // PIECE + 1) * PIECE, end, PIECE), end]  # at multiples of PIECE of the input
            pieces = (content[low - start : high - start] for low, high in pairwise(cuts))
            digest = sha256(*(sha256(piece) for piece in pieces if piece)).hex()
            must(digest == part["digest"], f"the input is not what the run read, first in {name}")
            rows = count_rows(content, run["reads"])
            must(rows == part["rows"], f"{name} has {rows} rows in the input, {part['rows']} in the manifest")
    with opened(path, code) as file:
        read_blocks = iter(partial(file.read, BLOCK), b"")
        pieces_of = ([block[at : at + PIECE] for at in range(0, len(block), PIECE)] for block in read_blocks)
        blocks = [sha256(*map(sha256, pieces)) for pieces in pieces_of]
    whole = sha256(*blocks).hex()
    must(whole == manifest["input"]["digest"], "the input is not what the run read, before its rows or after them")
    print(f"ok   the input has the digest {whole} and {manifest['rows']} rows")


def check_output(path: Path, rejects: Path | None, report: Any, receipts: list[Any], run: Any) -> None:
    """6. The output is a header and the partitions' results in order, each with the rows that were written."""
    parts = [(one["bytes"], one["sha256"]) for one in report["output_digest"]]
    heads = len(parts) - len(receipts)
    told = [(one["data"]["bytes"], one["data"]["sha256"]) for one in receipts]
    must(heads in (0, 1) and parts[heads:] == told, "the report's output is not made of the receipts' data")
    with path.open("rb") as file:
        for at, (size, digest) in enumerate(parts, -heads):
            content, name = file.read(size), f"partition {at}" if at >= 0 else "the header"
            must(sha256(content).hex() == digest, f"the output is not what was published, first in {name}")
            if at >= 0:
                plain = gzip.decompress(content) if run["output"].endswith(".gz") else content
                rows, written = count_rows(plain, run["writes"]), receipts[at]["counts"]["written"]
                must(rows == written, f"{name} has {rows} rows in the output, {written} were written")
        must(not file.read(1), "the output has more than was published")
    if rejects is not None:
        with rejects.open("rb") as file:
            known = [receipt["rejects"] for receipt in receipts if receipt["rejects"]]
            holds = all(sha256(file.read(one["bytes"])).hex() == one["sha256"] for one in known)
            must(holds and not file.read(1), "the rejects file is not what was published")
    print(f"ok   the output is the results of {len(receipts)} partitions in the order of the input")


def main() -> None:
    """Check all, from the evidence alone to the files that it speaks of."""
    about = argparse.ArgumentParser(description="Check the evidence of a run against its input and output.")
    for name in ("--input", "--output", "--rejects"):
        about.add_argument(name, required=name != "--rejects", type=Path)
    given = about.parse_args()
    check_files()
    run, manifest, report = read("run.json"), read("manifest.json"), read("report.json")
    receipts = [read(f"receipts/{part['index']:05d}.json") for part in manifest["partitions"]]
    rejected: dict[int, list[int]] = {}
    for one in map(json.loads, (HERE / "rejects.jsonl").read_bytes().splitlines()):
        rejected.setdefault(one["partition"], []).append(one["ordinal"])
    check_manifest(run, manifest, report)
    for index, part in enumerate(manifest["partitions"]):
        check_partition(part, receipts[index], run["run_id"], rejected.get(index, []))
    check_sums(report, receipts)
    check_input(given.input, manifest, run, read("evidence.json")["transcoded_from"])
    check_output(given.output, given.rejects, report, receipts, run)
    print("All of this holds. It does not show that the function did what its author says.")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001 - whatever was changed
        sys.exit(f"NOT PROVED: a file does not read: {type(error).__name__}: {error}")
