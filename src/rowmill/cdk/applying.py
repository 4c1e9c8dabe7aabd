"""Kubernetes' objects: applied by CDK's handler, or written as YAML for whoever applies them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import yaml
from aws_cdk import aws_eks_v2 as eks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import Construct


def applied(
    scope: Construct, name: str, cluster: eks.ICluster, objects: list[dict[str, Any]]
) -> eks.KubernetesManifest:
    """Return the resource that applies objects to the cluster, and takes them away with the stack."""
    return eks.KubernetesManifest(scope, name, cluster=cluster, manifest=objects)


def rendered(scope: Construct, name: str, objects: list[dict[str, Any]], known_later: Mapping[str, str]) -> Path:
    """Write objects as YAML beside the template; return where.

    Args:
        scope: Its path names the file.
        name: What it holds.
        objects: What is to be applied.
        known_later: What only the deployed stack knows, by output: `${OUTPUT}` stands for it in the file.
    """
    text = json.dumps(objects)
    for token, output in known_later.items():
        text = text.replace(token, f"${{{output}}}")
    file = Path(cdk.Stage.of(scope).outdir) / f"{scope.node.path.replace('/', '-')}-{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump_all(json.loads(text), sort_keys=False), encoding="utf-8")
    return file
