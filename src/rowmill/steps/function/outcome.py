"""What becomes of a row that is not written, and how an exception of the user's code is told."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any, NamedTuple

TELLING = 4  # shorter values occur in any text by chance
OWN = str(Path(__file__).parents[1])  # this package's frames are no part of the user's code


class Rejected(NamedTuple):
    """The outcome of a refused row."""

    reason: str


def masked(error: Exception, row: Any) -> str:
    """Return an exception's text, unless it shows a value of the row."""
    text = str(error)
    values = row.values() if isinstance(row, dict) else row if isinstance(row, (list, tuple)) else [row]
    texts = [str(value) for value in values if value is not None]
    shown = any(repr(value) in text or (len(value) >= TELLING and value in text) for value in texts if value)
    return "(its text shows the row, and is left out)" if shown else text


def own_line_of(error: BaseException) -> str:
    """Return where in the user's own code an exception came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if OWN not in frame.filename]
    frames = frames or traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}, line {frames[-1].lineno}, in {frames[-1].name}" if frames else "no traceback"
