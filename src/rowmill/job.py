"""What the user declares: a job, its function, its table, and the words a function answers with."""

from __future__ import annotations

import inspect
import random
from datetime import datetime  # noqa: TC003 - part of the Context that users annotate with
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec
from uuid_utils import UUID, uuid5

from rowmill.errors import ConfigurationError
from rowmill.formats.csv import Csv
from rowmill.formats.text import cuts_by_bytes
from rowmill.model.policy import parse_budget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rowmill.formats import Format


class Skip(msgspec.Struct, frozen=True):
    """Returned by a function: leave this row out, and count it under the reason."""

    reason: str = "skipped"


class Reject(Exception):  # noqa: N818 - the user's word
    """Raised by a function: refuse this row. It goes, with its text, into the rejects file and nowhere else.

    Args:
        reason: In one sentence, without the row's content.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Exec(msgspec.Struct, frozen=True):
    """A program in any language, run once per partition on local files without header.

    Line k of its output is the result of row k, in the format that the job writes. A non-zero exit or a wrong count
    of lines is exit 4; exit 75 is tried again.

    Args:
        command: The program and its arguments, started without a shell; `{input}` and `{output}` become paths.
    """

    command: Sequence[str]

    def __post_init__(self) -> None:
        text = " ".join(self.command)
        if isinstance(self.command, str) or "{input}" not in text or "{output}" not in text:
            raise ConfigurationError(
                "Exec takes a list of words that name {input} and {output}",
                hint='write Exec(["./program", "{input}", "{output}"])',
            )


class Table(msgspec.Struct, frozen=True):
    """Where results are saved, one table row per written row.

    Args:
        name: The table's name.
        key: Column, or columns, whose value a row is known by; None = every row is kept.
        columns: Table column by result column; by default their names are the same. Others are not saved.
        types: SQL type by result column; TEXT by default.
        null: Text that is saved as NULL.
        on_duplicate: Which row of one key wins: the `last` in the input, the `first`, or none: `fail` ends the run.
    """

    name: str
    key: str | Sequence[str] | None = None
    columns: Mapping[str, str] | None = None
    types: Mapping[str, str] = {}
    null: str | None = None
    on_duplicate: Literal["last", "first", "fail"] = "last"

    def __post_init__(self) -> None:
        if not self.name or "\x00" in self.name:
            raise ConfigurationError("Table(name=…) must not be empty")
        if self.on_duplicate not in ("last", "first", "fail"):
            raise ConfigurationError(f"Table(on_duplicate={self.on_duplicate!r}) is none of last, first, fail")
        for key in self.keys:
            if self.columns is not None and key not in self.columns:
                raise ConfigurationError(f"Table: the key {key!r} is not among its columns")

    @property
    def keys(self) -> tuple[str, ...]:
        """The key's columns, empty without a key."""
        if self.key is None:
            return ()
        return (self.key,) if isinstance(self.key, str) else tuple(self.key)


class Context:
    """What a function may know about the row that it is given.

    Attributes:
        ordinal: 0-based place in the input, header not counted.
        params: The run's `--param NAME=VALUE`.
        setup: What `@job.setup` returned or yielded.
        now: When the run was first started; the same on every retry.
    """

    __slots__ = ("_dice", "_dice_of", "_line_of", "_namespace", "now", "ordinal", "params", "setup")

    def __init__(
        self,
        *,
        ordinal: int,
        namespace: UUID,
        params: Mapping[str, str],
        now: datetime,
        setup: Any = None,
        line_of: Callable[[int], int] = lambda ordinal: ordinal + 1,
    ) -> None:
        self.ordinal = ordinal
        self.params = params
        self.setup = setup
        self.now = now
        self._namespace = namespace
        self._line_of = line_of
        self._dice_of = -1

    @property
    def line_no(self) -> int:
        """The physical line of the input on which the row starts, 1-based."""
        return self._line_of(self.ordinal)

    def stable_id(self, name: str = "") -> str:
        """Return a UUID that is the same on every retry, path, table and upload of the same content.

        Args:
            name: Tells several ids of one row apart.

        Source: UUIDv5 of job name, input digest, ordinal and name (RFC 9562).
        """
        return str(uuid5(self._namespace, f"{self.ordinal}/{name}"))

    @property
    def random(self) -> random.Random:
        """Dice seeded by the row: the same throws on every retry."""
        if self._dice_of != self.ordinal:
            self._dice_of = self.ordinal
            self._dice = random.Random(self.stable_id("random"))  # noqa: S311 - repeatable work, not secrets
        return self._dice


ROW, CHUNK, PROGRAM = "row", "chunk", "program"


