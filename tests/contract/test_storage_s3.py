"""S3 joins the storage suite."""

from __future__ import annotations

import pytest
from tests.storage.s3_server import s3, s3_endpoint

from rowmill.testing import suites

__all__ = ["s3", "s3_endpoint"]


@pytest.mark.parametrize("check", suites.STORAGE, ids=suites.name_of)
@pytest.mark.parametrize("prefix", ["", "/a folder/of #1?"])
def test_s3_is_a_storage(check, prefix, s3):
    check(f"{s3.url}{prefix}")
