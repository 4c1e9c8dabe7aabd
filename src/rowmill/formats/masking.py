"""Values of sensitive columns, hidden wherever a text or a row would show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rowmill.errors import RowmillError
from rowmill.formats import borders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.formats import Format

HIDDEN = "(sensitive)"
TELLING = 4  # shorter values occur in any text by chance, as parts of words


def hidden(text: str, row: Any, sensitive: Sequence[str]) -> str:
    """Return a text about a row without the values of its sensitive columns.

    Args:
        text: A reason, or an error's words.
        row: As the format read it.
        sensitive: Names of columns.
    """
    if not sensitive or not isinstance(row, dict):
        return text
    values = {str(row[name]).strip() for name in sensitive if row.get(name) is not None}
    for value in sorted(values - {""}, key=len, reverse=True):
        own = re.escape(value)
        text = re.sub(own if len(value) >= TELLING else rf"(?<!\w){own}(?!\w)", HIDDEN, text, flags=re.IGNORECASE)
    return text


def masked_row(reads: Format, columns: tuple[str, ...] | None, sensitive: Sequence[str], raw: str) -> str:
    """Return a row's text with its sensitive columns hidden; all of it, where nobody can tell them.

    Args:
        reads: The input's format.
        columns: Names of its columns.
        sensitive: Those to hide.
        raw: The row's text, without line end.
    """
    if not sensitive:
        return raw
    shown = masked_cells(reads, columns, sensitive, raw)
    if shown is None:
        return HIDDEN
    try:
        return reads.encode([shown], tuple(shown)).decode(reads.encoding).rstrip("\r\n")
    except (RowmillError, UnicodeError):
        return HIDDEN


def masked_cells(
    reads: Format, columns: tuple[str, ...] | None, sensitive: Sequence[str], raw: str
) -> dict[str, Any] | None:
    """Return a row's values by column with the sensitive ones hidden; None where nobody can tell them apart.

    Args:
        reads: The input's format.
        columns: Names of its columns.
        sensitive: Those to hide.
        raw: The row's text, without line end.
    """
    row = _row(reads, columns, raw)
    return row and masked_values(row, sensitive)


def masked_values(row: Any, sensitive: Sequence[str]) -> Any:
    """Return a row, or a result, by column with the sensitive ones hidden; what has no columns as it is."""
    if not isinstance(row, dict):
        return row
    return {name: HIDDEN if name in sensitive else value for name, value in row.items()}


def _row(reads: Format, columns: tuple[str, ...] | None, raw: str) -> dict[str, Any] | None:
    """Return what a text says by column; None where it is not exactly one row that reads."""
    try:
        data = raw.encode(reads.encoding) + b"\n"
        if borders.row_ends(data, reads.rules) != [len(data)]:
            return None
        rows = reads.decode(data, columns).rows
    except (RowmillError, UnicodeError):
        return None
    return rows[0] if rows and isinstance(rows[0], dict) else None
