"""A connection to Valkey or Redis: address, TLS, and credentials that are in no address."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from rowmill import settings
from rowmill.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_S = 1.0  # a view is not worth more of a run's time
TOKEN_S = 900  # how long ElastiCache takes a token
RENEW_S = 600  # asked for anew well before
PORT = 6379


class Credentials:
    """User and password, asked for at each connection, so that a renewed token or a changed file is heeded."""

    def __init__(self, user: str, password: Callable[[], str]) -> None:
        self._user = user
        self._password = password

    def get_credentials(self) -> tuple[str, ...]:
        """Return what the server wants to know."""
        return (self._user, self._password()) if self._user else (self._password(),)


class Token:
    """An IAM token for ElastiCache, kept until it is to be renewed.

    Source: AWS, "Authenticating with IAM": a presigned request `connect`, without its scheme.
    """

    def __init__(self, cache: str, user: str, *, serverless: bool) -> None:
        self._query = {"Action": "connect", "User": user} | ({"ResourceType": "ServerlessCache"} if serverless else {})
        self._cache = cache
        self._made: tuple[str, float] | None = None

    def __call__(self) -> str:
        """Return the token."""
        if self._made is None or time.monotonic() - self._made[1] > RENEW_S:
            self._made = (self._signed(), time.monotonic())
        return self._made[0]

    def _signed(self) -> str:
        from botocore.auth import SigV4QueryAuth  # noqa: PLC0415 - an extra
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.session import get_session  # noqa: PLC0415

        session = get_session()
        credentials, region = session.get_credentials(), session.get_config_variable("region")
        if credentials is None or region is None:
            raise ConfigurationError("there are no AWS credentials, or no region, for the tracker's token")
        request = AWSRequest("GET", f"http://{self._cache}/", params=self._query)
        SigV4QueryAuth(credentials, "elasticache", region, expires=TOKEN_S).add_auth(request)
        return str(request.url).removeprefix("http://")


class Address(NamedTuple):
    """Where a server is, as its URL says it."""

    host: str
    port: int
    database: int
    user: str
    tls: bool
    query: dict[str, str]


def address_of(url: str) -> Address:
    """Read a URL.

    Args:
        url: `redis[s]://[user@]host[:port][/db][?cache=NAME&serverless=true&ssl_ca_certs=FILE]`.

    Raises:
        ConfigurationError: It does not read, or holds a password; what it holds is not told.
    """
    parts = urlsplit(url)
    if parts.password is not None:
        raise ConfigurationError("a tracker's URL must not hold a password", hint="give it by tracker_password_file")
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ConfigurationError(f"no tracker here opens {parts.scheme}:// addresses", hint="use redis:// or rediss://")
    try:
        port, database = parts.port or PORT, int(parts.path.strip("/") or 0)
    except ValueError:
        raise ConfigurationError(
            "the port or the database in the tracker's URL is no number", hint="write redis://host:6379/0"
        ) from None
    user, query = unquote(parts.username or ""), dict(parse_qsl(parts.query))
    return Address(parts.hostname, port, database, user, parts.scheme == "rediss", query)


def connect(url: str) -> Any:
    """Return a client; nothing is sent yet.

    Raises:
        ConfigurationError: The address or a setting that goes with it is wrong, or a library is not there.
    """
    try:
        import valkey  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("the tracker is a Valkey server", hint="pip install 'rowmill[valkey]'") from None
    address = address_of(url)
    return valkey.Valkey(
        host=address.host,
        port=address.port,
        db=address.database,
        credential_provider=_credentials(address),  # type: ignore[arg-type] # by its method
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        decode_responses=True,
        ssl=address.tls,
        ssl_ca_certs=_file_of(address.query.get("ssl_ca_certs"), "ssl_ca_certs"),
        ssl_check_hostname=True,  # without it another's certificate, if only valid, would get our password
    )


def _credentials(address: Address) -> Credentials | None:
    chosen = settings.resolve({})
    if chosen["tracker_auth"].value == "iam":
        return Credentials(address.user, _token(address))
    file = _file_of(chosen["tracker_password_file"].value, "tracker_password_file")
    if file is None:
        return None
    return Credentials(address.user, lambda: Path(file).read_text(encoding="utf-8").strip())


def _token(address: Address) -> Token:
    if not address.user or "cache" not in address.query or not address.tls:
        raise ConfigurationError(
            "tracker_auth = iam needs TLS, the user and the cache's name",
            hint="write rediss://user@host/0?cache=NAME, with &serverless=true for a serverless cache",
        )
    if find_spec("botocore") is None:
        raise ConfigurationError("tracker_auth = iam signs with botocore", hint="pip install 'rowmill[aws]'")
    return Token(address.query["cache"], address.user, serverless=address.query.get("serverless") == "true")


def _file_of(name: str | None, setting: str) -> str | None:
    """Return a file's name that was given, if it can be read now: before the first row, not in the midst of a run."""
    if name is None:
        return None
    try:
        Path(name).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}", hint=f"see {setting}") from None
    return name
