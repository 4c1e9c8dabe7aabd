"""Rowmill: your function on every row of a large file, in parallel; every row, once, in order, proved."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rowmill.wire import VERSION as __version__  # noqa: N811 - the name that tools look for

if TYPE_CHECKING:
    from rowmill.api import plan, run, status, verify
    from rowmill.errors import (
        ConfigurationError,
        HeldError,
        InputError,
        IntegrityError,
        ProcessingError,
        RowmillError,
        StateError,
        TransientError,
    )
    from rowmill.formats.csv import Csv
    from rowmill.formats.fixed import FixedWidth
    from rowmill.formats.jsonl import Jsonl
    from rowmill.formats.lines import Lines
    from rowmill.formats.trailer import Trailer
    from rowmill.job import Context, Exec, Job, Reject, Skip, Table

_HOMES = {
    "rowmill.api": ("plan", "run", "status", "verify"),
    "rowmill.errors": (
        "ConfigurationError",
        "HeldError",
        "InputError",
        "IntegrityError",
        "ProcessingError",
        "RowmillError",
        "StateError",
        "TransientError",
    ),
    "rowmill.formats.csv": ("Csv",),
    "rowmill.formats.fixed": ("FixedWidth",),
    "rowmill.formats.jsonl": ("Jsonl",),
    "rowmill.formats.lines": ("Lines",),
    "rowmill.formats.trailer": ("Trailer",),
    "rowmill.job": ("Context", "Exec", "Job", "Reject", "Skip", "Table"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ConfigurationError",
    "Context",
    "Csv",
    "Exec",
    "FixedWidth",
    "HeldError",
    "InputError",
    "IntegrityError",
    "Job",
    "Jsonl",
    "Lines",
    "ProcessingError",
    "Reject",
    "RowmillError",
    "Skip",
    "StateError",
    "Table",
    "Trailer",
    "TransientError",
    "__version__",
    "plan",
    "run",
    "status",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `rowmill --help` does not pay for the engine."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'rowmill' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value
