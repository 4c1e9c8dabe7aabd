"""Manifests as text: YAML as a person would write it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rowmill.errors import ConfigurationError
from rowmill.kubejobs.argo import workflow_template
from rowmill.kubejobs.bundle import bundle, kustomize_base
from rowmill.kubejobs.jobs import code_config_map
from rowmill.runners.pods import InPods, for_coordinator

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("yaml", "kustomize", "argo")
LINE = 120
# Text that some reader of YAML takes for a number or a truth value, though PyYAML does not: a digest as 12e4567890, y.
LIKE_A_NUMBER = re.compile(r"[-+.]?[0-9][-+.:_0-9a-fA-FoOxX]*|[yYnN]")


def rendered(made: InPods, form: str) -> dict[str, str]:
    """Return the files of a format, by name.

    Args:
        made: The request, ready for pods.
        form: `yaml`, `kustomize` or `argo`.
    """
    if form == "argo":
        pods = made.pods
        flow = workflow_template(pods, made.request, workers=made.chosen["workers"].value, template=made.template)
        code = [code_config_map(pods, made.files)] if made.files else []
        return {"workflow-template.yaml": as_yaml([*code, flow])}
    pods, files, settings = for_coordinator(made)
    objects = bundle(pods, made.request, files=files, settings=settings, template=made.template)
    if form == "yaml":
        return {"rowmill.yaml": as_yaml(objects)}
    return {name: as_yaml([manifest]) for name, manifest in kustomize_base(objects).items()}


def as_yaml(manifests: Sequence[dict[str, Any]]) -> str:
    """Return manifests as YAML documents; text of several lines stands as it is.

    Raises:
        ConfigurationError: The library is missing.
    """
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("YAML is written by PyYAML", hint="pip install 'rowmill[kubernetes]'") from None

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]  # the library ships no types
        """Writes every value where it stands, and long text as a block."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's own signature
            """Return that nothing is written as a reference to something else."""
            return True

    def text(dumper: Dumper, value: str) -> Any:
        style = "|" if "\n" in value else "'" if LIKE_A_NUMBER.fullmatch(value) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return "".join(
        f"---\n{yaml.dump(one, Dumper=Dumper, sort_keys=False, width=LINE, allow_unicode=True)}" for one in manifests
    )
