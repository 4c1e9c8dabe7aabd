"""A small Kubernetes in which nothing runs: only its API."""

from __future__ import annotations

import pytest

from rowmill.devcloud import kubernetes


@pytest.fixture
def api(tmp_path):
    with kubernetes.serving(tmp_path / "kubernetes", controllers=False) as cluster:
        yield cluster
