"""TLS in front of Valkey, whose own build has none: a certificate of this cloud's, and a relay."""

import asyncio
import os
import ssl
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

from rowmill.devcloud.aws import places

PIECE_BYTES = 1 << 16
PATIENCE_S = 10.0


@cache
def port() -> int:
    """Return where Valkey is to be reached by TLS; it is served from the first call on."""
    context = _context()
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="valkey over TLS", daemon=True).start()
    begun = asyncio.run_coroutine_threadsafe(_begun(context), loop)
    server = begun.result(PATIENCE_S)
    return int(server.sockets[0].getsockname()[1])


def _context() -> ssl.SSLContext:
    """Return a server's side; whom to trust is left where pods and Lambda functions find it."""
    import trustme  # noqa: PLC0415 - 0.1 s that only a cache needs

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(places.HOST, "localhost").configure_cert(context)
    known = ssl.get_default_verify_paths().cafile
    others = Path(known).read_bytes() if known and Path(known).exists() else b""
    trust = places.kubernetes_folder() / "trust.pem"
    os.environ["SSL_CERT_FILE"] = str(trust)  # Lambda functions have this process' environment
    trust.write_bytes(others + b"\n" + authority.cert_pem.bytes())
    return context


async def _begun(context: ssl.SSLContext) -> asyncio.Server:
    return await asyncio.start_server(_relayed, places.HOST, 0, ssl=context)


async def _relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        inner_reader, inner_writer = await asyncio.open_connection(places.HOST, places.valkey_port())
        await asyncio.gather(_copied(reader, inner_writer), _copied(inner_reader, writer))
    except OSError:
        writer.close()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    with suppress(OSError):
        writer.close()
