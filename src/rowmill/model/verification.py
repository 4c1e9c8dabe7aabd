"""What verifying a run came to."""

from __future__ import annotations

import msgspec

SCHEMA = "rowmill.verification/1"


class Check(msgspec.Struct, frozen=True):
    """One question and its answer.

    Attributes:
        name: What was looked at.
        ok: It holds; None where that cannot be known, and `detail` says why.
        detail: What was found, without row content.
    """

    name: str
    ok: bool | None
    detail: str


class Verification(msgspec.Struct, frozen=True):
    """What was checked of a run, in order; `ok` if nothing failed."""

    run_id: str
    ok: bool
    checks: tuple[Check, ...]
    schema: str = SCHEMA
