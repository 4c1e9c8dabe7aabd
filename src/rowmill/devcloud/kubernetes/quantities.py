"""Kubernetes' quantities: `100m`, `1Gi`. Pure."""

from __future__ import annotations

from decimal import Decimal

SCALES = {
    "m": Decimal("0.001"),
    "u": Decimal("0.000001"),
    "n": Decimal("0.000000001"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{letter + "i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}


def number(quantity: str | float) -> Decimal:
    """Return what a quantity comes to.

    Raises:
        ValueError: It is none.
    """
    text = str(quantity)
    scale = text.lstrip("+-0123456789.")
    if scale[:1] in ("e", "E") and scale not in SCALES:
        return Decimal(text)
    if scale not in SCALES:
        raise ValueError(text)
    return Decimal(text[: len(text) - len(scale)]) * SCALES[scale]
