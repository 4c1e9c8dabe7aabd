"""The public sample's job: give each order a confirmation, save both, and write `OrderId,ConfirmationId` in order."""

from __future__ import annotations

from rowmill import Context, Csv, Job, Table

job = Job(
    "orders",
    reads=Csv(),
    writes=Csv(columns=["Order ID", "ConfirmationId"], header=False),
    table=Table("Orders", key="Order ID"),
    rows_per_partition=30_000,
)


@job.process
def confirm(row: dict[str, str], ctx: Context) -> dict[str, str]:
    """Confirm an order; the id is the same on every retry."""
    return row | {"ConfirmationId": ctx.stable_id()}
