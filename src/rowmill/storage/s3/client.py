"""The connection to S3: credentials, region and endpoint are found as boto3 finds them; its errors come out as ours."""

from __future__ import annotations

import os
import random
import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rowmill import settings, wire
from rowmill.errors import ConfigurationError, RowmillError, TransientError
from rowmill.model import policy

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    import boto3
    from botocore import exceptions
    from botocore.config import Config
    from urllib3.exceptions import HTTPError
except ImportError:
    raise ConfigurationError("s3:// needs the AWS libraries", hint="pip install 'rowmill[aws]'") from None

MOST_TRIES = 8  # with pauses that grow to 20 s: a minute or so
CONNECTIONS = 64
CONNECT_S, READ_S = 10, 60
RIGHTS = {
    "HeadObject": "s3:GetObject, and s3:ListBucket to tell a missing object from a forbidden one",
    "GetObject": "s3:GetObject, and s3:ListBucket to tell a missing object from a forbidden one",
    "CopyObject": "s3:GetObject and s3:PutObject",
    "UploadPartCopy": "s3:GetObject and s3:PutObject",
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "s3:DeleteObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
}
BAD_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
LATER = {"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "RequestLimitExceeded", "InternalError"}
DICE = random.Random()  # noqa: S311 - pauses
SERVER_ERROR, FORBIDDEN = 500, 403
ONE_MAKES_IT = threading.Lock()  # a client takes 50 ms, and many threads ask for the first one at the same time
PASSING = (  # also a source of credentials that does not answer at this moment
    exceptions.HTTPClientError,
    exceptions.ConnectionError,
    exceptions.CredentialRetrievalError,
    exceptions.MetadataRetrievalError,
)


def client() -> Any:
    """Return this process's client; a fork makes its own, since two processes must not share connections.

    Raises:
        ConfigurationError: Profile, region or endpoint are not usable.
    """
    known = settings.resolve({})
    around = frozenset((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))
    with ONE_MAKES_IT:
        return _client(os.getpid(), around, known["s3_bucket_owner"].value, known["s3_kms_key"].value)


@lru_cache(maxsize=8)
def _client(_process: int, _around: frozenset[tuple[str, str]], owner: str | None, kms_key: str | None) -> Any:
    try:
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        known: dict[str, Any] = session._session.get_scoped_config()  # noqa: SLF001 - boto3 has no other way
        made = session.client("s3", config=_config(known))
    except (exceptions.BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"the AWS configuration is not usable: {error}", hint="check AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL"
        ) from None
    made.meta.events.register("provide-client-params.s3", _adding(owner, kms_key))
    return made


def _config(profile: dict[str, Any]) -> Config:
    """Return what differs from boto3's own defaults, as far as the user has not chosen otherwise."""
    chosen: dict[str, Any] = {}
    if "AWS_MAX_ATTEMPTS" not in os.environ and "max_attempts" not in profile:
        mode = os.environ.get("AWS_RETRY_MODE") or profile.get("retry_mode") or "standard"
        chosen["retries"] = {"mode": mode, "total_max_attempts": MOST_TRIES}
    if any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")) or "endpoint_url" in profile:
        chosen["s3"] = {"addressing_style": "path"}  # a bucket's name before that of a server of one's own has no DNS
    return Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        user_agent_extra=f"rowmill/{wire.VERSION}",
        **chosen,
    )


def _adding(owner: str | None, kms_key: str | None) -> Callable[..., None]:
    """Return what adds the user's safeguards to every call that takes them."""
    added: dict[str, str] = {}
    if owner:
        added |= {"ExpectedBucketOwner": owner, "ExpectedSourceBucketOwner": owner}
    if kms_key:
        added |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}

    def add(params: dict[str, Any], model: Any, **_: Any) -> None:
        for name in added.keys() & model.input_shape.members.keys():
            params[name] = added[name]

    return add


def ask(operation: str, bucket: str, *, none_for: tuple[int, ...] = (), **params: Any) -> Any:
    """Call S3; answers with one of the statuses `none_for` come out as None.

    Raises:
        ConfigurationError: The bucket, a right or a credential is missing.
        TransientError: S3 was busy or unreachable for longer than patience lasts.
    """
    for tries in range(MOST_TRIES):
        try:
            return getattr(client(), operation)(Bucket=bucket, **params)
        except exceptions.ClientError as error:
            if status_of(error) in none_for and code_of(error) != "NoSuchBucket":
                return None
            raise translated(error, bucket, params.get("Key")) from None
        except exceptions.BotoCoreError as error:
            raise translated(error, bucket, params.get("Key")) from None
        except RecursionError:  # botocore follows a redirect by a question that is redirected as well
            raise ConfigurationError(
                f"the endpoint redirects every request for the bucket {bucket}",
                hint="check AWS_REGION and AWS_ENDPOINT_URL",
            ) from None
        except HTTPError:
            # botocore neither repeats nor translates this one: the text of a refusal to read was cut.
            time.sleep(policy.pause_s(tries, DICE, cap_s=5.0))
    raise TransientError(
        f"S3 cuts its answers about {bucket} again and again", hint="give the same command again later"
    )


def status_of(error: exceptions.ClientError) -> int:
    """Return the HTTP status of a refusal."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: exceptions.ClientError) -> str:
    """Return the code of a refusal; of a `HEAD`, whose answer has no body, only the status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def translated(error: Exception, bucket: str, key: str | None = None) -> RowmillError:
    """Return a foreign error as ours: what passes, and what the user must mend."""
    url = f"s3://{bucket}" if key is None else f"s3://{bucket}/{key}"
    if isinstance(error, exceptions.ClientError):
        return _refusal(error, bucket, url)
    if isinstance(error, PASSING) and not isinstance(error, exceptions.SSLError):
        return TransientError(f"S3 does not answer: {error}", hint="give the same command again later", url=url)
    hint = "check AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL and the credentials: `aws sts get-caller-identity`"
    return ConfigurationError(f"S3 cannot be asked: {error}", hint=hint, url=url)


def _refusal(error: exceptions.ClientError, bucket: str, url: str) -> RowmillError:
    code, status = code_of(error), status_of(error)
    said = str(error.response.get("Error", {}).get("Message", ""))
    request = error.response.get("ResponseMetadata", {}).get("RequestId", "")
    shown = f"{code}: {said} (request {request})" if request else f"{code}: {said}"
    if status >= SERVER_ERROR or code in LATER:
        return TransientError(f"S3 is busy: {shown}", hint="give the same command again later", url=url)
    if code == "NoSuchBucket":
        return ConfigurationError(f"there is no bucket {bucket}", hint="check its name, account and region", url=url)
    if code in BAD_KEYS:
        return ConfigurationError(f"S3 refuses the credentials: {shown}", hint="renew them", url=url)
    if status == FORBIDDEN:
        right = RIGHTS.get(error.operation_name, "s3:PutObject")
        if "kms" in said.lower():
            right = "kms:Decrypt and kms:GenerateDataKey on the key"
        return ConfigurationError(
            f"bucket {bucket} forbids {error.operation_name}: {shown}",
            hint=f"this needs {right}; `rowmill policy` prints all rights that a run needs",
            url=url,
        )
    return ConfigurationError(
        f"S3 refuses {error.operation_name}: {shown}", hint="check bucket, region and key", url=url
    )
