"""A strict DynamoDB in memory that fails on purpose: JSON 1.0 over HTTP on the loopback address.

```python
with DynamoStub(faults=Faults(throttle=0.3, unprocessed=0.5)) as stub:
    stub.create("Orders", {"id": "S"})
    os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = stub.url
```
The server is a thread of the caller, whose items and counts can be looked at. `in_own_process` starts it apart, so that
a measured process does not pay for it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from rowmill.testing.dynamodb_operations import Counts, Faults, Operations
from rowmill.testing.dynamodb_store import Item, Key, KeyPart, Refusal, StubTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Counts", "DynamoStub", "Faults", "in_own_process"]

HOST = "127.0.0.1"
WAIT_S = 20
MOST_BODY_BYTES = 16 * 1024 * 1024
STATUS = {"InternalServerError": 500, "RequestEntityTooLarge": 413}  # all others: 400
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed is reset, not ended in good order


class Reply(NamedTuple):
    """What goes back over the wire; a reset instead, or halfway, if `cut`."""

    data: bytes
    cut: bool = False


def reply(status: int, body: bytes, request: int) -> bytes:
    """Return an answer as bytes."""
    reason = {200: "OK", 400: "Bad Request", 413: "Payload Too Large", 500: "Internal Server Error"}[status]
    return (
        f"HTTP/1.1 {status} {reason}\r\nServer: stub\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(body)}\r\nConnection: keep-alive\r\nx-amzn-RequestId: STUB{request:012}\r\n"
        f"x-amz-crc32: {zlib.crc32(body)}\r\n\r\n"
    ).encode() + body


class Speaking:
    """Turns requests into answers."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._numbers = itertools.count(1)

    def answer(self, head: bytes, body: bytes) -> Reply:
        """Return the answer to one request."""
        number = next(self._numbers)
        try:
            found = self._operations.do(operation_of(headers_of(head), body), msgspec.json.decode(body))
        except Refusal as refusal:
            told = {"__type": f"com.amazonaws.dynamodb.v20120810#{refusal.code}", "message": refusal.message}
            return Reply(reply(STATUS.get(refusal.code, 400), msgspec.json.encode(told), number))
        except msgspec.DecodeError:
            told = {"__type": "com.amazon.coral.service#SerializationException"}
            return Reply(reply(400, msgspec.json.encode(told), number))
        if found is None:
            return Reply(b"", cut=True)
        return Reply(reply(200, msgspec.json.encode(found), number))


def operation_of(headers: Mapping[str, str], body: bytes) -> str:
    """Return the operation that a request asks for, if it is signed, not too large, and for DynamoDB."""
    if "aws4-hmac-sha256" not in headers.get("authorization", "").lower():
        raise Refusal("MissingAuthenticationTokenException", "Request must contain a signature")
    if len(body) > MOST_BODY_BYTES:
        raise Refusal("RequestEntityTooLarge", "")
    service, _, operation = headers.get("x-amz-target", "").partition(".")
    if service != "DynamoDB_20120810":
        raise Refusal("UnknownOperationException", "")
    return operation


def headers_of(head: bytes) -> dict[str, str]:
    """Return a request's headers by their names in small letters."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


class AnsweringOnly:
    """Says at once that all is written, and keeps nothing: for measuring the writer and not the server."""

    def __init__(self) -> None:
        self._done = Reply(reply(200, b'{"UnprocessedItems":{}}', 1))

    def answer(self, head: bytes, body: bytes) -> Reply:
        """Return the one answer."""
        del head, body
        return self._done


class Connection(asyncio.Protocol):
    """One connection: collects requests, answers each in turn, after the latency."""

    def __init__(self, speaking: Speaking | AnsweringOnly, latency_s: float, open_ones: set[Connection]) -> None:
        self._speaking = speaking
        self._latency_s = latency_s
        self._open = open_ones
        self._data = bytearray()
        self._needed = 0  # bytes of the request under way, head and body; 0 = not known yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way back."""
        self.transport: Any = transport
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        del exc
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        self._data += data
        while self._data:
            if not self._needed:
                end = self._data.find(b"\r\n\r\n")
                if end < 0:
                    return
                self._head = bytes(self._data[:end])
                self._needed = end + 4 + length_of(self._head)
            if len(self._data) < self._needed:
                return
            body = bytes(memoryview(self._data)[len(self._head) + 4 : self._needed])
            del self._data[: self._needed]
            self._needed = 0
            self._send(self._speaking.answer(self._head, body))

    def _send(self, found: Reply) -> None:
        if self._latency_s:
            asyncio.get_running_loop().call_later(self._latency_s, self._send_now, found)
        else:
            self._send_now(found)

    def _send_now(self, found: Reply) -> None:
        if found.cut:
            with suppress(OSError):
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            self.transport.abort()
        else:
            self.transport.write(found.data)


