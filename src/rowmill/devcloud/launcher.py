"""Becomes a process of the local AWS, in its own environment: nothing of Rowmill is importable here.

`launcher.py [--ends-with PID] [COMMAND…]`; without a command it becomes MiniStack.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have the kernel end this process with its parent, however that ends; it stays so for what this one becomes."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was quicker
        sys.exit("the one who started this has ended")


def main(words: list[str]) -> None:
    """Become what is wanted."""
    if words[:1] == ["--ends-with"]:
        end_with(int(words[1]))
        words = words[2:]
    if words:
        os.execv(words[0], words)  # noqa: S606 - a list, no shell
    from ministack.app import main as ministack  # type: ignore[import-not-found]  # noqa: PLC0415 - for MiniStack only

    sys.argv = sys.argv[:1]
    ministack()


if __name__ == "__main__":
    main(sys.argv[1:])
