"""Requests that write, and what their answers acknowledge. Pure."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from rowmill.model.capacity import write_units
from rowmill.tables.dynamodb.refusals import is_passing, is_throttled, refusal, throttled, unreached

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rowmill.errors import RowmillError

MOST_PUTS = 25
MOST_BODY_BYTES = 16 * 1024 * 1024
BEFORE, BETWEEN, AFTER = b'[{"PutRequest":{"Item":', b'}},{"PutRequest":{"Item":', b"}}]}}"
ALL_DONE = b'{"UnprocessedItems":{}}'
OK, SERVER_TROUBLE = 200, 500

Item = tuple[bytes, int]
"""An item's JSON, and its write units."""


class Answer(NamedTuple):
    """An answer as it came.

    Attributes:
        status: Of HTTP; 0 if there was none: the connection was cut, and what became of the request is not known.
        body: All of it.
        crc32: Of the body, as the server says; empty if it does not.
        request_id: By which AWS finds the request.
        trouble: Why there was none.
    """

    status: int
    body: bytes = b""
    crc32: str = ""
    request_id: str = ""
    trouble: str = ""


class Verdict(NamedTuple):
    """What an answer comes to.

    Attributes:
        acknowledged: Items that are written.
        again: Items to be sent once more.
        throttled: Part of the request that was refused since there were too many, 0 to 1.
        unknown: Whether items to be sent again may be written already, and have taken units.
        error: Why they are not written; it ends the work unless trying again may help.
        final: Whether it does not.
    """

    acknowledged: int
    again: Sequence[Item] = ()
    throttled: float = 0.0
    unknown: bool = False
    error: RowmillError | None = None
    final: bool = False


class _Put(msgspec.Struct, frozen=True):
    item: msgspec.Raw = msgspec.field(name="Item")


class _Request(msgspec.Struct, frozen=True):
    put: _Put = msgspec.field(name="PutRequest")


class _Done(msgspec.Struct, frozen=True):
    unprocessed: dict[str, list[_Request]] = msgspec.field(name="UnprocessedItems")


class _Refused(msgspec.Struct, frozen=True):
    code: str = msgspec.field(name="__type", default="")
    message: str = ""
    other_message: str = msgspec.field(name="Message", default="")


_done = msgspec.json.Decoder(_Done)
_refused = msgspec.json.Decoder(_Refused)


def groups(items: Sequence[Item], *, most_bytes: int = MOST_BODY_BYTES) -> Iterator[Sequence[Item]]:
    """Yield items in groups that one request takes: 25, and 16 MB of JSON."""
    for low in range(0, len(items), MOST_PUTS):
        group = items[low : low + MOST_PUTS]
        if body_bytes(group) <= most_bytes:
            yield group
            continue
        small: list[Item] = []
        for item in group:
            if small and body_bytes([*small, item]) > most_bytes:
                yield small
                small = []
            small.append(item)
        yield small


def bytes_of(items: Sequence[Item]) -> int:
    """Return how long items are together, as JSON."""
    return sum([len(item) for item, _ in items])


def body_bytes(items: Sequence[Item]) -> int:
    """Return how long a request's body is at most."""
    return bytes_of(items) + len(BETWEEN) * len(items) + 1000  # 1000: a table's name, and more


def body_of(table: str, items: Sequence[Item]) -> bytes:
    """Return the body of a BatchWriteItem."""
    head = b'{"RequestItems":{' + msgspec.json.encode(table) + b":" + BEFORE
    return head + BETWEEN.join([item for item, _ in items]) + AFTER


def verdict(table: str, sent: Sequence[Item], answer: Answer) -> Verdict:
    """Return which items an answer acknowledges: none but those that it says are written."""
    if answer.status == OK:
        return _verdict_of_done(table, sent, answer)
    if answer.status == 0:
        return Verdict(0, sent, unknown=True, error=unreached(table, answer.trouble))
    try:
        told = _refused.decode(answer.body)
    except msgspec.MsgspecError:
        told = _Refused()
    code = told.code.rpartition("#")[2]
    error = refusal(table, answer.status, code, told.message or told.other_message, answer.request_id)
    if is_passing(answer.status, code):
        slower = is_throttled(code) or answer.status >= SERVER_TROUBLE
        return Verdict(0, sent, float(slower), unknown=not is_throttled(code), error=error)
    return Verdict(0, sent, error=error, final=True)


def _verdict_of_done(table: str, sent: Sequence[Item], answer: Answer) -> Verdict:
    if answer.crc32 and answer.crc32 != str(zlib.crc32(answer.body)):
        return Verdict(0, sent, unknown=True, error=unreached(table, "an answer was damaged on its way"))
    if answer.body == ALL_DONE:
        return Verdict(len(sent))
    try:
        left = [request.put.item for requests in _done.decode(answer.body).unprocessed.values() for request in requests]
    except msgspec.MsgspecError:
        return Verdict(0, sent, unknown=True, error=unreached(table, "an answer is not DynamoDB's"))
    if len(left) > len(sent):
        return Verdict(0, sent, unknown=True, error=unreached(table, "an answer gave back more than was sent"))
    units = dict(sent)
    again = [(item, units.get(item) or write_units(len(item))) for item in map(bytes, left)]
    return Verdict(len(sent) - len(again), again, len(again) / len(sent), error=throttled(table) if again else None)
