"""Source: compressed input and encodings that are not cut by bytes come out as bytes that are."""

from __future__ import annotations

import gzip
import os
import tracemalloc

import pytest

import rowmill
from rowmill import Csv, FixedWidth, Job, Jsonl, Lines
from rowmill.errors import ConfigurationError, InputError
from rowmill.steps.source import decoded, in_utf8

zstandard = pytest.importorskip("zstandard")

TEXT = "id,name\n" + "".join(f"{n},né {n * n} €\n" for n in range(20_000))
DATA = TEXT.encode()


def compressed(data: bytes, kind: str) -> bytes:
    return gzip.compress(data, mtime=0) if kind == "gzip" else zstandard.compress(data)


def stream(data: bytes, size: int = 1000):
    return (data[at : at + size] for at in range(0, len(data), size))


def read(data: bytes, encoding: str = "utf-8", size: int = 1000) -> bytes:
    return b"".join(decoded(stream(data, size), encoding))


def run(tmp_path, data: bytes, reads=None, **options):
    (tmp_path / "in").write_bytes(data)
    job = Job("source", reads=reads, writes=Csv(header=False))
    job.process(lambda row: row)
    places = {"workspace": str(tmp_path / "work"), "output": str(tmp_path / "out")}
    return rowmill.run(job, str(tmp_path / "in"), on="inline", **places, **options)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [1, 1000, 10**9])
def test_any_number_of_members_decode_to_one_text(kind, size):
    data = DATA[:5000]
    members = [data[:10], b"", data[10:4000], data[4000:]]
    assert read(b"".join(compressed(member, kind) for member in members), size=size) == data


@pytest.mark.parametrize("size", [1, 7, 10**9])
def test_zeros_between_and_after_gzip_members_are_padding(size):
    padded = gzip.compress(b"a\n") + b"\0" * 5 + gzip.compress(b"b\n") + b"\0" * 3000
    assert read(padded, size=size) == b"a\nb\n"


def test_what_is_not_compressed_comes_out_as_it_is():
    assert read(DATA) == DATA
    assert read(b"") == b""


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("lost", [1, 5, 5000])
def test_a_truncated_input_is_an_input_error_with_the_offset(kind, lost):
    data = compressed(os.urandom(8000) + DATA, kind)
    with pytest.raises(InputError, match="cut short") as caught:
        read(data[:-lost])
    assert f"after byte {len(data) - lost:,} " in caught.value.message
    assert caught.value.exit_code == 3
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [1, 1000, 10**9])
def test_garbage_after_a_member_is_an_input_error_with_the_offset(kind, size):
    data = compressed(DATA[:5000], kind)
    with pytest.raises(InputError, match=r"broken near byte ([\d,]+)") as caught:
        read(data + b"garbage!" * 10, size=size)
    offset = int(caught.value.message.split("near byte ")[1].split()[0].replace(",", ""))
    assert len(data) <= offset <= len(data) + 80


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_broken_byte_is_an_input_error(kind):
    checked = gzip.compress if kind == "gzip" else zstandard.ZstdCompressor(write_checksum=True).compress
    data = bytearray(checked(os.urandom(8000)))
    data[4000] ^= 0xFF
    with pytest.raises(InputError, match="broken near byte"):
        read(bytes(data))


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_however_well_it_is_compressed_little_is_held(kind):
    data = compressed(bytes(200_000_000), kind)
    tracemalloc.start()
    try:
        assert sum(map(len, decoded(stream(data, 10**6), "utf-8"))) == 200_000_000
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100_000_000


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "gb18030", "utf-8-sig"])
def test_an_encoding_that_is_not_cut_by_bytes_is_written_anew_as_utf_8(encoding):
    assert in_utf8(Csv(encoding=encoding)) == Csv(encoding="utf-8")
    assert read(TEXT.encode(encoding), encoding, 999).removeprefix(b"\xef\xbb\xbf") == DATA


def test_a_format_that_is_cut_by_bytes_stays_as_it_is():
    for reads in (Csv(encoding="cp1252"), Csv(), Jsonl(), Lines(encoding="latin-1"), FixedWidth(fields={"a": 1})):
        assert in_utf8(reads) is reads


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "shift_jis", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_every_encoding_and_compression_gives_the_same_rows(tmp_path, encoding, compress):
    text = 'id,名\n1,"山\n田"\n2,ソ表,\n' if encoding == "shift_jis" else 'id,ñ\n1,"é\né"\n2,ü€\n'
    text = text.replace("表,", "表").replace("€", "" if encoding == "shift_jis" else "€")
    run(tmp_path, compress(text.encode(encoding)), Csv(encoding=encoding), rows_per_partition=1)
    assert (tmp_path / "out").read_text() == text.split("\n", 1)[1]


def test_a_byte_order_mark_inside_the_text_is_data_in_any_partition(tmp_path):
    run(tmp_path, "\ufeffid\na\n\ufeffb\n\ufeffc\n".encode(), Csv(encoding="utf-8-sig"), rows_per_partition=1)
    assert (tmp_path / "out").read_text() == "a\n\ufeffb\n\ufeffc\n"


def test_a_character_that_does_not_read_rejects_its_row_alone_where_text_was_written_anew(tmp_path):
    data = "id,名\n1,山\n".encode("shift_jis") + b"2,\x81\n3,\x83\x5c\n"
    report = run(tmp_path, data, Csv(encoding="shift_jis"), rejects="1")
    assert (tmp_path / "out").read_text() == "1,山\n3,ソ\n"
    assert report.counts.rejected == 1


def test_text_that_ends_amid_a_character_is_an_input_error():
    with pytest.raises(InputError, match="utf-16"):
        read("ab".encode("utf-16") + b"c", "utf-16")


def test_an_unknown_encoding_is_a_configuration_error():
    with pytest.raises(ConfigurationError):
        read(b"", "latin-99")


def test_a_broken_compressed_input_ends_the_run_and_leaves_no_output(tmp_path):
    with pytest.raises(InputError, match="cut short"):
        run(tmp_path, gzip.compress(DATA)[:-20])
    assert not (tmp_path / "out").exists()
