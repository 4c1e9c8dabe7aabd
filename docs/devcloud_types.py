"""What of a template is made by the local AWS in its own way, and of what nothing is made."""  # noqa: INP001

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.devcloud.aws import types

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def devcloud_types(_page: Path) -> str:
    """Return the lists, as a template's author needs them."""
    rows = [
        ("made by Rowmill's own code", types.MADE_HERE),
        ("MiniStack's, and led to this machine's parts", types.COMPLETED),
        ("taken, and nothing is made", types.NOTHING_MADE),
        ("refused, since nothing here does it", types.NOT_DONE),
        ("Kubernetes' kinds in manifests that are left out", types.OBJECTS_NOT_MADE),
    ]
    head = ["| how | types |", "| --- | --- |"]
    return "\n".join([*head, *(f"| {how} | {_listed(names)} |" for how, names in rows)])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
