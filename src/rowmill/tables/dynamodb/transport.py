"""One request after another over the wire: signed by botocore, answered or cut."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
import time
from base64 import b64encode
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from rowmill import wire
from rowmill.errors import ConfigurationError
from rowmill.tables.dynamodb.answers import Answer
from rowmill.tables.dynamodb.connecting import SIGN_IN, connected, translated, untrusted
from rowmill.tables.dynamodb.exchange import Malformed, exchange, request_bytes

if TYPE_CHECKING:
    from rowmill.tables.dynamodb.connecting import Connected

CONNECT_S, READ_S = 5.0, 15.0
IDLE_S = 1.0  # after it a connection may have been closed from the other side
SIGNED = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.BatchWriteItem"}
UNSIGNED = {
    "Accept-Encoding": "identity",  # the checksum is of what comes over the wire
    "User-Agent": f"rowmill/{wire.VERSION}",
}


class Transport:
    """A way for requests that write.

    Args:
        region: None = as the environment or the profile says.
        table: Its name, for messages.

    Raises:
        ConfigurationError: There are no credentials, there is no region, or its settings do not work.
    """

    def __init__(self, region: str | None, table: str) -> None:
        way = connected(region)
        endpoint = urlsplit(way.client.meta.endpoint_url)
        self.table = table
        self.path = endpoint.path or "/"
        self._url = f"{endpoint.scheme}://{endpoint.netloc}{self.path}"
        self._to_sign = {"Host": endpoint.netloc, **SIGNED}
        self._credentials = way.session.get_credentials()
        self._region = way.client.meta.region_name
        self._endpoint = endpoint
        self._proxy = proxy_of(endpoint)
        self._trusted = trusted_by(way) if endpoint.scheme == "https" else None
        self._lock = threading.Lock()
        self._open: set[HTTPConnection] = set()
        self._closed = False

    def signed(self, body: bytes) -> dict[str, str]:
        """Return a request's headers with its signature.

        Raises:
            RowmillError: Credentials cannot be renewed.
        """
        request = AWSRequest("POST", self._url, headers=self._to_sign, data=body)
        try:
            # Frozen, so that key and token belong together; renewed here when it is time.
            frozen = self._credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise translated(error, self.table) from None
        SigV4Auth(frozen, "dynamodb", self._region).add_auth(request)
        headers = dict(request.headers.items())
        if any("\r" in value or "\n" in value for value in headers.values()):
            raise ConfigurationError("the AWS credentials have a line end within", hint=SIGN_IN)
        return {**headers, **UNSIGNED}

    def connect(self) -> HTTPConnection:
        """Return a new connection to the endpoint.

        Raises:
            OSError: It cannot be made.
        """
        made = prepared(self._endpoint, self._proxy, self._trusted)
        made.connect()
        made.sock.settimeout(READ_S)
        with self._lock:
            self._open.add(made)
            if self._closed:
                cut(made)
        return made

    def disconnect(self, connection: HTTPConnection) -> None:
        """Close a connection."""
        with self._lock:
            self._open.discard(connection)
            connection.close()

    def close(self) -> None:
        """Cut all connections: whoever waits for an answer waits no longer."""
        with self._lock:
            self._closed = True
            for connection in self._open:
                cut(connection)


class Channel:
    """A connection that is made when it is needed; used by one thread."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._connection: HTTPConnection | None = None
        self._used_at = 0.0

    def send(self, body: bytes) -> Answer:
        """Send a request once; return its answer, or that there was none.

        Raises:
            ConfigurationError: It cannot be signed, or the server is not trusted.
        """
        transport = self._transport
        request = request_bytes(transport.path, transport.signed(body), body)
        try:
            connection = self._connected()
            head, data = exchange(connection.sock, request)
        except ssl.SSLCertVerificationError:
            raise untrusted(transport.table) from None
        except (OSError, HTTPException, Malformed, ValueError) as error:  # ValueError: closed by another thread
            self.close()
            return Answer(0, trouble=type(error).__name__)
        self._used_at = time.monotonic()
        if head.closes:
            self.close()
        return Answer(head.status, data, head.headers.get("x-amz-crc32", ""), head.headers.get("x-amzn-requestid", ""))

    def _connected(self) -> HTTPConnection:
        if self._connection is not None and time.monotonic() > self._used_at + IDLE_S and is_readable(self._connection):
            self.close()
        if self._connection is None:
            self._connection = self._transport.connect()
        return self._connection

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._transport.disconnect(self._connection)
            self._connection = None


def cut(connection: HTTPConnection) -> None:
    """Have whoever reads from a connection come back at once."""
    with suppress(OSError, AttributeError):  # it is closed already
        connection.sock.shutdown(socket.SHUT_RDWR)


def is_readable(connection: HTTPConnection) -> bool:
    """Tell whether something has come that no one asked for: the end of the connection."""
    waiting = select.poll()
    waiting.register(connection.sock, select.POLLIN)
    return bool(waiting.poll(0))


def prepared(endpoint: SplitResult, proxy: SplitResult | None, trusted: ssl.SSLContext | None) -> HTTPConnection:
    """Return a connection that is not made yet, straight or by a proxy's tunnel."""
    host, port = str(endpoint.hostname), endpoint.port or (443 if trusted else 80)
    first, first_port = (host, port) if proxy is None else (str(proxy.hostname), proxy.port or 80)
    if trusted is None:
        connection = HTTPConnection(first, first_port, timeout=CONNECT_S)
    else:
        connection = HTTPSConnection(first, first_port, timeout=CONNECT_S, context=trusted)
    if proxy is not None:
        connection.set_tunnel(host, port, headers=proxy_headers(proxy))
    return connection


def proxy_headers(proxy: SplitResult) -> dict[str, str]:
    """Return how a proxy is told who asks."""
    if proxy.username is None:
        return {}
    who = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(who.encode()).decode()}"}


def proxy_of(endpoint: SplitResult) -> SplitResult | None:
    """Return the proxy that the environment names for an endpoint, None without one.

    Raises:
        ConfigurationError: It is of a kind that is not known here.
    """
    address = get_environ_proxies(endpoint.geturl()).get(endpoint.scheme)
    if not address:
        return None
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    if proxy.scheme != "http":
        raise ConfigurationError(
            f"a proxy by {proxy.scheme}:// is not supported", hint="name one by http://, or set NO_PROXY for DynamoDB"
        )
    return proxy


def trusted_by(way: Connected) -> ssl.SSLContext:
    """Return whose certificates are trusted: as botocore finds it."""
    named = way.session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    try:
        return ssl.create_default_context(cafile=named or get_cert_path(True))
    except OSError:
        raise ConfigurationError(f"the certificates in {named} do not read", hint="check AWS_CA_BUNDLE") from None
