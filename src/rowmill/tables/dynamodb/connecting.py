"""The way to DynamoDB as botocore finds it: credentials, region, endpoint; and its errors as ours."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Any, NamedTuple

import botocore.session
from botocore import exceptions as foreign
from botocore.config import Config

from rowmill import wire
from rowmill.errors import ConfigurationError, RowmillError, TransientError
from rowmill.tables.dynamodb.refusals import AGAIN, refusal

# What comes and goes by itself; all other errors of botocore are about settings.
PASSING = (
    foreign.ConnectionError,
    foreign.ConnectTimeoutError,
    foreign.ConnectionClosedError,
    foreign.HTTPClientError,
    foreign.MetadataRetrievalError,
    foreign.IncompleteReadError,
    foreign.ChecksumError,
)
SIGN_IN = "sign in (`aws sso login`, `aws configure`) or name a profile with AWS_PROFILE"
TRIES = 8
URL = re.compile(r"dynamodb://(?:(?P<region>[a-z0-9-]+)/)?(?P<name>[A-Za-z0-9_.-]{3,255})")
TO_BE_KEPT = 16


class Connected(NamedTuple):
    """One way to DynamoDB.

    Attributes:
        session: botocore's, with its chain of credentials.
        client: Its ordinary client.
    """

    session: Any
    client: Any


def named(url: str) -> tuple[str | None, str]:
    """Return the region, if one is named, and the table of a URL.

    Raises:
        ConfigurationError: It names no table.
    """
    parts = URL.fullmatch(url)
    if parts is None:
        raise ConfigurationError(f"{url} names no table", hint="write dynamodb://region/name", url=url)
    return parts["region"], parts["name"]


def connected(region: str | None) -> Connected:
    """Return the way to a region, by AWS's own chain of credentials and endpoints; one for each process.

    Raises:
        ConfigurationError: There is no region, no such profile, or no credentials.
    """
    settings = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    # AWS_REGION is read by all of AWS's libraries but botocore.
    return _connected(region or os.environ.get("AWS_REGION"), settings, os.getpid())


@lru_cache(maxsize=TO_BE_KEPT)
def _connected(region: str | None, settings: tuple[tuple[str, str], ...], process: int) -> Connected:
    del settings, process  # with other settings, or in a forked process, this is another way
    config = Config(
        retries={"mode": "standard", "total_max_attempts": TRIES}, user_agent_extra=f"rowmill/{wire.VERSION}"
    )
    try:
        session = botocore.session.get_session()
        found = Connected(session, session.create_client("dynamodb", region_name=region, config=config))
        if session.get_credentials() is None:
            raise foreign.NoCredentialsError
    except foreign.BotoCoreError as error:
        raise translated(error, "") from None
    except ValueError:
        raise ConfigurationError("the endpoint is not a URL", hint="check AWS_ENDPOINT_URL_DYNAMODB") from None
    return found


def client(region: str | None) -> Any:
    """Return the ordinary client of a region."""
    return connected(region).client


def translated(error: Exception, table: str) -> RowmillError:
    """Return our error for one of botocore's.

    Args:
        error: A ClientError or another BotoCoreError.
        table: The table's name.
    """
    if isinstance(error, foreign.ClientError):
        told, about = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        return refusal(
            table,
            about.get("HTTPStatusCode", 0),
            told.get("Code", ""),
            told.get("Message", ""),
            about.get("RequestId", ""),
        )
    if isinstance(error, foreign.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return untrusted(table)
    name = type(error).__name__
    if isinstance(error, PASSING):
        return TransientError(f"DynamoDB cannot be reached for the table {table!r}: {name}", hint=AGAIN)
    return unusable(error, table)


def unusable(error: Exception, table: str) -> RowmillError:
    """Return our error for settings that botocore cannot work with."""
    if isinstance(error, (foreign.NoCredentialsError, foreign.PartialCredentialsError)):
        return ConfigurationError("there are no AWS credentials, or only a part of them", hint=SIGN_IN)
    if isinstance(error, foreign.NoRegionError):
        return ConfigurationError("no region is named", hint="write dynamodb://REGION/TABLE, or set AWS_REGION")
    if isinstance(error, foreign.ParamValidationError):  # its text would show values
        return ConfigurationError(f"a request about the table {table!r} is not valid", hint="check the table's name")
    return ConfigurationError(f"AWS settings do not work ({type(error).__name__}): {error}", hint=SIGN_IN)


def untrusted(table: str) -> RowmillError:
    """Return the error for a server whose certificate is not trusted."""
    return ConfigurationError(
        f"the certificate of DynamoDB's endpoint is not trusted, for the table {table!r}",
        hint="name your authority's certificates with AWS_CA_BUNDLE",
    )
