from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowmill import Csv, InputError, Job, Table, api

SHORT = st.sampled_from(["1", "2", "3", "x", "", '"a\nb"', "é"])


def job_of(**declared):
    job = Job("scan", **declared)
    job.process(lambda _row: 1 / 0)  # it is never called
    return job


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(SHORT, min_size=2, max_size=3), min_size=1, max_size=30))
def test_all_malformed_rows_and_all_rows_of_a_key_that_comes_again_are_found(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("scan") / "in.csv"
    file.write_text("id,n\n" + "".join(",".join(row) + "\n" for row in rows))
    found = api.scan(job_of(table=Table("t", key="id")), str(file))
    lines, line = [], 2
    for row in rows:
        lines.append(line)
        line += 1 + ",".join(row).count("\n")
    malformed = [at for at, row in zip(lines, rows, strict=True) if len(row) != 2]
    keys = Counter(row[0] for row in rows if len(row) == 2)
    doubled = [at for at, row in zip(lines, rows, strict=True) if len(row) == 2 and keys[row[0]] > 1]
    assert (found.rows, found.malformed, found.doubled) == (len(rows), len(malformed), len(doubled))
    assert [one.line for one in found.findings] == sorted([*malformed, *doubled])


def test_a_row_that_does_not_fit_the_annotation_is_found_with_its_column(tmp_path):
    @dataclass
    class Order:
        order_id: int
        amount: float

    def each(row: Order):
        raise AssertionError(row)

    job = Job("typed", reads=Csv(), table=Table("t", key="Order ID"))
    each.__annotations__["row"] = Order
    job.process(each)
    (tmp_path / "in.csv").write_text("Order ID,Amount\n1,2.5\n2,much\nx\n2,1\n")
    found = api.scan(job, str(tmp_path / "in.csv"))
    assert (found.rows, found.malformed, found.doubled) == (4, 2, 2)
    told = [(one.line, one.ordinal, one.reason) for one in found.findings]
    assert told[0][:2] == (3, 1)
    assert "column 'amount'" in told[0][2]
    assert "much" not in told[0][2]
    assert told[1:] == [
        (3, 1, "its key (Order ID) is that of line 5"),
        (4, 2, "1 fields where the header has 2"),
        (5, 3, "its key (Order ID) is that of line 3"),
    ]


def test_a_key_of_several_columns_is_the_same_if_all_are(tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n1,2\n1,3\n1,2\n")
    found = api.scan(job_of(table=Table("t", key=["a", "b"])), str(tmp_path / "in.csv"))
    assert [(one.line, one.reason) for one in found.findings] == [
        (2, "its key (a, b) is that of line 4"),
        (4, "its key (a, b) is that of line 2"),
    ]


def test_a_key_that_only_the_function_makes_is_not_looked_at(tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n1,2\n1,2\n")
    found = api.scan(job_of(table=Table("t", key="made")), str(tmp_path / "in.csv"))
    assert (found.keys, found.doubled) == ((), 0)


def test_text_that_breaks_the_rules_is_told_with_its_line(tmp_path):
    (tmp_path / "in.csv").write_text('a,b\n1,2\n3,"x"y\n')
    with pytest.raises(InputError) as told:
        api.scan(job_of(), str(tmp_path / "in.csv"))
    assert told.value.context["line_no"] == 3
