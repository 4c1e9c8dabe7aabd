"""Long files begin first, so that none of them is alone at the end while the other processes have nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

LONG = (
    "bench/test_benchmarks", "e2e/test_landing", "kubernetes/test_control", "docs/test_docs_pages", "cli/test_commands",
    "statemachine/strict", "crash/test_damage", "kubernetes/test_disruptions", "storage/test_s3_runs",
    "whole/test_kills", "storage/test_s3_faults", "statemachine", "whole", "kubernetes", "contract", "devcloud", "cdk",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by how long a file takes; within a file the order stays."""
    items.sort(key=lambda item: next((at for at, name in enumerate(LONG) if f"tests/{name}" in item.nodeid), len(LONG)))
