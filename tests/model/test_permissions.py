"""The least rights that a run needs."""

from __future__ import annotations

import fnmatch

from rowmill.model.permissions import Places, policy

PLACES = Places("s3://in/a b/or*ders.csv", "s3://out/o.csv", "s3://work/runs", "dynamodb://eu-west-1/Orders", "111")


def allowed(document, action, arn):
    return any(
        action in statement["Action"] and any(fnmatch.fnmatchcase(arn, pattern) for pattern in statement["Resource"])
        for statement in document["Statement"]
    )


def test_the_input_is_read_and_never_written():
    document = policy(PLACES._replace(input="s3://in/orders.csv"))
    assert allowed(document, "s3:GetObject", "arn:aws:s3:::in/orders.csv")
    for action in ("s3:PutObject", "s3:DeleteObject"):
        assert not allowed(document, action, "arn:aws:s3:::in/orders.csv")
    assert not allowed(document, "s3:GetObject", "arn:aws:s3:::in/other.csv")


def test_output_rejects_and_workspace_are_written_and_nothing_beside_them():
    document = policy(PLACES)
    for key in ("out/o.csv", "out/o.csv_Rejects", "out/o.csv_Repairs", "work/runs/runs/1/manifest.json"):
        assert allowed(document, "s3:PutObject", f"arn:aws:s3:::{key}")
    for key in ("out/o.csv2", "work/runs2/x", "work/other"):
        assert not allowed(document, "s3:PutObject", f"arn:aws:s3:::{key}")


def test_a_wildcard_in_a_key_is_only_a_character():
    document = policy(PLACES)
    read = next(one for one in document["Statement"] if one["Sid"] == "ReadInput")
    assert read["Resource"] == ["arn:aws:s3:::in/a b/or${*}ders.csv"]


def test_a_table_is_made_only_if_that_is_asked_for():
    arn = "arn:aws:dynamodb:eu-west-1:111:table/Orders"
    assert allowed(policy(PLACES), "dynamodb:BatchWriteItem", arn)
    assert not allowed(policy(PLACES), "dynamodb:CreateTable", arn)
    assert allowed(policy(PLACES._replace(create_table=True)), "dynamodb:CreateTable", arn)


def test_no_statement_is_about_everything_and_ids_are_single():
    document = policy(PLACES._replace(kms_key="arn:aws:kms:eu-west-1:111:key/1"))
    ids = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(ids)) == len(ids)
    for statement in document["Statement"]:
        assert "*" not in statement["Resource"]
        assert not any(action.endswith("*") for action in statement["Action"])


def test_what_is_not_on_aws_needs_no_right_there():
    assert policy(Places("/in.csv", "/out.csv", "/work", "sqlite:///x.db"))["Statement"] == []
