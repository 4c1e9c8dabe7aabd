"""Rows become the items that botocore would send, and what DynamoDB would refuse is not sent."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import botocore.session
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from rowmill.errors import ConfigurationError
from rowmill.tables.dynamodb.answers import body_of
from rowmill.tables.dynamodb.attributes import attribute_bytes, number_bytes, shortest_number
from rowmill.tables.dynamodb.encoding import MOST_ITEM_BYTES, Encoder, Unsendable, attribute
from rowmill.testing.dynamodb_store import attribute_bytes as stub_attribute_bytes
from rowmill.testing.dynamodb_store import checked_item, number

SETS = ("SS", "NS", "BS")
OPERATION = botocore.session.get_session().get_service_model("dynamodb").operation_model("BatchWriteItem")
SERIALIZER = create_serializer("json", include_validation=False)


def encoder(*, keys=("id",), key_types=None, columns=None, types=None, null=None):
    key_types = key_types or dict.fromkeys(((columns or {}).get(key, key) for key in keys), "S")
    return Encoder(keys=keys, key_types=key_types, columns=columns, types=types or {}, null=null)


def item(row, **how):
    return json.loads(encoder(**how).encode(row)[0])


def key_bytes(row, **how):
    return encoder(**how).encode(row)[1]


def reason(row, **how):
    with pytest.raises(Unsendable) as caught:
        encoder(**how).encode(row)
    return caught.value.reason


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
numbers = st.one_of(
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**20), max_value=10**20),
    st.builds(lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(0, 10**30), st.integers(-90, 80)),
)
scalars = st.one_of(texts, st.booleans(), st.none(), numbers, st.binary(max_size=12))
sets = st.one_of(
    st.frozensets(texts, min_size=1, max_size=4),
    st.frozensets(st.integers(-(10**20), 10**20), min_size=1, max_size=4),
    st.frozensets(st.binary(max_size=5), min_size=1, max_size=4),
)
values = st.recursive(
    st.one_of(scalars, sets),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=6,
)
rows = st.dictionaries(names, values, max_size=6)


def unordered(value):
    """Return a request's JSON with its sets in order: in which they come means nothing."""
    if isinstance(value, list):
        return [unordered(one) for one in value]
    if isinstance(value, dict):
        return {
            name: sorted(one) if name in SETS and isinstance(one, list) else unordered(one)
            for name, one in value.items()
        }
    return value


def by_botocore(row):
    serialized = {name: TypeSerializer().serialize(value) for name, value in row.items()}
    request = {"RequestItems": {"Orders": [{"PutRequest": {"Item": serialized}}]}}
    return json.loads(SERIALIZER.serialize_to_request(request, OPERATION)["body"])


@given(st.lists(rows, min_size=1, max_size=4), st.booleans())
def test_a_request_is_what_botocore_would_send(some, plain):
    own = encoder()
    for row in some:
        saved = ({name: str(value) for name, value in row.items()} if plain else row) | {"id": "k"}
        body = body_of("Orders", [(own.encode(saved)[0], 1)])
        assert unordered(json.loads(body)) == unordered(by_botocore(saved))


@given(rows)
def test_the_size_is_dynamodb_s_to_the_byte_without_declared_types(row):
    sized = encoder().encode_sized(row | {"id": "k"})
    assert sized.size_bytes == checked_item(json.loads(sized.item_json))


@given(st.lists(st.tuples(texts, st.decimals(-(10**9), 10**9, places=3), st.booleans()), min_size=1, max_size=4))
def test_a_text_of_a_declared_type_is_counted_a_few_bytes_too_high_at_most(some):
    own = encoder(types={"n": "N", "b": "B", "yes": "BOOL"})
    for text, amount, yes in some:
        sized = own.encode_sized({"id": "k", "n": str(amount), "b": text, "yes": str(yes)})
        true_size = checked_item(json.loads(sized.item_json))
        assert true_size <= sized.size_bytes <= true_size + 25 + len(text.encode())


