"""What the contracts stand on."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

for suite in ("storage_suite", "table_suite", "tracker_suite", "transactional_suite"):
    pytest.register_assert_rewrite(f"rowmill.testing.{suite}")

NOBODY = 65534


@pytest.fixture
def nobody_s_folder():
    """Give a folder that may be read and not written, and a way to be who may not: root may write anywhere."""
    folder = Path(tempfile.mkdtemp())  # beside tmp_path, which others may not even enter

    @contextmanager
    def as_nobody():
        if (before := os.geteuid()) == 0:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(before)

    folder.chmod(0o555)
    yield folder, as_nobody
    folder.chmod(0o755)
    shutil.rmtree(folder)
