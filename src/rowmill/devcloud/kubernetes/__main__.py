"""`python -m rowmill.devcloud.kubernetes FOLDER PORT EFS`: the small Kubernetes as a process; it ends on SIGTERM."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from rowmill.devcloud import kubernetes


def main(folder: str, port: str, efs: str) -> None:
    """Run until told to end."""
    wanted = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    with kubernetes.serving(Path(folder), int(port), efs=Path(efs)):
        signal.sigwait(wanted)


if __name__ == "__main__":
    main(*sys.argv[1:])
