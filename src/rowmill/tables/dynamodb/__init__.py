"""DynamoDB: idempotent puts by a writer of our own; credentials, endpoints and signing are botocore's.

Raises:
    ConfigurationError: boto3 is not installed.
"""

from importlib.util import find_spec

from rowmill.errors import ConfigurationError

if find_spec("boto3") is None:
    raise ConfigurationError("DynamoDB needs boto3, which is not installed", hint="pip install 'rowmill[aws]'")