def length_of(head: bytes) -> int:
    """Return a body's length as its head tells it."""
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


class DynamoStub:
    """The server, as a thread.

    Args:
        faults: What goes wrong, and how often.
        latency_s: How long each answer takes.
        answers_only: Say at once that all is written, look at nothing, keep nothing.
        page_items: Items in a page of a scan.
    """

    def __init__(
        self,
        faults: Faults | None = None,
        latency_s: float = 0.0,
        answers_only: bool = False,
        page_items: int = 1000,
    ) -> None:
        self._operations = Operations(faults or Faults(), page_items)
        self._speaking = AnsweringOnly() if answers_only else Speaking(self._operations)
        self._latency_s = latency_s
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="dynamodb-stub", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(WAIT_S):
            raise RuntimeError("the stub did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT_S)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connections: set[Connection] = set()
        server = await self._loop.create_server(
            lambda: Connection(self._speaking, self._latency_s, connections), HOST, 0, backlog=512
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for connection in list(connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # the aborted ones close their sockets

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    @property
    def counts(self) -> Counts:
        """What was asked and answered so far."""
        return self._operations.counts

    @property
    def faults(self) -> Faults:
        """What goes wrong from now on; may be set."""
        return self._operations.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        """Let other things go wrong from now on."""
        self._operations.faults = faults
        self._operations.dice = random.Random(faults.seed)  # noqa: S311 - not for secrets

    def create(self, name: str, key: Mapping[str, str]) -> None:
        """Make a table: the type of its hash key, and of its range key if there is one, by name."""
        self._operations.tables[name] = StubTable(name, tuple(KeyPart(*part) for part in key.items()))

    def items(self, name: str) -> dict[Key, Item]:
        """Return a table's items by key: a string, bytes as base64, or a Decimal for each part of it."""
        return self._operations.tables[name].items


@contextmanager
def in_own_process(
    *, answers_only: bool = False, latency_s: float = 0.0, table: str = "", key: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Start the server in a process of its own; give its URL."""
    words = [sys.executable, "-m", "rowmill.testing.dynamodb_stub", "--latency-s", str(latency_s)]
    words += ["--answers-only"] * answers_only + (["--table", table] if table else [])
    words += [word for name, kind in (key or {}).items() for word in ("--key", f"{name}={kind}")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


def main() -> None:
    """Serve until SIGTERM; tell the URL on standard output."""
    parser = argparse.ArgumentParser(description="Serve a DynamoDB stub on the loopback address until SIGTERM.")
    parser.add_argument("--answers-only", action="store_true", help="keep nothing")
    parser.add_argument("--latency-s", type=float, default=0.0, help="of each answer")
    parser.add_argument("--table", help="a table that is there from the start")
    parser.add_argument("--key", action="append", default=[], help="its hash key, then its range key: NAME=TYPE")
    given = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # before the thread, which inherits it
    with DynamoStub(latency_s=given.latency_s, answers_only=given.answers_only) as stub:
        if given.table:
            stub.create(given.table, dict(part.rsplit("=", 1) for part in given.key))
        sys.stdout.write(f"{stub.url}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