class Job:
    """What is read, what is done with each row, and where results go.

    Args:
        name: Part of the run's identity and of every stable id.
        reads: The input's format.
        writes: The output's format; by default that of the input, with all columns of the results.
        table: Where results are saved as well, or None.
        process: An `Exec`, in place of a decorated function.
        rows_per_partition: The job's own default; None = by size.
        concurrency: For `async def`: rows in flight per worker.
        rejects: `stop`, a number of rows, a share as `0.5%`, or `hold`: the job's own default.
        on_error: `reject` turns an exception of the function into a reject; by default it ends the run.
        tries: How often a row is tried that raises `TransientError`.
        totals: Columns of the input whose exact sums are reported by outcome.
        sensitive: Columns of the input that no view, reason or message shows; the rejects file does.
    """

    def __init__(
        self,
        name: str,
        *,
        reads: Format | None = None,
        writes: Format | None = None,
        table: Table | None = None,
        process: Exec | None = None,
        rows_per_partition: int | None = None,
        concurrency: int = 1,
        rejects: str = "stop",
        on_error: Literal["stop", "reject"] = "stop",
        tries: int = 5,
        totals: Sequence[str] = (),
        sensitive: Sequence[str] = (),
    ) -> None:
        if not name or "/" in name or not name.isprintable():
            raise ConfigurationError(f"Job name {name!r} must be printable text without a slash")
        numbers = {"concurrency": concurrency, "tries": tries, "rows_per_partition": rows_per_partition}
        for what, number in numbers.items():
            if number is not None and number < 1:
                raise ConfigurationError(f"Job({what}={number}) must be at least 1")
        if on_error not in ("stop", "reject"):
            raise ConfigurationError(f"Job(on_error={on_error!r}) is neither stop nor reject")
        parse_budget(rejects)
        self.name = name
        self.reads: Format = reads if reads is not None else Csv()
        self.writes: Format = writes if writes is not None else _same_kind(self.reads)
        if not cuts_by_bytes(self.writes.encoding):
            raise ConfigurationError(
                f"results cannot be written as {self.writes.encoding}: parts in it cannot be joined",
                hint="declare encoding='utf-8' for the output",
            )
        if isinstance(self.writes, Csv) and self.writes.trailer is not None:
            raise ConfigurationError("an output has no trailer", hint="leave Csv(trailer=…) out of Job(writes=…)")
        self.table = table
        self.rows_per_partition = rows_per_partition
        self.concurrency = concurrency
        self.rejects = rejects
        self.on_error = on_error
        self.tries = tries
        self.totals = tuple(totals)
        self.sensitive = tuple(sensitive)
        self.kind = ROW
        self.function: Callable[..., Any] | Exec | None = None
        self.setup_function: Callable[..., Any] | None = None
        if process is not None:
            self.kind, self.function = PROGRAM, process

    def process(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make `function(row)` or `function(row, ctx)` what is done with each row; it stays plainly callable."""
        self._take(ROW, function)
        return function

    def process_chunk(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make `function(rows, ctxs)` what is done with rows together; it returns one result per row, in place."""
        self._take(CHUNK, function)
        return function

    def setup(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Run `function()` or `function(params)` once per worker; its value, or what it yields, is `ctx.setup`."""
        self.setup_function = function
        return function

    def _take(self, kind: str, function: Callable[..., Any]) -> None:
        if self.function is not None:
            raise ConfigurationError(f"the job {self.name!r} has two functions", hint="one job, one function per row")
        self.kind, self.function = kind, function

    @property
    def row_type(self) -> Any:
        """What the function gets for a row: the annotation of its first parameter; dict, list or str by default."""
        if not callable(self.function) or inspect.isclass(self.function):
            return None
        first = next(iter(inspect.signature(self.function).parameters.values()), None)
        if first is None:
            raise ConfigurationError("the function takes no row", hint="write def f(row) or def f(row, ctx)")
        kind = _hints(self.function).get(first.name)
        return next(iter(get_args(kind)), None) if self.kind == CHUNK else kind

    @property
    def takes_context(self) -> bool:
        """Whether the function has a second parameter."""
        if not callable(self.function) or inspect.isclass(self.function):
            return False  # a class takes the row alone, and some have no signature to look at
        return len(inspect.signature(self.function).parameters) > 1


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations; one that cannot be resolved is a mistake that is told."""
    try:
        return inspect.get_annotations(function, eval_str=True)
    except NameError as error:
        raise ConfigurationError(f"an annotation of {function.__name__} cannot be resolved: {error}") from None


def _same_kind(reads: Format) -> Format:
    """Return the format of results where none is declared: that of the input, with its dialect."""
    encoding = reads.encoding if cuts_by_bytes(reads.encoding) else "utf-8"
    if isinstance(reads, Csv):
        return Csv(
            delimiter=reads.delimiter,
            quote=reads.quote,
            header=reads.header,
            line_end=reads.line_end,
            encoding=encoding,
        )
    return reads if encoding == reads.encoding else msgspec.structs.replace(reads, encoding=encoding)  # type: ignore[type-var]
