"""The proxies do what they are told, and nothing else."""

from __future__ import annotations

import http.client
import socket
import socketserver
import threading
from contextlib import suppress

import pytest

from rowmill.testing.proxy import Fault, HttpProxy, Request, TcpProxy, dice

HANG_S = 30
ASKED = Request(0, "GET", "/", {}, b"")


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        with suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


@pytest.fixture
def echo():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def connected(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=HANG_S)


def received(connection: socket.socket, wanted: int) -> int:
    count = 0
    with suppress(ConnectionResetError):
        while count < wanted and (data := connection.recv(65536)):
            count += len(data)
    return count


def test_bytes_pass_both_ways_and_a_good_end_too(echo):
    with TcpProxy(echo) as proxy, connected(proxy) as one:
        one.sendall(b"x" * 100_000)
        assert received(one, 100_000) == 100_000
        one.shutdown(socket.SHUT_WR)
        assert one.recv(1) == b""


def test_a_cut_resets_all_connections_and_new_ones_pass(echo):
    with TcpProxy(echo) as proxy:
        with connected(proxy) as one, connected(proxy) as other:
            for each in (one, other):
                each.sendall(b"x")
                assert each.recv(1) == b"x"
            proxy.cut()
            for each in (one, other):
                with pytest.raises(ConnectionResetError):
                    each.recv(1)
        with connected(proxy) as new:
            new.sendall(b"y")
            assert new.recv(1) == b"y"


def test_seeded_connections_are_cut_after_the_same_numbers_of_bytes(echo):
    def cuts(seed):
        with TcpProxy(echo, most_bytes=5000, seed=seed) as proxy:
            found = []
            for _ in range(5):
                with connected(proxy) as one:
                    with suppress(OSError):
                        one.sendall(b"x" * 10_000)
                    found.append(received(one, 10_000))
            return found

    assert cuts(1) == cuts(1) != cuts(2)
    assert all(count < 5000 for count in cuts(1))


def test_the_dice_fall_the_same_for_the_same_seed_and_about_as_often_as_asked():
    rules = [dice(4, cut=0.2, busy=0.1, broken=0.1, lost=0.1) for _ in range(2)]
    requests = [ASKED._replace(number=number) for number in range(1000)]
    first, second = ([rule(request) for request in requests] for rule in rules)
    assert first == second
    assert 430 < sum(fault == Fault() for fault in first) < 570
    assert 60 < sum(fault.status == 503 for fault in first) < 140
    assert 140 < sum(fault.cut_at is not None for fault in first) < 260


def test_an_answer_in_the_server_s_place_never_reaches_it():
    with HttpProxy("127.0.0.1:1", lambda _: Fault(status=503, body=b"busy")) as proxy:
        for _ in range(2):
            asking = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=HANG_S)
            asking.request("PUT", "/a?b", body=b"data")
            answer = asking.getresponse()
            assert (answer.status, answer.read()) == (503, b"busy")
            asking.close()
    assert [(one.number, one.target, one.body) for one in proxy.requests] == [
        (0, "/a?b", b"data"),
        (1, "/a?b", b"data"),
    ]


def test_a_server_that_is_not_there_is_a_reset():
    with HttpProxy("127.0.0.1:1") as proxy:
        asking = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=HANG_S)
        asking.request("GET", "/")
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
            asking.getresponse()
        asking.close()
