"""The public test kit: prove your own job against the oracle, your own storage or table against the contracts."""

from __future__ import annotations

from rowmill.testing import crash, suites
from rowmill.testing.oracle import Expected, Refusal, expected, oracle

__all__ = ["Expected", "Refusal", "crash", "expected", "oracle", "suites"]
