"""What comes over the wire is read whole or not at all, and acknowledges what it says and no more."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress

import pytest

from rowmill.tables.dynamodb import answers, exchange, window

TABLE = "Orders"
DONE = b'{"UnprocessedItems":{}}'


def wire_answer(*pieces):
    left, right = socket.socketpair()

    def send():
        with suppress(BrokenPipeError):  # nobody reads on
            for piece in pieces:
                right.sendall(piece)
                time.sleep(0.002)
            right.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        left.settimeout(20)
        return exchange.exchange(left, b"a request")
    finally:
        left.close()
        thread.join()
        right.close()


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\ncontent-LENGTH:  5\r\n\r\nhello"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r", b"\n\r\nhe", b"llo"],
        [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r", b"\nhe\r\n3\r\nll", b"o\r\n0\r\nA: b\r\n\r\n"],
    ],
)
def test_an_answer_is_read_however_it_is_cut_into_pieces(pieces):
    head, body = wire_answer(*pieces)
    assert (head.status, body, head.closes) == (200, b"hello", False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello more",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
        b"x" * 200_000,
    ],
)
def test_half_an_answer_is_none(data):
    with pytest.raises(exchange.Malformed):
        wire_answer(data)


SENT = [(b'{"id":{"S":"1"}}', 1), (b'{"id":{"S":"2"}}', 3)]
LEFT = b'{"UnprocessedItems":{"Orders":[{"PutRequest":{"Item":%s}}]}}'


@pytest.mark.parametrize(
    ("body", "crc32"),
    [
        (b"", ""),
        (b"{}", ""),
        (b"null", ""),
        (b"<html>", ""),
        (DONE, "1"),
        (b'{"UnprocessedItems":null}', ""),
        (b'{"UnprocessedItems":{"Orders":[{"DeleteRequest":{}}]}}', ""),
        (b'{"UnprocessedItems":{"Orders":[' + b",".join([b'{"PutRequest":{"Item":{}}}'] * 3) + b"]}}", ""),
    ],
)
def test_an_answer_that_does_not_say_what_is_written_acknowledges_nothing(body, crc32):
    found = answers.verdict(TABLE, SENT, answers.Answer(200, body, crc32))
    assert (found.acknowledged, found.again, found.unknown, found.final) == (0, SENT, True, False)


def test_what_is_given_back_is_sent_again_and_the_rest_is_written():
    found = answers.verdict(TABLE, SENT, answers.Answer(200, LEFT % SENT[1][0]))
    assert (found.acknowledged, found.again, found.throttled) == (1, [SENT[1]], 0.5)
    spaced = b'{ "id" : { "S" : "2" } }'
    found = answers.verdict(TABLE, SENT, answers.Answer(200, LEFT % spaced))
    assert (found.acknowledged, found.again) == (1, [(spaced, 1)])


def refused(code, message):
    return answers.Answer(400, json.dumps({"__type": f"x#{code}", "message": message}).encode())


def test_words_that_could_hold_a_value_are_not_told():
    said = answers.verdict(TABLE, SENT, refused("ValidationException", "cannot be converted to a number: 4711"))
    assert said.final
    assert "4711" not in said.error.message
    said = answers.verdict(TABLE, SENT, refused("AccessDeniedException", "not authorized to perform: PutItem"))
    assert "not authorized to perform: PutItem" in said.error.message


@pytest.mark.parametrize("status", [500, 503, 400])
def test_trouble_of_the_server_is_passing_even_without_a_word(status):
    assert answers.verdict(TABLE, SENT, answers.Answer(status)).final is (status < 500)


def test_groups_keep_the_order_and_the_limits():
    some = [(b"x" * length, 1) for length in [1, 600, 500, 3000, 2] * 30]
    found = list(answers.groups(some, most_bytes=5000))
    assert [item for group in found for item in group] == some
    assert max(map(len, found)) <= 25
    assert all(len(group) == 1 or answers.body_bytes(group) <= 5000 for group in found)
    assert all(len(answers.body_of(TABLE * 30, group)) <= answers.body_bytes(group) for group in found)


def test_the_window_opens_while_all_goes_well_and_closes_when_throttled():
    now = window.opened(32)
    for _ in range(100):
        now = window.after(now, throttled=0.0, sent_at=0.0, now=0.0)
    assert now.limit == 32
    now = window.after(now, throttled=1.0, sent_at=1.0, now=2.0)
    assert now.limit == 16
    assert window.after(now, throttled=1.0, sent_at=1.5, now=2.5) == now  # it was sent before
    grown = window.after(now, throttled=0.0, sent_at=3.0, now=3.0)
    assert 16 < grown.limit < 16.1
    for _ in range(100):
        now = window.after(now, throttled=1.0, sent_at=now.shrunk_at + 1, now=now.shrunk_at + 1)
    assert now.limit == 1
    assert window.opened(2).limit == 2
