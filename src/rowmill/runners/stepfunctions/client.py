"""The way to Step Functions: credentials, region, endpoint as boto3 finds them; refusals come out as our errors."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rowmill import wire
from rowmill.errors import ConfigurationError, RowmillError, StateError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    import boto3
    from botocore import exceptions
    from botocore.config import Config
except ImportError:
    raise ConfigurationError("Step Functions need the AWS libraries", hint="pip install 'rowmill[aws]'") from None

TRIES, CONNECT_S, READ_S = 8, 10, 30
AGAIN = "give the same command again later: what is under way goes on without it"
SIGN_IN = "sign in (`aws sso login`, `aws configure`) or name a profile with AWS_PROFILE"
EXPIRED = {"ExpiredTokenException", "ExpiredToken", "TokenRefreshRequired"}
BAD_KEYS = {"UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId", "MissingAuthentication"}
LATER = {"ThrottlingException", "Throttling", "TooManyRequestsException", "ServiceUnavailable", "InternalFailure"}
FORBIDDEN = {"AccessDeniedException", "AccessDenied", "KmsAccessDeniedException"}
FULL = "ExecutionLimitExceeded"
NO_MACHINE, NO_EXECUTION, NO_RESOURCE = "StateMachineDoesNotExist", "ExecutionDoesNotExist", "ResourceNotFound"
IS_THERE, BAD_ARN = "ExecutionAlreadyExists", "InvalidArn"
SERVER_ERROR = 500
PASSING = (
    exceptions.HTTPClientError,
    exceptions.ConnectionError,
    exceptions.CredentialRetrievalError,
    exceptions.MetadataRetrievalError,
)


def client(region: str | None) -> Any:
    """Return this process's client of a region.

    Args:
        region: As an ARN names it; None = the environment's.

    Raises:
        ConfigurationError: Profile, region or endpoint are not usable.
    """
    around = frozenset((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))
    return _client(region or os.environ.get("AWS_REGION"), around, os.getpid())


@lru_cache(maxsize=8)
def _client(region: str | None, _around: frozenset[tuple[str, str]], _process: int) -> Any:
    tries = {} if "AWS_MAX_ATTEMPTS" in os.environ else {"retries": {"mode": "standard", "total_max_attempts": TRIES}}
    config = Config(connect_timeout=CONNECT_S, read_timeout=READ_S, user_agent_extra=f"rowmill/{wire.VERSION}", **tries)
    try:
        return boto3.Session(region_name=region).client("stepfunctions", config=config)
    except exceptions.NoRegionError:
        raise ConfigurationError(
            "no region is named", hint="set AWS_REGION, or give the ARN with --state-machine"
        ) from None
    except (exceptions.BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"the AWS configuration is not usable: {error}", hint="check AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL"
        ) from None


def ask(operation: str, region: str | None, *, none_for: tuple[str, ...] = (), **params: Any) -> Any:
    """Call Step Functions; a refusal with one of the codes `none_for` comes out as None.

    Raises:
        ConfigurationError: The machine, a right, a credential or the region is wrong.
        StateError: What is asked about is not there any more.
        TransientError: It is busy or unreachable for longer than patience lasts.
    """
    there = client(region)
    try:
        return getattr(there, operation)(**params)
    except exceptions.ClientError as error:
        if _code(error) in none_for:
            return None
        raise refused(error, there.meta.region_name) from None
    except exceptions.BotoCoreError as error:
        raise unanswered(error, there.meta.region_name) from None


def pages(operation: str, region: str | None, key: str, **params: Any) -> Iterator[Any]:
    """Give what a listing has, page by page."""
    more: dict[str, Any] = {}
    while True:
        page = ask(operation, region, **params, **more)
        yield from page[key]
        if not page.get("nextToken"):
            return
        more = {"nextToken": page["nextToken"]}


def refused(error: exceptions.ClientError, region: str) -> RowmillError:
    """Return the error for what Step Functions refuse."""
    code, said = _code(error), str(error.response.get("Error", {}).get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    shown = f"{code}: {said}"
    if code in EXPIRED | BAD_KEYS | FORBIDDEN:
        return _not_allowed(code, shown, error.operation_name)
    if code == FULL:
        return TransientError(f"too many executions are under way in {region}: {shown}", hint=AGAIN)
    if code in LATER or status >= SERVER_ERROR:
        return TransientError(f"Step Functions are busy: {shown}", hint=AGAIN)
    if code in (NO_MACHINE, NO_RESOURCE, BAD_ARN):
        return ConfigurationError(
            f"there is no such state machine in {region}: {shown}",
            hint="check --state-machine, AWS_REGION and the account: `aws sts get-caller-identity`",
        )
    if code == NO_EXECUTION:
        return StateError(
            f"the execution's history is gone: {shown}", hint="it is kept for 90 days; give the same command again"
        )
    return ConfigurationError(f"Step Functions refuse {error.operation_name}: {shown}", hint="see what they say")


def _not_allowed(code: str, shown: str, operation: str) -> RowmillError:
    """Return the error for who may not ask."""
    if code in EXPIRED:
        return ConfigurationError(f"the AWS credentials have expired: {shown}", hint=SIGN_IN)
    if code in BAD_KEYS:
        return ConfigurationError(f"AWS does not know these credentials: {shown}", hint=SIGN_IN)
    return ConfigurationError(
        f"AWS forbids {operation}: {shown}",
        hint=f"this needs states:{operation}; docs/howto/stepfunctions.md lists all rights",
    )


def unanswered(error: exceptions.BotoCoreError, region: str) -> RowmillError:
    """Return the error for a question that never came to be answered."""
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        return ConfigurationError("there are no AWS credentials, or only a part of them", hint=SIGN_IN)
    if isinstance(error, exceptions.EndpointConnectionError):
        return TransientError(
            f"Step Functions of {region} cannot be reached: {error}", hint=f"check AWS_REGION; {AGAIN}"
        )
    if isinstance(error, PASSING) and not isinstance(error, exceptions.SSLError):
        return TransientError(f"Step Functions do not answer: {type(error).__name__}", hint=AGAIN)
    if isinstance(error, exceptions.ParamValidationError):  # its text would show values
        return ConfigurationError("a name or an ARN has a form that AWS does not take", hint="check --state-machine")
    return ConfigurationError(f"AWS settings do not work ({type(error).__name__}): {error}", hint=SIGN_IN)


def _code(error: exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
