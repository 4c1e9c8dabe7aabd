"""HTML and SVG as values: whatever is no markup already is escaped, so that no text can become markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = frozenset({"br", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return an element.

    Args:
        name: Of the element.
        children: Markup, text, numbers, or iterables of them; None is nothing.
        attributes: `class_` is `class`, `aria_label` is `aria-label`; None and False leave one out, True has no value.
    """
    opening = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(opening) if name in VOID else Markup(f"{opening}{joined(*children)}</{name}>")


def joined(*children: object) -> Markup:
    """Return children one after the other."""
    return Markup("".join(map(_child, children)))


def _child(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, Iterable) and not isinstance(child, str):
        return joined(*child)
    return escape(str(child))


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
