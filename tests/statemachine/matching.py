"""EventBridge's patterns, as far as ours go."""

from __future__ import annotations

import re
from typing import Any


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether a rule with this pattern gets this event: every field must have one of its values."""
    for name, wanted in pattern.items():
        if isinstance(wanted, dict):
            if not matches(wanted, event.get(name) or {}):
                return False
        elif not any(is_so(one, event.get(name)) for one in wanted):
            return False
    return True


def is_so(wanted: Any, value: Any) -> bool:
    """Whether a field is as one entry of its list says."""
    if not isinstance(wanted, dict):
        return value == wanted
    ((kind, given),) = wanted.items()
    if kind == "exists":
        return (value is not None) == given
    if not isinstance(value, str):
        return False
    if kind == "suffix":
        return value.endswith(given)
    if kind == "wildcard":
        texts = [given] if isinstance(given, str) else given
        return any(re.fullmatch(as_regex(text), value, re.DOTALL) for text in texts)
    assert kind == "anything-but"
    return not is_so(given, value) if isinstance(given, dict) else value not in given


def as_regex(wildcard: str) -> str:
    """Return a wildcard pattern as a regular expression; `\\*` is a star, and `\\\\` a backslash."""
    parts = re.findall(r"\\[*\\]|\*|[^*\\]+", wildcard)
    assert "".join(parts) == wildcard
    return "".join(".*" if part == "*" else re.escape(part[1:] if part[0] == "\\" else part) for part in parts)
