"""DynamoDb joins the suite of tables, on a strict server of our own and on the local AWS."""

from __future__ import annotations

import pytest

from rowmill.storage import open_storage
from rowmill.testing import suites
from rowmill.testing.dynamodb_stub import DynamoStub
from rowmill.testing.table_suite import Place

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1"}

NO_KEY = "the key '({column}|id)' is (NULL|missing|empty)"  # by the result's name
REFUSES = (set(), float("nan"), int("1" * 39))


@pytest.fixture
def on_stub(monkeypatch, tmp_path):
    with DynamoStub() as stub:
        for name, value in (KEYS | {"AWS_ENDPOINT_URL_DYNAMODB": stub.url}).items():
            monkeypatch.setenv(name, value)
        yield Place(
            "dynamodb://eu-west-1/{table}", workspace=open_storage(str(tmp_path)), refuses=REFUSES, no_key=NO_KEY
        )


@pytest.fixture
def on_local_aws(monkeypatch, tmp_path, rowmill_devcloud, request):
    for name, value in rowmill_devcloud.env.items():
        monkeypatch.setenv(name, value)
    kind = "".join(letter for letter in request.node.name if letter.isalnum())[-60:]
    return Place(
        f"dynamodb://us-east-1/{kind}{{table}}", workspace=open_storage(str(tmp_path)), refuses=REFUSES, no_key=NO_KEY
    )


@pytest.mark.parametrize("check", suites.TABLES, ids=suites.name_of)
def test_dynamodb_is_a_table(check, on_stub):
    try:
        check(on_stub)
    finally:
        suites.close_all()


@pytest.mark.parametrize("check", suites.TABLES, ids=suites.name_of)
def test_dynamodb_on_the_local_aws_is_a_table(check, on_local_aws):
    try:
        check(on_local_aws)
    finally:
        suites.close_all()
