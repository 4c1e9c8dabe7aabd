"""The server: bound before it is told of, ended by a signal."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from rowmill.errors import ConfigurationError
from rowmill.web import access, metrics, metrics_file
from rowmill.web.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from rowmill.storage import Storage


class Asked(NamedTuple):
    """What is asked for.

    Attributes:
        host, port: Where it listens; port 0 is any that is free.
        token: Empty = one is made.
        metrics_file: Where metrics are written again and again; empty = nowhere.
    """

    host: str
    port: int
    token: str
    metrics_file: str


class Bound(NamedTuple):
    """A socket that is bound, and how browsers reach it."""

    socket: socket.socket
    url: str
    token: str


def bind(asked: Asked) -> Bound:
    """Take the address.

    Raises:
        ConfigurationError: It is taken, is none of this machine's, or is reached from elsewhere and no token is given;
            or the libraries are missing.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise ConfigurationError("pages are served by Starlette and uvicorn", hint="pip install 'rowmill[ui]'")
    if not access.is_loopback(asked.host) and not asked.token:
        raise ConfigurationError(
            f"{asked.host} is reached from other machines",
            hint="give --token, a secret of your own that all pages then need; put TLS before it",
        )
    family = socket.AF_INET6 if ":" in asked.host else socket.AF_INET
    try:
        taken = socket.create_server((asked.host, asked.port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"{asked.host}, port {asked.port}: {error.strerror}", hint="give another --port, or 0 for any that is free"
        ) from None
    host = f"[{asked.host}]" if ":" in asked.host else asked.host
    return Bound(taken, f"http://{host}:{taken.getsockname()[1]}/", asked.token or access.new_token())


def serve(place: Storage, bound: Bound, asked: Asked, control: Callable[[str, str, int | None], list[str]]) -> None:
    """Serve until a signal comes.

    Args:
        place: The workspace.
        bound: The address.
        asked: What is asked for.
        control: Called with what is to be done, the run's id, and how many workers.
    """
    import uvicorn  # noqa: PLC0415 - an extra

    from rowmill.web.guard import Entry  # noqa: PLC0415 - it imports the extra
    from rowmill.web.site import Site, app  # noqa: PLC0415

    watching = Watching(place)
    if asked.metrics_file:
        metrics_file.keep(asked.metrics_file, lambda: metrics.of_runs(watching.runs(), most=metrics.ONE_BY_ONE))
    port = bound.socket.getsockname()[1]
    entry = Entry(bound.token, access.is_loopback(asked.host), f"rowmill-{port}")
    config = uvicorn.Config(
        app(Site(watching, entry, control, {})),
        log_level="error",
        access_log=False,  # an address may hold the token
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,  # pages that are live hold their connections
    )
    uvicorn.Server(config).run(sockets=[bound.socket])
