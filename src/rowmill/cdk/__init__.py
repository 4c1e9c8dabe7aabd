"""AWS constructs, with the extra `cdk`: a cluster for jobs, a job on one, and both.

What they take is checked without AWS CDK; it is imported with the first construct.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rowmill.cdk.platforms import Cache, Platform
from rowmill.cdk.props import ClusterProps, JobProps, Props

if TYPE_CHECKING:
    from rowmill.cdk.building import Rowmill, RowmillCluster, RowmillJob

__all__ = ["Cache", "ClusterProps", "JobProps", "Platform", "Props", "Rowmill", "RowmillCluster", "RowmillJob"]


def __getattr__(name: str) -> Any:
    """Import a construct when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'rowmill.cdk' has no attribute {name!r}")
    return getattr(importlib.import_module("rowmill.cdk.building"), name)
