"""The error tree: whose turn it is when something goes wrong, and the exit code that says so.

RowmillError
├─ ConfigurationError   2    the user fixes settings
├─ InputError           3    the user fixes data, or raises the budget
├─ ProcessingError      4    the user fixes code
├─ StateError           5    wrong moment: already running, code changed, output exists
├─ IntegrityError       6    a law is broken; the evidence is kept
├─ HeldError            7    rejects await repair or waiver
└─ TransientError      75    wait and retry

1 is an unexpected error, 130 is Ctrl-C, 143 is SIGTERM after a clean stop (see `Stopped`).
Adapters translate foreign errors into these at the border.
"""

from __future__ import annotations

from typing import ClassVar


class RowmillError(Exception):
    """What went wrong, where, and what to do next.

    Args:
        message: One sentence; never the content of a row.
        hint: What the user does next.
        run_id: The run it happened in.
        partition: The partition's index.
        ordinal: The row's 0-based place in the input, header not counted.
        line_no: The row's first line in the input, 1-based.
        url: The file, object or table concerned, without credentials.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        run_id: str = "",
        partition: int | None = None,
        ordinal: int | None = None,
        line_no: int | None = None,
        url: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context: dict[str, str | int] = {
            key: value
            for key, value in (
                ("run_id", run_id),
                ("partition", partition),
                ("ordinal", ordinal),
                ("line_no", line_no),
                ("url", url),
            )
            if value not in (None, "")
        }

    def at(self, **context: str | int) -> RowmillError:
        """Add places that the raiser could not know; what is already known stays."""
        self.context = {**context, **self.context}
        return self

    def as_dict(self) -> dict[str, str | int]:
        """Return the error as one flat object, as termination messages and workers carry it."""
        return {
            "error": type(self).__name__,
            "exit_code": self.exit_code,
            "message": self.message,
            "hint": self.hint,
            **self.context,
        }

    @staticmethod
    def from_dict(fields: dict[str, str | int]) -> RowmillError:
        """Rebuild an error that a worker sent with `as_dict`."""
        kind = BY_NAME.get(str(fields["error"]), RowmillError)
        error = kind(str(fields["message"]), hint=str(fields["hint"]))
        places = ("run_id", "partition", "ordinal", "line_no", "url")
        error.context = {key: fields[key] for key in places if key in fields}
        return error


class ConfigurationError(RowmillError):
    """A setting, an option or a declaration is wrong: the user fixes settings."""

    exit_code = 2


class InputError(RowmillError):
    """The input is missing, malformed or changed: the user fixes data, or raises the budget."""

    exit_code = 3


class ProcessingError(RowmillError):
    """The user's function failed or returned what cannot be saved: the user fixes code."""

    exit_code = 4


class StateError(RowmillError):
    """Not at this moment: a run is under way, code changed under it, or an output is in the way."""

    exit_code = 5


class IntegrityError(RowmillError):
    """A law is broken: rows lost, doubled or moved. The evidence is kept."""

    exit_code = 6


class HeldError(RowmillError):
    """Rejects await repair or waiver; the output is withheld."""

    exit_code = 7


class TransientError(RowmillError):
    """A place is busy or unreachable: the same command later goes on.

    A user's function raises it to have its row tried again, with growing pauses and a budget.

    Attributes:
        spent: The place was waited for as long as is allowed, so that trying again at once is no use.
    """

    exit_code = 75
    spent: bool = False


class Stopped(BaseException):
    """A signal asked for a stop, and the work stopped cleanly at a chunk border.

    Args:
        signal_number: The signal; the exit code is 128 more.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


BY_NAME: dict[str, type[RowmillError]] = {
    kind.__name__: kind
    for kind in (
        RowmillError,
        ConfigurationError,
        InputError,
        ProcessingError,
        StateError,
        IntegrityError,
        HeldError,
        TransientError,
    )
}