@given(values)
def test_attributes_are_as_large_as_the_stub_says(value):
    assert attribute_bytes(attribute(value)) == stub_attribute_bytes(attribute(value))


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("", {"S": ""}),
        (1.5, {"N": "1.5"}),
        (1e22, {"N": "1E+22"}),
        (0.1, {"N": "0.1"}),
        (10**40, {"N": "1.0000000000000000000000000000000000000E+40"}),
        (datetime(2026, 11, 24, 12, tzinfo=UTC), {"S": "2026-11-24T12:00:00+00:00"}),
        (date(2026, 11, 24), {"S": "2026-11-24"}),
        (UUID(int=1), {"S": "00000000-0000-0000-0000-000000000001"}),
        ((1, "a"), {"L": [{"N": "1"}, {"S": "a"}]}),
        ({2, Decimal("2.0"), 10}, {"NS": ["2", "10"]}),
        ({0.1, Decimal("0.1")}, {"NS": ["0.1"]}),
        (bytearray(b"\x00"), {"B": "AA=="}),
        (Decimal("0E-200"), {"N": "0"}),
    ],
    ids=repr,
)
def test_values_that_botocore_takes_otherwise_or_not_at_all(value, sent):
    assert attribute(value) == sent


def nested(depth):
    return [nested(depth - 1)] if depth else "x"


NUMBERS_OUT_OF_RANGE = [
    10**38 + 1,
    10**5000,
    *map(Decimal, ("1E+126", "1E-131", "1." + "1" * 38, "NaN", "sNaN", "-Inf")),
]
OTHERS = [Fraction(1, 3), object(), 1j, nested(40), "\ud800", {"a": "\ud800"}, {1: "a"}, {"": 1}]
NO_SETS = [set(), frozenset(), {1, "a"}, {True}, {(1,)}]


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, *NUMBERS_OUT_OF_RANGE, *NO_SETS, *OTHERS],
    ids=lambda value: type(value).__name__,
)
def test_what_dynamodb_has_not_is_not_sent(value):
    with pytest.raises(Unsendable):
        attribute(value)
    assert reason({"id": "k", "x": value})


def test_lists_stand_in_each_other_as_deep_as_dynamodb_allows():
    assert attribute(nested(32))
    with pytest.raises(Unsendable, match="32 deep"):
        attribute(nested(33))


def test_a_reason_names_the_column_and_not_the_value():
    assert reason({"id": "k", "Amount": "secret"}, types={"Amount": "N"}) == (
        "column 'Amount': a number is expected, and its text is none"
    )
    for value in ("secret\ud800", {"secret": set()}, Fraction(1, 3)):
        assert "secret" not in reason({"id": "k", "Amount": value})


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({}, "the key 'id' is missing"),
        ({"id": None}, "the key 'id' is NULL"),
        ({"id": "NULL"}, "the key 'id' is NULL"),
        ({"id": ""}, "the key 'id' is empty"),
        ({"id": "é" * 1025}, "the key 'id' is longer than 2,048 bytes"),
        ({"id": True}, "column 'id': text is expected, and a bool is none"),
        ({"id": ["a"]}, "column 'id': text is expected, and a list is none"),
    ],
)
@pytest.mark.parametrize("other", ["plain", "with \n line end", None, 7])
def test_a_row_without_a_key_that_can_be_one_is_not_sent(row, told, other):
    assert reason(row | {"x": other}, null="NULL") == told


def test_a_key_may_be_as_long_as_dynamodb_allows():
    assert key_bytes({"id": "é" * 1024}) == ("é" * 1024).encode()
    both = {"keys": ("id", "at")}
    assert key_bytes({"id": "a", "at": "b" * 1024}, **both)
    assert "'at' is longer than 1,024" in reason({"id": "a", "at": "b" * 1025}, **both)


def test_a_key_takes_the_live_table_s_type():
    assert item({"id": 5}) == {"id": {"S": "5"}}
    assert item({"id": "5"}, key_types={"id": "N"}) == {"id": {"N": "5"}}
    assert item({"id": "5"}, key_types={"id": "B"}) == {"id": {"B": "NQ=="}}
    assert item({"id": "5"}, columns={"id": "key"}, key_types={"key": "N"}) == {"key": {"N": "5"}}
    assert item({"id": "5"}, types={"id": "S"}, key_types={"id": "N"}) == {"id": {"N": "5"}}
    assert "'id'" in reason({"id": "x5"}, key_types={"id": "N"})


@given(st.decimals(-(10**12), 10**12, places=3), st.integers(0, 5))
def test_one_number_written_in_many_ways_is_one_key(amount, zeros):
    ways = [amount, str(amount), f"{amount}{'0' * zeros}", f"{amount:e}", amount.normalize(), f"{amount:f}"]
    found = {key_bytes({"id": way}, key_types={"id": "N"}) for way in ways}
    assert len(found) == 1
    assert number(found.pop().decode()) == amount


def test_zero_has_no_sign_and_no_digits():
    zeros = ["0", "-0", "0.00", "0e5", 0, -0.0, Decimal("-0E+3")]
    assert {key_bytes({"id": zero}, key_types={"id": "N"}) for zero in zeros} == {b"0"}


