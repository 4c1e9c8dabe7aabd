"""Several commands for the same run, and an input that changes under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .kit import ended, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def held(tmp_path: Path, first: int) -> dict[str, str]:
    """Return what makes a run wait at a row while there is a file; and make it."""
    (tmp_path / "hold").touch()
    return {"HOLD": str(tmp_path / "hold"), "HOLD_FROM": str(first)}


def test_a_second_coordinator_ends_with_5_and_the_first_ends_right(aws, orders, stub, tmp_path: Path) -> None:
    run = aws(orders, stub)
    first = run.start(held(tmp_path, 5_000))
    wait_until(lambda: run.receipts() >= 1, first)
    second = run.give()
    assert (second.code, second.out) == (5, "")
    assert f"process {first.pid} " in second.err
    assert first.poll() is None
    (tmp_path / "hold").unlink()
    run.agrees(ended(first).report)


def test_of_five_commands_at_once_exactly_one_does_the_run(aws, orders, stub) -> None:
    run = aws(orders, stub)
    five = [ended(process) for process in [run.start(on="inline") for _ in range(5)]]
    did = [one for one in five if one.code == 0 and one.report["status"] == "succeeded"]
    assert len(did) == 1, [one.err for one in five]
    for one in five:
        assert one.code in (0, 5), one.err
    run.agrees(did[0].report)
    assert run.give().report["status"] == "repeated"


def test_an_input_that_is_replaced_in_mid_run_is_exit_3_and_nothing_is_published(
    aws, orders, stub, tmp_path: Path
) -> None:
    run = aws(orders, stub)
    process = run.start(held(tmp_path, 5_000))
    wait_until(lambda: run.receipts() >= 1, process)
    key = f"{run.prefix}/in.csv"
    before = run.bucket.get(key)
    run.bucket.put(key, before.replace(b"Online", b"onLine"))
    (tmp_path / "hold").unlink()
    changed = ended(process)
    assert (changed.code, changed.out) == (3, "")
    assert "changed" in changed.err
    assert run.output() is None
    run.bucket.put(key, before)  # what was there is the same version again, and the same run
    assert run.ends_right()["attempts"] == 2
