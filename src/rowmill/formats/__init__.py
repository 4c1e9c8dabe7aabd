"""Bytes to rows and back. Pure: a format is a frozen value with methods, bytes in, rows out, and the reverse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowmill.formats.borders import Rules


class Decoded(NamedTuple):
    """The rows of a chunk.

    Attributes:
        rows: One value per row that reads well, in order.
        malformed: For a row that does not, by its place in the chunk: what is wrong, without its content.
    """

    rows: list[Any]
    malformed: dict[int, str]


class Head(NamedTuple):
    """What stands before the rows.

    Attributes:
        columns: Names of the columns, None where rows have none.
        end: Where the rows begin, in bytes.
    """

    columns: tuple[str, ...] | None
    end: int


class Format(Protocol):
    """How rows stand in a file. Implementations are frozen values."""

    @property
    def max_row_bytes(self) -> int:
        """A longer row is a reject."""

    @property
    def encoding(self) -> str:
        """How text is written in bytes."""

    @property
    def rules(self) -> Rules:
        """How rows end."""

    def read_head(self, data: bytes, *, final: bool) -> Head | None:
        """Read what stands before the rows; None if `data` is too short to tell.

        Raises:
            InputError: It cannot be read.
        """

    def decode(self, data: bytes, columns: tuple[str, ...] | None) -> Decoded:
        """Read whole rows.

        Raises:
            InputError: The text breaks the declared rules, so that borders cannot be trusted.
        """

    def columns_of(self, value: Any) -> tuple[str, ...] | None:
        """Return the output's columns, given its first value."""

    def encode_head(self, columns: tuple[str, ...] | None) -> bytes:
        """Write what stands before the rows of an output."""

    def encode(self, values: Sequence[Any], columns: tuple[str, ...] | None) -> bytes:
        """Write values, one row each.

        Raises:
            ProcessingError: A value cannot be written; `ordinal` is its place in `values`.
        """
