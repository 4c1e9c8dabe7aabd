"""JSONata in a definition: what is known only at run time, in the place of a mark that stood for it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def evaluated(code: str) -> str:
    """Return a field that Step Functions evaluates."""
    return f"{{% {code} %}}"


def quoted(text: str) -> str:
    """Return a text as JSONata writes it."""
    return f"'{text}'" if not set(text) & set("'\\\n\r\t") else json.dumps(text, ensure_ascii=False)


def literal(code: str) -> str:
    """Return code for a text that Kubernetes hands on unchanged, as `kubejobs.pods.literal` does for what is known."""
    return f"$join($split({code}, '$'), '$$')"


def filled(value: Any, marks: Mapping[str | int, str]) -> Any:
    """Return a manifest with code in the place of marks.

    Args:
        value: The manifest.
        marks: Code by mark. A number stands for itself where it is a field, and for its digits within a text.
    """
    if isinstance(value, dict):
        return {name: filled(one, marks) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, marks) for one in value]
    if isinstance(value, str):
        code = code_of(value, marks)
        return value if code is None else evaluated(code)
    return evaluated(marks[value]) if not isinstance(value, bool) and value in marks else value


def code_of(text: str, marks: Mapping[str | int, str]) -> str | None:
    """Return code for a text with marks in it; None if it has none."""
    names = {str(mark): code if isinstance(mark, str) else f"$string({code})" for mark, code in marks.items()}
    parts = [part for part in re.split(f"({'|'.join(map(re.escape, names))})", text) if part]
    if not any(part in names for part in parts):
        return None
    return " & ".join(names.get(part) or quoted(part) for part in parts)


def listed(texts: Sequence[str], marks: Mapping[str | int, str]) -> str:
    """Return code for a list of texts, some of which have marks."""
    return f"[{', '.join(code_of(text, marks) or quoted(text) for text in texts)}]"
