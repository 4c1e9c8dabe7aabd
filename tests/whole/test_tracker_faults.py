"""Valkey is a view: whatever becomes of it, the run is right, and the view comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from valkey import Valkey

from .kit import ended, wait_until
from .servers import free_port, valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .servers import ValkeyServer

SLOWLY = {"inline": {"PAUSE_S": "0.01"}, "processes": {"PAUSE_S": "0.02"}}
BOTH = pytest.mark.parametrize("on", ["inline", "processes"])


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path) as server:
        yield server


def shown(server: ValkeyServer) -> dict[str, str]:
    """Return the counters of the one run that a server knows."""
    with Valkey(port=server.port, decode_responses=True) as client:
        return next((client.hgetall(key) for key in client.keys("rowmill:*:view")), {})


@BOTH
def test_valkey_that_is_killed_in_mid_run_and_comes_back_empty_changes_nothing(
    local, valkey: ValkeyServer, on: str
) -> None:
    valkey.start()
    words = {"tracker": valkey.url, "write_rate": "100000", "on": on}
    process = local.start(SLOWLY[on], **words)
    wait_until(lambda: shown(valkey) and local.receipts() >= 1, process)
    valkey.kill()
    at = local.receipts()
    wait_until(lambda: local.receipts() >= at + 2, process)  # nobody waits for it
    valkey.start()
    local.agrees(ended(process).report)
    assert shown(valkey)["partitions_done"] == "10"  # what it had forgotten was written anew


def test_valkey_that_starts_late_shows_the_run_in_the_end(local, valkey: ValkeyServer) -> None:
    process = local.start(SLOWLY["processes"], tracker=valkey.url, on="processes")
    wait_until(lambda: local.receipts() >= 1, process)
    valkey.start()
    local.agrees(ended(process).report)
    assert shown(valkey)["partitions_done"] == "10"


def test_valkey_that_is_never_there_changes_nothing(local) -> None:
    done = local.give(tracker=f"redis://127.0.0.1:{free_port()}/0", write_rate="100000", on="processes")
    local.agrees(done.report)
    assert "note: the tracker does not answer" in done.err
