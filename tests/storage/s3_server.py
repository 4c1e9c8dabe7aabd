"""A local S3 for tests: a server of its own for the session, a fresh bucket for each test.

Its environment is made once: it pins versions that are not ours.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest

SERVER = "ministack==1.5.33"
HOME = Path("~/.cache/rowmill-dev-ministack").expanduser()
START_S = 60


class Bucket(NamedTuple):
    """A fresh bucket.

    Attributes:
        endpoint: The server's address, which the environment names too.
        client: What tests look at it with.
    """

    endpoint: str
    name: str
    client: Any

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def all_keys(self) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=self.name).get("Contents", ())]

    def uploads(self) -> list[str]:
        return [one["Key"] for one in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory):
    if not (HOME / "bin/ministack").exists():
        subprocess.run([sys.executable, "-m", "venv", HOME], check=True)
        subprocess.run([HOME / "bin/pip", "install", "-q", SERVER], check=True)
    endpoint = f"http://127.0.0.1:{(port := free_port())}"
    around = {**os.environ, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1"}
    folder = tmp_path_factory.mktemp("ministack")
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [HOME / "bin/python", HOME / "bin/ministack"], env=around, cwd=folder, stdout=log, stderr=log
        ) as server,
    ):
        try:
            wait_for(endpoint)
            yield endpoint
        finally:
            server.terminate()


def wait_for(endpoint: str) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(endpoint, timeout=5).close()  # noqa: S310 - our own http address
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def s3(s3_endpoint, monkeypatch):
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in surroundings(s3_endpoint).items():
        monkeypatch.setenv(name, value)
    made = Bucket(s3_endpoint, f"test-{uuid.uuid4().hex[:12]}", boto3.client("s3"))
    made.client.create_bucket(Bucket=made.name)
    return made


def surroundings(endpoint: str) -> dict[str, str]:
    """Return the environment by which a process finds a server."""
    return {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
