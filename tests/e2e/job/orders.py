"""The example's job, whose rows can say what is to happen to them, in the column `Do`."""

import time
from pathlib import Path

from rowmill import Csv, Job, Table

job = Job(
    "orders",
    reads=Csv(),
    writes=Csv(columns=["Order ID", "ConfirmationId"], header=False),
    table=Table("Orders", key="Order ID"),
)
WORKSPACE = Path("/workspace")  # of pods with a file system


@job.process
def confirm(row: dict, ctx) -> dict:
    """Confirm an order; its row may wait, fail, or fail until something is mended."""
    if row["Do"] == "wait":
        time.sleep(0.02)
    if row["Do"] == "mend" and WORKSPACE.is_dir() and not (WORKSPACE / "mended").exists():
        raise RuntimeError("it is not mended")
    if row["Do"] == "fail":
        raise ValueError(row["Order ID"])
    return row | {"ConfirmationId": ctx.stable_id()}
