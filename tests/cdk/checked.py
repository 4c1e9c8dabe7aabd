"""Synthesise all variants with what judges them on: CDK's validator, cdk-nag, every recommended feature flag.

A process of its own: the validator is chosen when Node starts. Arguments: the folder for the assembly.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.pop("CDK_VALIDATION", None)
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "20"

import aws_cdk as cdk
import cdk_nag
from variants import VARIANTS


def recommended() -> dict[str, object]:
    """Return the feature flags that `cdk init` writes, from where jsii has unpacked the library."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "aws" / "jsii" / "package-cache"
    (version,) = [one for one in (home / "aws-cdk-lib").iterdir() if one.name == cdk_version()]
    (file,) = version.glob("*/recommended-feature-flags.json")
    found: dict[str, object] = json.loads(file.read_bytes())
    return found


def cdk_version() -> str:
    """Return which version of the library is installed."""
    from importlib.metadata import version  # noqa: PLC0415

    return version("aws-cdk-lib")


def main() -> None:
    """Synthesise; what was found is in `validation-report.json`."""
    app = cdk.App(outdir=sys.argv[1], context=recommended())
    for name, build in VARIANTS.items():
        build(cdk.Stack(app, name))
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    try:
        app.synth()
    except Exception as error:
        if "validation" not in str(error).lower():
            raise


if __name__ == "__main__":
    main()
