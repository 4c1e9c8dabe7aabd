"""Lambda functions: an access point of EFS is a folder of this machine, and an error keeps its class."""

import re
from typing import Any

from ministack.services import lambda_svc

from rowmill.devcloud.aws import places

LAST_WORDS = re.compile(r"(?:[\w.]+\.)?(?P<name>\w+)(?:: .*)?")
LOST = "Runtime.HandlerError"
Data = dict[str, Any]
_execute = lambda_svc._execute_function_warm  # noqa: SLF001 - what is completed here


def install() -> None:
    """Complete MiniStack's Lambda."""
    lambda_svc._execute_function_warm = _executed  # noqa: SLF001


def _executed(func: Data, event: Any, request_id: str) -> Data:
    config = func.get("config") or func
    result: Data = _execute({**func, "config": _placed(config)}, event, request_id)
    body = result.get("body")
    if result.get("error") and isinstance(body, dict) and body.get("errorType") == LOST:
        lines = [line for line in result.get("log", "").splitlines() if line and not line.startswith(" ")]
        found = LAST_WORDS.fullmatch(lines[-1]) if lines else None
        body["errorType"] = found["name"] if found else LOST
    return result


def _placed(config: Data) -> Data:
    """Return a function's configuration whose variables lead to folders of this machine, where they lead to a mount."""
    variables = dict((config.get("Environment") or {}).get("Variables") or {})
    for system in config.get("FileSystemConfigs") or ():
        folder = str(places.efs() / system["Arn"].rpartition("/")[2])
        for name, value in variables.items():
            variables[name] = value.replace(system["LocalMountPath"], folder)
    return {**config, "Environment": {"Variables": variables}} if variables else config
