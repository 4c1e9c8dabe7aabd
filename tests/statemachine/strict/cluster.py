"""The integrations: EKS speaks to the small Kubernetes, whose pods are real; the Lambda is called in this process."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any
from unittest import mock

from rowmill.splitfile import handler

from .interpreter import Answer, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMEOUT_S = 30
SERVER_ERROR = 500


class Eks:
    """`eks:call` and `eks:runJob.sync` as Step Functions has them.

    Attributes:
        token: By which the cluster knows the machine.
        fail: Gives what a question ends with, `EKS.500` for example, or nothing.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.fail: Callable[[str, str], str] = lambda _method, _path: ""
        self.sent: list[Answer] = []

    def answer(self, action: str, given: Answer) -> Answer:
        """Answer a question, or begin a KubernetesJob."""
        if action == "call":
            return self.ask(
                given, given["Method"], given["Path"], given.get("QueryParameters"), given.get("RequestBody")
            )
        path = f"/apis/batch/v1/namespaces/{given['Namespace']}/jobs"
        assert given["LogOptions"] == {"RetrieveLogs": False}
        return self.ask(given, "POST", path, None, given["Job"])["ResponseBody"]

    def ended(self, given: Answer) -> Answer | None:
        """Return a KubernetesJob that has ended well; nothing while it goes on."""
        meta = given["begun"]["metadata"]
        path = f"/apis/batch/v1/namespaces/{meta['namespace']}/jobs/{meta['name']}"
        job: Answer = self.ask(given, "GET", path, None, None)["ResponseBody"]
        found = [one for one in job["status"].get("conditions", ()) if one["status"] == "True"]
        if any(one["type"] == "Failed" for one in found):
            raise Refused("States.TaskFailed", "the job failed")
        return job if any(one["type"] == "Complete" for one in found) else None

    def ask(self, given: Answer, method: str, path: str, query: Mapping[str, list[str]] | None, body: Any) -> Answer:
        """Ask the API server; a refusal is named by its status."""
        if name := self.fail(method, path):
            raise Refused(name, "it was told to")
        words = urllib.parse.urlencode([(name, one) for name, values in (query or {}).items() for one in values])
        url = f"{given['Endpoint']}{urllib.parse.quote(path)}{f'?{words}' if words else ''}"
        data = None if body is None else json.dumps(body).encode()
        if body is not None:
            self.sent.append(body)
        heads = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, data, heads, method=method)  # noqa: S310 - our own http address
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                return {"StatusCode": answer.status, "ResponseBody": json.loads(answer.read())}
        except urllib.error.HTTPError as error:
            raise Refused(f"EKS.{error.code}", error.read().decode()) from None


class SplitFile:
    """`lambda:invoke` of the split-file Lambda.

    Attributes:
        env: Its environment.
        fail: How often it fails before it answers.
    """

    def __init__(self) -> None:
        self.env: dict[str, str] = {}
        self.fail = 0

    def answer(self, action: str, given: Answer) -> Answer:
        assert action == "invoke"
        if self.fail:
            self.fail -= 1
            raise Refused("Lambda.SdkClientException", "it was told to")
        with mock.patch.dict(os.environ, self.env):
            answer = handler(json.loads(json.dumps(given["Payload"])), None)
        return {"StatusCode": 200, "Payload": json.loads(json.dumps(answer))}


def none_ended(given: Answer) -> Any:
    raise AssertionError(given)
