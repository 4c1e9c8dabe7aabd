"""What DynamoDB's error codes mean for us: try again, or whose turn it is. Pure.

Source: "Error handling with DynamoDB" in the developer guide, and BatchWriteItem's own list.
"""

from __future__ import annotations

from rowmill.errors import ConfigurationError, RowmillError, TransientError

THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
}
PASSING = {
    "InternalServerError",
    "InternalFailure",
    "ReplicatedWriteConflictException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionInProgressException",
}
# Codes whose messages name people, actions, tables and keys, and never a row's content.
HARMLESS = {"AccessDeniedException", "ResourceNotFoundException", "ResourceInUseException", "LimitExceededException"}
HARMLESS_VALIDATION = (
    "Item size has exceeded",
    "One or more parameter values are not valid. The AttributeValue for a key",
    "One or more parameter values were invalid: Missing the key",
    "One or more parameter values were invalid: Type mismatch for key",
    "Provided list of item keys contains duplicates",
    "The provided key element does not match the schema",
    "Too many items requested",
)
HINTS = {
    "AccessDeniedException": "let this role read and write the table; `rowmill policy` prints the least that it needs",
    "ExpiredTokenException": "renew the credentials, then give the same command again",
    "IncompleteSignature": "check the credentials",
    "InvalidSignatureException": "check the credentials, and this machine's clock",
    "MissingAuthenticationTokenException": "give credentials",
    "ResourceNotFoundException": "check the table's name and region, or give --create-table",
    "UnrecognizedClientException": "check the credentials: this region does not know them",
}
AGAIN = "give the same command again later: it goes on where it stopped"
SERVER_TROUBLE = 500


def is_throttled(code: str) -> bool:
    """Tell whether an answer says that there were too many requests."""
    return code in THROTTLED


def is_passing(status: int, code: str) -> bool:
    """Tell whether the same request may succeed later."""
    return status >= SERVER_TROUBLE or code in THROTTLED or code in PASSING


def refusal(table: str, status: int, code: str, message: str, request_id: str) -> RowmillError:
    """Return our error for one of DynamoDB's answers.

    Args:
        table: The table's name.
        status: Of HTTP.
        code: DynamoDB's own, as AccessDeniedException.
        message: DynamoDB's words; left out where they could hold a value.
        request_id: By which AWS finds the request.
    """
    known = code in HARMLESS or message.startswith(HARMLESS_VALIDATION)
    said = f"DynamoDB answered {code or status} about the table {table!r}"
    said += (f": {message}" if message and known else "") + (f" (request {request_id})" if request_id else "")
    if is_passing(status, code):
        return TransientError(said, hint=AGAIN)
    return ConfigurationError(said, hint=HINTS.get(code, "check the table, its key's types, and the settings"))


def throttled(table: str) -> RowmillError:
    """Return the error for a table that takes only a part of each request."""
    return TransientError(f"the table {table!r} takes fewer items than are sent", hint=AGAIN)


def unreached(table: str, trouble: str) -> RowmillError:
    """Return the error for a request whose fate is not known."""
    return TransientError(f"DynamoDB cannot be reached for the table {table!r}: {trouble}", hint=AGAIN)
