"""The server on its port: HTTP/1.1, connections that stay, streams in chunks."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from rowmill.devcloud.kubernetes import answers, faults, handling, requests
from rowmill.devcloud.kubernetes.answering import Answer, Api, refused
from rowmill.devcloud.kubernetes.watching import encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.devcloud.kubernetes.requests import Request

HOST = "127.0.0.1"
QUEUE = 256


class Server(ThreadingHTTPServer):
    """A server whose requests have a thread each, and end with it."""

    daemon_threads = True
    request_queue_size = QUEUE
    allow_reuse_address = True

    def __init__(self, port: int, rules: faults.Rules) -> None:
        super().__init__((HOST, port), Handler)
        self.rules, self.open, self.guard = rules, set[socket.socket](), threading.Lock()
        self.api: Api  # set before the first request: it has the port

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember a connection, so that it can be closed."""
        with self.guard:
            self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that is over."""
        with self.guard:
            self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a client has gone away; that is its right."""

    def close_all(self) -> None:
        """Close every connection."""
        with self.guard:
            for connection in list(self.open):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection; each request is read, answered by `handling`, and written."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_words: Any) -> None:
        """Log nothing."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self._chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self.rfile.read(length)
        headers = {name.lower(): ",".join(self.headers.get_all(name, [])) for name in self.headers}
        request = requests.request_of(self.command, self.path, headers, body)
        fault = self.server.rules.for_request(request)
        if fault is not None and not fault.after:
            self._end(fault, lambda: None)
            return
        answer = self._answer(request)
        if fault is not None and fault.cut is None:
            self._end(fault, lambda: _drain(answer))
            return
        self._write(answer, fault)

    def _answer(self, request: Request) -> Answer:
        try:
            return handling.answer(self.server.api, request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client must hear of it
            why = f"Internal error occurred: {type(error).__name__}: {error}"
            return refused(answers.Refusal(500, "InternalError", why))

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _end(self, fault: faults.Fault, act: Any) -> None:
        """Answer as a fault wants it, or not at all."""
        act()
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            self.close_connection = True
            self.connection.close()
            return
        self._write(refused(faults.refusal(fault)))

    def _write(self, answer: Answer, fault: faults.Fault | None = None) -> None:
        body = b"" if answer.stream else answer.body if isinstance(answer.body, bytes) else encode(answer.body)
        self.send_response_only(answer.status, _phrase(answer.status))
        self.send_header("Content-Type", answer.media)
        for text in answer.warnings:
            self.send_header("Warning", f"299 - {json.dumps(text)}")
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.stream is not None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._stream(answer.stream if fault is None else faults.cut(answer.stream, fault))
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _stream(self, lines: Iterator[bytes | None]) -> None:
        """Send pieces as they come; an empty one asks whether anybody is still there, None breaks off."""
        self.wfile.flush()
        for line in lines:
            if line is None:
                self.close_connection = True
                return
            if not line:
                if self._is_left():
                    return
                continue
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _is_left(self) -> bool:
        """Whether the client has closed its side."""
        self.connection.setblocking(False)
        try:
            gone = not self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        finally:
            self.connection.setblocking(True)
        self.close_connection = self.close_connection or gone
        return gone

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815 - http.server's names


def _drain(answer: Answer) -> None:
    if answer.stream is not None:
        answer.stream.close() if hasattr(answer.stream, "close") else None


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
