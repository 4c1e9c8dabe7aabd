import msgspec
import pytest

from rowmill.model.expected import Sample, expected, more_rows

SAMPLE = Sample(
    rows=1_000, written=990, rejected=10, process_s=0.1, merge_s=0.01, function_s=0.08,
    output_bytes=50_000, table_bytes=100_000,
)  # fmt: skip


def plan_of(rows, **given):
    told = {"split_s": 0.2, "workers": 2, "partitions": 16, "spooled_bytes": 0, "table_elsewhere": False} | given
    return expected(SAMPLE, rows=rows, **told)


def test_time_and_disk_grow_with_the_rows():
    found = plan_of(1_000_000)
    assert (found.rows_per_s, found.workers) == (10_000, 2)
    assert found.process_s == pytest.approx(0.3 + 100 / 2 / 0.9, abs=0.1)
    assert (found.merge_s, found.output_bytes, found.table_bytes) == (10.0, 50_000_000, 100_000_000)
    assert found.disk_bytes == 300_000_000
    assert found.total_s == pytest.approx(found.split_s + found.process_s + found.merge_s, abs=0.1)
    assert (found.rejected_percent, found.function_percent, found.bottleneck) == (1.0, 80, "function")


def test_few_rows_have_one_worker_and_one_partition_has_no_more():
    assert plan_of(1_000).workers == 1
    assert plan_of(1_000_000, partitions=1).workers == 1


def test_a_copy_of_the_input_needs_disk_too():
    assert plan_of(1_000_000, spooled_bytes=7).disk_bytes == 300_000_007


def test_the_longest_step_is_the_bottleneck():
    assert plan_of(1_000_000, split_s=1_000).bottleneck == "split"


def timed(rows: int, process_s: float) -> Sample:
    return msgspec.structs.replace(SAMPLE, rows=rows, process_s=process_s)


def test_a_sample_grows_until_it_is_long_enough_or_has_all_rows() -> None:
    assert more_rows(32, timed(32, 0.02)) == 1600
    assert more_rows(1600, timed(1600, 0.05)) == 32_000
    assert more_rows(32_000, timed(32_000, 0.5)) == 0
    assert more_rows(32_000, timed(20_000, 0.2)) == 0
    assert more_rows(32, timed(32, 0.0)) == 32_000
