"""How a suite asks for a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def failure_of(call: Callable[[], object]) -> Exception | None:
    """Return what a call raises, None if nothing."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        return error
    return None
