"""Becomes a process of the local AWS, in its own environment: of Rowmill, only `devcloud.aws` is importable here.

`launcher.py [--ends-with PID] [COMMAND…]`; without a command it becomes MiniStack.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have the kernel end this process with its parent, however that ends; it stays so for what this one becomes."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was quicker
        sys.exit("the one who started this has ended")


def open_packages() -> None:
    """Let modules of ours be imported without their packages' own code, which needs libraries that are not here."""
    here = Path(__file__).resolve().parent
    for name, folder in (("rowmill", here.parent), ("rowmill.devcloud", here)):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    sys.path.pop(0)  # this script's folder: its modules are no others' to import


def main(words: list[str]) -> None:
    """Become what is wanted."""
    if words[:1] == ["--ends-with"]:
        end_with(int(words[1]))
        words = words[2:]
    if words:
        os.execv(words[0], words)  # noqa: S606 - a list, no shell
    open_packages()
    from ministack.app import main as ministack  # noqa: PLC0415 - for MiniStack only

    from rowmill.devcloud.aws import hooks  # noqa: PLC0415

    hooks.install()
    sys.argv = sys.argv[:1]
    ministack()


if __name__ == "__main__":
    main(sys.argv[1:])
