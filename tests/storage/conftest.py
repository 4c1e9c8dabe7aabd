"""What the tests of S3 stand on."""

from __future__ import annotations

from tests.storage.s3_server import s3, s3_endpoint

__all__ = ["s3", "s3_endpoint"]
