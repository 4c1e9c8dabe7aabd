"""The tracker's set of partitions still to do, made right where it differs from what the workspace says."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from rowmill import wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TRACKER, AUTH = "ROWMILL_TRACKER", "ROWMILL_TRACKER_AUTH"  # as the pods have them
TIMEOUT_S = 1.0  # a view is not worth more
TOGETHER = 1_000
TOKEN_S, PORT = 900, 6379


def show(run_id: str, manifest: Mapping[str, Any], todo: Sequence[Mapping[str, Any]]) -> None:
    """Make the set right; a tracker that does not answer costs the run nothing, and is told of in the log."""
    url = os.environ.get(TRACKER)
    if not url:
        return
    members = [wire.location(manifest["input"]["url"], part["index"], part["start"], part["end"]) for part in todo]
    try:
        _make_right(url, wire.todo_key(run_id), set(members))
    except Exception as error:  # noqa: BLE001 - whatever a server does
        sys.stderr.write(f"the tracker was not told: {type(error).__name__}\n")


def _make_right(url: str, key: str, wanted: set[str]) -> None:
    server = _connected(url)
    try:
        there = set(server.smembers(key))
        line = server.pipeline(transaction=False)
        for low in range(0, len(missing := sorted(wanted - there)), TOGETHER):
            line.sadd(key, *missing[low : low + TOGETHER])
        for low in range(0, len(done := sorted(there - wanted)), TOGETHER):
            line.srem(key, *done[low : low + TOGETHER])
        if missing:
            line.expire(key, wire.TRACKER_LIFE_S)
        line.execute()
    finally:
        server.close()


def _connected(url: str) -> Any:
    """Return a client.

    Args:
        url: As the tracker's of a run: `redis[s]://[user@]host[:port][/db][?cache=NAME&serverless=true]`.
    """
    import valkey  # noqa: PLC0415 - vendored into the asset

    parts, user = urlsplit(url), unquote(urlsplit(url).username or "")
    query = dict(parse_qsl(parts.query))
    iam = os.environ.get(AUTH) == "iam"
    return valkey.Valkey(
        host=parts.hostname or "",
        port=parts.port or PORT,
        db=int(parts.path.strip("/") or 0),
        username=user or None,
        password=_token(query, user) if iam else None,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        decode_responses=True,
        ssl=parts.scheme == "rediss",
        ssl_ca_certs=query.get("ssl_ca_certs"),
        ssl_check_hostname=True,
    )


def _token(query: Mapping[str, str], user: str) -> str:
    """Return an IAM token for ElastiCache.

    Source: AWS, "Authenticating with IAM": a presigned request `connect`, without its scheme.
    """
    from botocore.auth import SigV4QueryAuth  # noqa: PLC0415 - in the Lambda's runtime
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.session import get_session  # noqa: PLC0415

    session = get_session()
    params = {"Action": "connect", "User": user}
    params |= {"ResourceType": "ServerlessCache"} if query.get("serverless") == "true" else {}
    request = AWSRequest("GET", f"http://{query['cache']}/", params=params)
    region = session.get_config_variable("region")
    SigV4QueryAuth(session.get_credentials(), "elasticache", region, expires=TOKEN_S).add_auth(request)
    return str(request.url).removeprefix("http://")
