"""Whether a deployed machine would take a request; nothing is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowmill.runners.checking import Place
from rowmill.runners.stepfunctions import choosing, machines

if TYPE_CHECKING:
    from rowmill.runners.stepfunctions.choosing import Machine, Wanted


def check(machine: Machine, wanted: Wanted) -> list[Place]:
    """Ask for what is under way, and return what the machine says of itself: where it would read and write.

    Raises:
        StateError: The same input is under way with other options.
    """
    there = machines.under_way(machine, wanted)
    tags = machine.tags
    return [
        Place("state machine", machine.arn, f"runs {tags[choosing.JOB]}"),
        Place("input", wanted.input, "in the bucket that it reads; not looked at from here"),
        *(
            Place(place, tags[tag], "the machine's")
            for place, tag in (("workspace", choosing.WORKSPACE), ("table", choosing.TABLE))
            if tag in tags
        ),
        Place("execution", there.arn if there else "-", "under way" if there else "none is under way"),
    ]