@given(st.lists(st.tuples(texts.filter(bool), texts.filter(bool)), min_size=2, max_size=2, unique=True))
def test_two_composite_keys_are_never_one(keys):
    one, other = [key_bytes({"id": key, "at": rest}, keys=("id", "at")) for key, rest in keys]
    assert one != other


def test_only_mapped_columns_are_saved_under_their_names():
    own = encoder(columns={"id": "order_id", "Price": "price"})
    for row in ({"id": "1", "Price": "2", "Rest": "3"}, {"id": "1", "Rest": "3"}, {"Price": "2", "id": "1"}):
        sent = json.loads(own.encode(row)[0])
        wanted = {"id": "order_id", "Price": "price"}
        assert sent == {wanted[column]: {"S": value} for column, value in row.items() if column in wanted}


def test_rows_of_changing_columns_are_each_sent_whole():
    own = encoder()
    shapes = [{"id": "1", "a": "2"}, {"id": "1", "b": "2"}, {"id": "1"}, {"a": "x", "id": "1", "b": "y"}] * 200
    shapes += [{"id": "1", f"c{number}": "2"} for number in range(1000)]
    for row in shapes:
        assert json.loads(own.encode(row)[0]) == {name: {"S": value} for name, value in row.items()}


@pytest.mark.parametrize("rest", ["plain", 'a "quoted" \\ one', 5])
def test_a_text_that_stands_for_null_is_null_even_where_a_type_is_declared(rest):
    sent = item({"id": "k", "n": "", "s": "", "x": rest, "b": None}, null="", types={"n": "N", "b": "BOOL"})
    assert (sent["n"], sent["s"], sent["b"]) == ({"NULL": True},) * 3
    assert sent["x"] == attribute(rest)


@pytest.mark.parametrize("rest", ["plain", "é", "\u200b", "a\nb", None])
def test_declared_types_are_sent_whatever_stands_beside_them(rest):
    types = {"n": "N", "b": "B", "yes": "BOOL", "s": "S", "t": "TEXT"}
    sent = item({"id": "k", "n": "12.50", "b": "é", "yes": "True", "s": 7, "t": "t", "x": rest}, types=types)
    assert sent["n"] == {"N": "12.50"}
    assert sent["b"] == {"B": "w6k="}
    assert sent["yes"] == {"BOOL": True}
    assert sent["s"] == {"S": "7"}
    assert sent["t"] == {"S": "t"}
    assert sent["x"] == attribute(rest)


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1_000", "0x1", "\u0661", "1,5", "NaN", "Infinity", "1e", "--1", "1e9999999"]
)
def test_a_text_that_is_no_plain_number_is_none(text):
    assert "number" in reason({"id": "k", "n": text}, types={"n": "N"})


@pytest.mark.parametrize("text", ["1", "-1", "+1", "007", "1.", ".5", "1e3", "1E-3", "9" * 38, "0." + "1" * 38])
def test_a_plain_number_is_exact(text):
    assert Decimal(item({"id": "k", "n": text}, types={"n": "N"})["n"]["N"]) == Decimal(text)


def test_an_item_may_have_400_kib_and_not_a_byte_more():
    room = MOST_ITEM_BYTES - len("id") - len("k") - len("x")
    for filler in ("x", '"'):
        assert encoder().encode_sized({"id": "k", "x": filler * room}).size_bytes == MOST_ITEM_BYTES
        assert reason({"id": "k", "x": filler * (room + 1)}) == "the item is larger than 400 KB"
    typed = {"types": {"x": "S", "n": "N"}, "null": None}
    exact = {"id": "k", "x": "x" * (room - len("n") - 2), "n": "5"}  # one digit takes two bytes
    assert encoder(**typed).encode_sized(exact).size_bytes == MOST_ITEM_BYTES
    assert reason(exact | {"n": "555"}, **typed)


def test_a_declaration_that_dynamodb_cannot_keep_is_told():
    with pytest.raises(ConfigurationError, match="'VARCHAR'"):
        encoder(types={"a": "VARCHAR"})
    with pytest.raises(ConfigurationError, match="one attribute"):
        encoder(columns={"id": "id", "a": "x", "b": "x"})


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_a_number_is_as_large_as_its_digits_that_count(amount):
    digits = str(shortest_number(str(amount))).lstrip("-").partition("E")[0].replace(".", "").strip("0")
    assert number_bytes(str(amount)) == max(1, -(-len(digits) // 2)) + 1 + str(amount).startswith("-")
