"""An object of a store read by range: a block at a time, and the next one ahead while reading goes on in sequence."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple

from rowmill.storage.ahead import started

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.storage import Stat

FIRST_BYTES, BLOCK_BYTES = 1024 * 1024, 8 * 1024 * 1024
KEPT_BLOCKS = 4


class Block(NamedTuple):
    """Bytes that are, or will be, held.

    Attributes:
        before: How many bytes were read in sequence up to its start.
    """

    start: int
    end: int
    before: int
    data: Future[bytes]


def block_end(start: int, before: int, size: int) -> int:
    """Return where a block that begins at `start` ends: as long as what was read before it, within borders of 8 MiB.

    So a partition of a megabyte costs no eight, and threads that read neighbouring blocks of 8 MiB share none.
    """
    length = max(FIRST_BYTES, min(BLOCK_BYTES, before))
    return min(size, start + length, (start // BLOCK_BYTES + 1) * BLOCK_BYTES)


class RangeReader:
    """An open object; several threads may read different places of it.

    Cost: memory for `KEPT_BLOCKS` blocks of 8 MiB, and one for each thread.
    """

    def __init__(self, stat: Stat, fetch_range: Callable[[int, int], bytes]) -> None:
        self.stat = stat
        self._fetch = fetch_range
        self._blocks: list[Block] = []  # the latest last
        self._lock = threading.Lock()
        self._own = threading.local()  # a thread's block stays, whatever others read

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end)."""
        end = min(end, self.stat.bytes)
        parts = []
        while start < end:
            block = self._block_at(start)
            data = self._own.data = block.data.result()
            parts.append(data[start - block.start : end - block.start])
            start = min(end, block.end)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _block_at(self, at: int) -> Block:
        own: Block | None = getattr(self._own, "block", None)
        if own is not None and own.start <= at < own.end:
            return own
        with self._lock:
            block, mine = self._found(at, own)
            following = None
            if block.before >= BLOCK_BYTES and block.end < self.stat.bytes:
                following, is_new = self._found(block.end, block)
                following = following if is_new else None
        if following is not None:
            self._fill_in_background(following)
        if mine:
            self._fill(block)
        self._own.block = block
        return block

    def _found(self, at: int, own: Block | None) -> tuple[Block, bool]:
        """Return the block that has the byte `at`, and whether it is a new one, which the caller must fill."""
        for block in reversed(self._blocks):
            if block.start <= at < block.end:
                return block, False
        known = self._blocks if own is None else [*self._blocks, own]
        before = max((one.before + one.end - one.start for one in known if one.end == at), default=0)
        block = Block(at, block_end(at, before, self.stat.bytes), before, Future())
        self._blocks = [*self._blocks[1 - KEPT_BLOCKS :], block]
        return block, True

    def _fill_in_background(self, block: Block) -> None:
        started(lambda: self._fill(block))

    def _fill(self, block: Block) -> None:
        try:
            block.data.set_result(self._fetch(block.start, block.end))
        except BaseException as error:  # noqa: BLE001 - it is raised where the block is read
            with self._lock:
                self._blocks = [one for one in self._blocks if one is not block]
            block.data.set_exception(error)
