"""The split-file Lambda: lists the partitions of a run that are still to do, for the Map of the state machine.

It imports the names that all share, the standard library, and what the Lambda's runtime or its asset has.
"""

from rowmill.splitfile.handling import handler

__all__ = ["handler"]
