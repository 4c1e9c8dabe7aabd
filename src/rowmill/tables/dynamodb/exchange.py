"""The little of HTTP/1.1 that one POST after another over one connection needs. Pure, but for `exchange`.

Why not a library: urllib3 and http.client take 250 µs of processor time for a request and its answer, this takes 40.
Connecting, with TLS and by a proxy, is http.client's; see `transport`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

READ_BYTES = 65_536
MOST_HEAD_BYTES = 65_536
MOST_BODY_BYTES = 64 * 1024 * 1024
LINE_END, HEAD_END = b"\r\n", b"\r\n\r\n"
FIRST_FINAL = 200


class Malformed(Exception):  # noqa: N818 - it is told as a cut
    """What came is not an answer, or not the whole of one."""


class Head(NamedTuple):
    """What stands before an answer's body.

    Attributes:
        status: Of HTTP.
        headers: By their names in small letters.
    """

    status: int
    headers: Mapping[str, str]

    @property
    def closes(self) -> bool:
        """Whether the connection ends with the answer."""
        return self.headers.get("connection", "").lower() == "close"


def request_bytes(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a POST as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


def parse_head(data: bytes) -> Head:
    """Return an answer's head.

    Raises:
        Malformed: It is none.
    """
    first, *lines = data.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise Malformed("no status line")
    pairs = (line.partition(":") for line in lines)
    return Head(int(rest[:3]), {name.lower(): value.strip() for name, _, value in pairs})


def exchange(connection: socket.socket, request: bytes) -> tuple[Head, bytes]:
    """Send a request, and return the answer: all of it.

    Raises:
        Malformed: The answer is not one, or ends too soon.
        OSError: The connection is cut, or silent for too long.
    """
    connection.sendall(request)
    data = b""
    while True:
        data = more_until(connection, data, HEAD_END, MOST_HEAD_BYTES)
        head_bytes, _, data = data.partition(HEAD_END)
        head = parse_head(head_bytes)
        if head.status >= FIRST_FINAL:  # else it only says that there will be an answer
            break
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        return head, unchunked(connection, data)
    length = head.headers.get("content-length", "")
    if not length.isdigit() or int(length) > MOST_BODY_BYTES:
        raise Malformed("no length")
    data = more(connection, data, int(length))
    if len(data) != int(length):
        raise Malformed("more than the answer")
    return head, data


def unchunked(connection: socket.socket, data: bytes) -> bytes:
    """Return a body that comes in chunks, each with its length before it."""
    body = b""
    while True:
        data = more_until(connection, data, LINE_END, READ_BYTES)
        line, _, data = data.partition(LINE_END)
        try:
            length = int(line.partition(b";")[0], 16)
        except ValueError:
            raise Malformed("no chunk") from None
        if not 0 <= length <= MOST_BODY_BYTES - len(body):
            raise Malformed("too long")
        if not length:
            break
        data = more(connection, data, length + len(LINE_END))
        body, data = body + data[:length], data[length + len(LINE_END) :]
    while True:  # trailers, and an empty line
        data = more_until(connection, data, LINE_END, READ_BYTES)
        line, _, data = data.partition(LINE_END)
        if not line:
            break
    if data:
        raise Malformed("more than the answer")
    return body


def more_until(connection: socket.socket, data: bytes, mark: bytes, most_bytes: int) -> bytes:
    """Read on until a mark has come."""
    return _read(connection, data, lambda so_far: mark in so_far, most_bytes)


def more(connection: socket.socket, data: bytes, length: int) -> bytes:
    """Read on until there are so many bytes."""
    return _read(connection, data, lambda so_far: len(so_far) >= length, MOST_BODY_BYTES + READ_BYTES)


def _read(connection: socket.socket, data: bytes, is_enough: Callable[[bytes], bool], most_bytes: int) -> bytes:
    while not is_enough(data):
        piece = connection.recv(READ_BYTES)
        if not piece:
            raise Malformed("cut")
        data += piece
        if len(data) > most_bytes + READ_BYTES:
            raise Malformed("too long")
    return data
