"""Pods to make KubernetesJobs of, and Kubernetes' own rules to check them by."""

from __future__ import annotations

import kubernetes_validate
import pytest

from rowmill.kubejobs import Claim, Pods, Request, SecretKey

VERSIONS = ("1.33", "1.37")


@pytest.fixture
def pods() -> Pods:
    return Pods(
        image="registry.example/rowmill:1",
        job="/job/orders.py:job",
        workspace="/data/rowmill",
        namespace="mills",
        claim=Claim("shared", "/data"),
        code="rowmill-code-0123456789",
        env={"ROWMILL_TRACKER": "redis://tracker:6379"},
        secrets={"PGPASSWORD": SecretKey("database", "password")},
        labels={"team": "orders"},
    )


@pytest.fixture
def request_() -> Request:
    return Request(input="/data/in.csv", options={"table": "none"}, params={"day": "2026-11-24"})


def check(manifest: dict[str, object]) -> None:
    """Check a manifest by Kubernetes' own schemas; an unknown field is an error."""
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)
