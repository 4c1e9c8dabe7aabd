"""Every shape of the machine, as AWS CDK synthesises it, gives the oracle's output, from the event to the table."""

from __future__ import annotations

import pytest
from tests.statemachine.machines import SHAPES
from tests.statemachine.test_events import called, created

from rowmill.examples.orders import job
from rowmill.model.orders import HEADER, row_maker
from rowmill.testing import expected

from .conftest import ROWS

KEY = "2026/a b+ü's$(X).csv"


@pytest.fixture
def table(world):
    """Give the table, without items."""
    tables = world.steps.service("dynamodb")
    tables.create_table(
        TableName="Orders",
        AttributeDefinitions=[{"AttributeName": "Order ID", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "Order ID", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield tables
    tables.delete_table(TableName="Orders")


@pytest.mark.parametrize("shape", SHAPES)
def test_an_object_s_event_leads_to_the_oracle_s_output_and_table(world, synthesised, table, tmp_path, shape):
    bucket, work = f"in-{shape}", f"work-{shape}"
    for name in (bucket, work, f"out-{shape}"):
        world.steps.s3.create_bucket(Bucket=name)
    (tmp_path / "in.csv").write_text(HEADER + row_maker(7)(0, ROWS))
    world.steps.s3.upload_file(str(tmp_path / "in.csv"), bucket, KEY)
    world.split_file.env = {"ROWMILL_WORKSPACE": f"s3://{work}/rowmill"}

    event = (called if shape.endswith("sync") else created)(KEY, bucket)
    ended = world.steps.ended(world.steps.start(world.steps.create(synthesised[shape]), event))

    assert ended.status == "SUCCEEDED", (ended.error, ended.cause)
    told = expected(job, tmp_path / "in.csv")
    output = f"done/{KEY}_Output"
    assert world.steps.s3.get_object(Bucket=f"out-{shape}", Key=output)["Body"].read() == told.output
    items = table.scan(TableName="Orders")["Items"]
    found = {item["Order ID"]["S"]: item["ConfirmationId"]["S"] for item in items}
    assert found == {row["Order ID"]: row["ConfirmationId"] for row in told.table}
    run_id = ended.output["run_id"]
    assert ended.output == {
        "run_id": run_id,
        "status": "done",
        "input": f"s3://{bucket}/{KEY}",
        "output": f"s3://out-{shape}/{output}",
        "rows": ROWS,
        "written": ROWS,
        "filtered": 0,
        "rejected": 0,
        "duplicates": 0,
        "report": f"runs/{run_id}/report.json",
        "attempt": 1,
    }
