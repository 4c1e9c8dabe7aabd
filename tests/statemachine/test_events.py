"""What starts the machine: new inputs, and nothing that a run writes."""

from __future__ import annotations

from typing import Any

import pytest

from rowmill import wire
from rowmill.errors import ConfigurationError
from rowmill.statemachine import events

from .matching import matches

RUN = "0123456789abcdef"
WORKSPACE = "work/"
OF_THE_WORKSPACE = [
    f"{WORKSPACE}{name}"
    for name in (
        wire.receipt_name(RUN, 0),
        wire.data_name(RUN, 0, "a"),
        wire.rejects_name(RUN, 0, "a"),
        wire.failure_name(RUN, 0, "1-a"),
        wire.items_name(RUN, 1),
        f"{wire.run_dir(RUN)}/{wire.MANIFEST}",
        f"{wire.run_dir(RUN)}/{wire.MAP_RESULTS}/x/manifest.json",
    )
]
ODD = ["a b+c.csv", "ü/'\";$(x).csv", "in/../x.csv", "{% 1 %}.csv", "*.csv", "\\.csv"]


def created(key: str, bucket: str = "in", kind: str = "Object Created") -> dict[str, Any]:
    """Return S3's own event."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 5, "etag": "e"}, "reason": "PutObject"}
    return {"id": "e-1", "source": "aws.s3", "detail-type": kind, "detail": detail}


def called(key: str, bucket: str = "in", name: str = "PutObject", **more: str) -> dict[str, Any]:
    """Return CloudTrail's event."""
    request = {"bucketName": bucket, "key": key}
    detail = {"eventSource": "s3.amazonaws.com", "eventName": name, "requestParameters": request, **more}
    return {"id": "e-1", "source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "detail": detail}


BOTH = pytest.mark.parametrize(("pattern", "event"), [(events.created, created), (events.cloudtrail, called)])


@BOTH
@pytest.mark.parametrize("key", ["sales.csv", "2026/11/sales.CSV", "sales.csv.gz", "sales.csv.zst", *ODD])
def test_a_new_input_starts_the_machine(pattern: Any, event: Any, key: str) -> None:
    assert matches(pattern("in", workspace_prefix=None), event(key))


@BOTH
@pytest.mark.parametrize("prefix", ["", "in/", "a*b\\c/"])
def test_what_a_run_writes_starts_nothing(pattern: Any, event: Any, prefix: str) -> None:
    for suffixes in (events.SUFFIXES, (".jsonl", ".json", ".csv")):
        rule = pattern("in", prefix, suffixes, workspace_prefix=WORKSPACE if prefix else None)
        for key in (f"{prefix}sales{suffixes[0]}", f"{prefix}x/y{suffixes[-1]}"):
            assert matches(rule, event(key))
            for written in (f"{key}_Output", f"{key}_Rejects", f"{key}_Single_Output", f"{key}_Single_Output_Rejects"):
                assert not matches(rule, event(written))
        for key in OF_THE_WORKSPACE if prefix else ():
            assert not matches(rule, event(key))


@BOTH
def test_any_key_may_start_it_but_those_of_outputs_and_the_workspace(pattern: Any, event: Any) -> None:
    rule = pattern("in", suffixes=(), workspace_prefix=WORKSPACE)
    assert matches(rule, event("sales"))
    for key in ("sales_Output", "sales_Rejects", "sales_Output_Repairs", *OF_THE_WORKSPACE):
        assert not matches(rule, event(key))


@BOTH
def test_other_buckets_prefixes_and_endings_start_nothing(pattern: Any, event: Any) -> None:
    rule = pattern("in", "orders/")
    assert matches(rule, event("orders/x.csv"))
    for other in (event("orders/x.csv", "other"), event("x.csv"), event("orders/x.txt"), event("orders/csv")):
        assert not matches(rule, other)


def test_only_new_objects_and_writes_that_were_not_refused_count() -> None:
    assert not matches(events.created("in"), created("x.csv", kind="Object Deleted"))
    assert not matches(events.created("in"), called("x.csv"))
    rule = events.cloudtrail("in")
    for name in ("PutObject", "CompleteMultipartUpload", "CopyObject"):
        assert matches(rule, called("x.csv", name=name))
    assert not matches(rule, called("x.csv", name="DeleteObject"))
    assert not matches(rule, called("x.csv", errorCode="AccessDenied"))


@pytest.mark.parametrize(
    ("prefix", "suffixes", "workspace"),
    [
        ("in/", (), None),
        ("", ("",), None),
        ("", ("_Output",), None),
        ("", ("put",), None),
        ("", (".csv_Rejects",), None),
        ("", (".csv",), ""),
        ("", (".csv",), "work/"),
        ("in/", (".csv",), "in/work/"),
        ("in/work/", (".csv",), "in/"),
        ("", (), ""),
    ],
)
def test_a_rule_by_which_runs_could_start_runs_is_refused(prefix: str, suffixes: Any, workspace: str | None) -> None:
    with pytest.raises(ConfigurationError) as refused:
        events.created("in", prefix, suffixes, workspace_prefix=workspace)
    assert refused.value.hint
