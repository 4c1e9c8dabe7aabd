"""The way there: certificates are checked, and a proxy's tunnel is taken where the environment names one."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from base64 import b64encode
from contextlib import suppress

import pytest

from rowmill.errors import ConfigurationError, TransientError
from rowmill.tables.dynamodb.sending import Sender
from rowmill.testing.dynamodb_stub import DynamoStub
from rowmill.tracker import UNLIMITED

ITEMS = [(b'{"id":{"S":"%d"}}' % number, 1) for number in range(100)]

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made by openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(words, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(autouse=True)
def _settings(monkeypatch, tmp_path):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "a secret",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }.items():
        monkeypatch.setenv(name, value)


def pump(source, target):
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Listening:
    """Serves each connection in a thread of its own, which `joined` makes a pair of sockets of."""

    def __init__(self, joined):
        self._joined = joined
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._socket.accept()[0],), daemon=True).start()

    def _serve(self, one):
        try:
            with self._joined(one) as other, suppress(OSError):
                back = threading.Thread(target=pump, args=(other[1], other[0]), daemon=True)
                back.start()
                pump(*other)
                back.join()
        except OSError:  # the client does not like the certificate
            one.close()


class Pair(tuple):
    """Two sockets that are closed together."""

    __slots__ = ()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in self:
            end.close()


@pytest.fixture
def tls(certificate):
    """Give a stub behind TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with DynamoStub() as stub:
        stub.create("Orders", {"id": "S"})
        open_up = lambda one: Pair(  # noqa: E731
            (context.wrap_socket(one, server_side=True), socket.create_connection(("127.0.0.1", stub.port)))
        )
        with Listening(open_up) as listening:
            stub.tls_port = listening.port
            yield stub


def put_all():
    with Sender("eu-west-1", "Orders", pace=UNLIMITED, budget_s=1.0, window=4) as sending:
        sending.put(ITEMS)
        return sending.flush()


def test_a_server_whose_certificate_is_trusted_is_written_to(tls, certificate, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"https://127.0.0.1:{tls.tls_port}")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate[0]))
    assert put_all() == len(tls.items("Orders")) == 100


def test_a_server_whose_certificate_is_not_trusted_is_told_at_once(tls, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"https://127.0.0.1:{tls.tls_port}")
    with pytest.raises(ConfigurationError, match="not trusted") as caught:
        put_all()
    assert "AWS_CA_BUNDLE" in caught.value.hint
    assert tls.items("Orders") == {}


def test_certificates_that_do_not_read_are_told(tls, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"https://127.0.0.1:{tls.tls_port}")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
    with pytest.raises(ConfigurationError):
        put_all()


def test_a_proxy_is_asked_for_a_tunnel_with_the_password_it_wants(tls, certificate, monkeypatch):
    asked = []

    def tunnel(one):
        head = b""
        while b"\r\n\r\n" not in head:
            head += one.recv(65536)
        asked.append(head)
        target = head.split(b" ")[1].decode().rsplit(":", 1)
        other = socket.create_connection((target[0], int(target[1])))
        one.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return Pair((one, other))

    with Listening(tunnel) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"https://127.0.0.1:{tls.tls_port}")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate[0]))
        monkeypatch.setenv("HTTPS_PROXY", f"http://someone:p%40ss@127.0.0.1:{proxy.port}")
        assert put_all() == len(tls.items("Orders")) == 100
        assert asked
        assert b"Proxy-Authorization: Basic " + b64encode(b"someone:p@ss") in asked[0]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        before = len(asked)
        assert put_all() == 100
        assert len(asked) == before
    monkeypatch.delenv("NO_PROXY")
    with pytest.raises(TransientError):  # the proxy has gone
        put_all()
    monkeypatch.setenv("HTTPS_PROXY", "https://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="https:// is not supported"):
        put_all()
