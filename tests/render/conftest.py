"""A user's desk with a job, a pod template, and the words to render it by."""

from __future__ import annotations

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
JOB = """\
from rowmill import Csv, Job

job = Job("echo", reads=Csv(), writes=Csv(header=False), rows_per_partition=10)


@job.process
def echo(row: dict) -> dict:
    return row
"""
TEMPLATE = """\
metadata:
  labels: {team: orders}
spec:
  nodeSelector: {disk: ssd}
  containers:
    - name: rowmill
      env:
        - name: PGPASSWORD
          valueFrom: {secretKeyRef: {name: database, key: password}}
"""
ON_CLAIM = {"claim": "shared:/data", "workers": 5, "image": "registry.example/rowmill:1", "namespace": "mills"}
BY_URL = {"workspace": "s3://in/runs", "workers": 5, "image": "registry.example/rowmill@sha256:00"}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    (tmp_path / "pods.yaml").write_text(TEMPLATE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path
