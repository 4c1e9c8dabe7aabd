"""Loopback proxies that spoil what passes through them, by a rule or by seeded dice.

```python
with HttpProxy("127.0.0.1:9000", dice(7, cut=0.3, busy=0.1)) as proxy:
    os.environ["AWS_ENDPOINT_URL_S3"] = proxy.url
```
`HttpProxy` knows requests: it can cut an answer's body, answer in the server's place, or lose the answer to a request
that was carried out. `TcpProxy` knows bytes only, for PostgreSQL and Valkey: it cuts connections.
"""

from __future__ import annotations

import os
import random
import socket
import socketserver
import struct
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable

HOP_BY_HOP = {"connection", "keep-alive", "expect", "transfer-encoding", "content-length", "proxy-connection"}
PASSED_BYTES = 64 * 1024
BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Request(NamedTuple):
    """A request on its way to the server.

    Attributes:
        number: How many came before it.
        headers: With names in small letters.
    """

    number: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Fault(NamedTuple):
    """What goes wrong with a request; by default nothing.

    Attributes:
        after_s: How long it waits before it goes on to the server.
        status, body: What is answered in the server's place, which never sees the request; 0 = the server answers.
        cut_at: After how many bytes of the answer's body the connection is reset.
        lost: The server carries the request out, and the connection is reset before the answer.
    """

    after_s: float = 0.0
    status: int = 0
    body: bytes = b""
    cut_at: int | None = None
    lost: bool = False


def dice(
    seed: int,
    *,
    cut: float = 0.0,
    busy: float = 0.0,
    broken: float = 0.0,
    lost: float = 0.0,
    most_bytes: int = 8 << 20,
) -> Callable[[Request], Fault]:
    """Return a rule that spoils these shares of requests: cut bodies, 503, 500, lost answers.

    The n-th request fares the same for the same seed.
    """

    def rule(request: Request) -> Fault:
        thrown = random.Random(f"{seed} {request.number}")  # noqa: S311 - no secret
        at = thrown.random()
        faults = (
            (busy, Fault(status=503, body=BUSY)),
            (broken, Fault(status=500, body=BUSY.replace(b"SlowDown", b"InternalError"))),
            (lost, Fault(lost=True)),
            (cut, Fault(cut_at=thrown.randrange(most_bytes))),
        )
        for share, fault in faults:
            if at < share:
                return fault
            at -= share
        return Fault()

    return rule


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, handler: Callable[..., socketserver.BaseRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: cut connections are what this is for."""


class HttpProxy:
    """An HTTP/1.1 proxy for one server.

    Args:
        upstream: `host:port` of the server.
        rule: Decides what goes wrong with a request; may be replaced while the proxy runs.

    Attributes:
        requests: What came so far.
    """

    def __init__(self, upstream: str, rule: Callable[[Request], Fault] = lambda _: Fault()) -> None:
        self.upstream = upstream
        self.rule = rule
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._server = _Server(lambda *words: _Exchange(self, *words))
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def noted(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[Request, Fault]:
        """Number a request, and decide about it."""
        with self._lock:
            request = Request(len(self.requests), method, target, headers, body)
            self.requests.append(request)
        return request, self.rule(request)


class _Exchange(BaseHTTPRequestHandler):
    """Requests and answers of one connection."""

    protocol_version = "HTTP/1.1"

    def __init__(self, proxy: HttpProxy, *words: object) -> None:
        self._proxy = proxy
        super().__init__(*words)  # type: ignore[arg-type]

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request, fault = self._proxy.noted(self.command, self.path, headers, body)
        time.sleep(fault.after_s)
        if fault.status:
            self._answer(fault.status, [("Content-Type", "application/xml")], fault.body, None)
            return
        try:
            status, sent, answer = self._asked(request)
        except (OSError, HTTPException):
            self._reset()
            return
        if fault.lost:
            self._reset()
        else:
            self._answer(status, sent, answer, fault.cut_at)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815 - the library's names

    def _asked(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        server = HTTPConnection(self._proxy.upstream)
        try:
            server.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    server.putheader(name, value)
            server.putheader("Content-Length", str(len(request.body)))
            server.endheaders(request.body)
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            server.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, cut_at: int | None) -> None:
        self.send_response_only(status)
        length = str(len(body))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value  # of a HEAD: that of the body which is not sent
            elif name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if cut_at is not None and cut_at < len(body):
            self.wfile.write(body[:cut_at])
            self.wfile.flush()
            self._reset()
            return
        self.wfile.write(body)

    def _reset(self) -> None:
        self.close_connection = True
        reset(self.connection)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class TcpProxy:
    """A proxy for any protocol, which cuts connections.

    Args:
        upstream: `host:port` of the server.
        most_bytes: A connection is reset after fewer bytes from the server than this; None = only by `cut`.
        seed: Of the dice that choose the number.
    """

    def __init__(self, upstream: str, *, most_bytes: int | None = None, seed: int = 0) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._most_bytes = most_bytes
        self._dice = random.Random(seed)  # noqa: S311 - no secret
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server = _Server(lambda *words: _Tunnel(self, *words))
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._server.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.cut()

    def cut(self) -> None:
        """Reset all connections that are open."""
        with self._lock:
            for one in self._open:
                reset(one)
            self._open.clear()

    def joined(self, client: socket.socket) -> tuple[socket.socket, int | None]:
        """Open a connection to the server for a client's; return it, and after how many bytes it is to be cut."""
        server = socket.create_connection(self._upstream)
        with self._lock:
            self._open |= {client, server}
            return server, None if self._most_bytes is None else self._dice.randrange(self._most_bytes)

    def end_one_way(self, target: socket.socket) -> None:
        """Pass a good end on; one that `cut` has made is none."""
        with self._lock:
            if target in self._open:
                with suppress(OSError):
                    target.shutdown(socket.SHUT_WR)

    def ended(self, *ends: socket.socket) -> None:
        """Forget a pair of connections."""
        with self._lock:
            self._open -= set(ends)
        for one in ends:
            reset(one)


class _Tunnel(socketserver.BaseRequestHandler):
    """One connection, both ways."""

    def __init__(self, proxy: TcpProxy, *words: object) -> None:
        self._proxy = proxy
        super().__init__(*words)  # type: ignore[arg-type]

    def handle(self) -> None:
        """Carry bytes until an end closes or the proxy cuts."""
        server, left = self._proxy.joined(self.request)
        up = threading.Thread(target=self._carry, args=(self.request, server, None), daemon=True)
        up.start()
        if self._carry(server, self.request, left):
            up.join()
        self._proxy.ended(self.request, server)

    def _carry(self, source: socket.socket, target: socket.socket, left: int | None) -> bool:
        """Carry bytes one way; return whether the source ended them, and not the number that was left."""
        with suppress(OSError):
            while data := source.recv(PASSED_BYTES):
                if left is not None and len(data) > left:
                    target.sendall(data[:left])
                    return False
                left = None if left is None else left - len(data)
                target.sendall(data)
            self._proxy.end_one_way(target)
        return True


def reset(connection: socket.socket) -> None:
    """End a connection as a crash does: with a reset, not in good order."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)  # wakes a thread that waits for it, and sends nothing
    with suppress(OSError):
        os.close(connection.detach())  # at once, though files of the connection are still open
