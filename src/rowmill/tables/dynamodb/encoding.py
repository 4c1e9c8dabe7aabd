"""Rows to items as they go into a request, quickly. Pure.

Nearly all values are short texts without anything that JSON must escape. Their item is joined from what stands between
the values, prepared once, and the values as they are: less than 2 µs for 15 of them. Everything else goes a slower way
to the same bytes.
"""

from __future__ import annotations

from base64 import b64decode
from json.encoder import encode_basestring
from operator import add, itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rowmill.errors import ConfigurationError
from rowmill.tables.dynamodb.attributes import (
    LONE_SURROGATE,
    OF_TYPE,
    Unsendable,
    attribute,
    attribute_bytes,
    shortest_number,
    typed_attribute,
    unicode_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Encoded", "Encoder", "Unsendable", "attribute"]

MOST_ITEM_BYTES = 400 * 1024
MOST_KEY_BYTES = (2048, 1024)  # of the hash key, of the range key
MOST_SHAPES = 256
SAME_AS = {"TEXT": "S"}
NULL_JSON = '{"NULL":true}'
NOT_TEXT_BYTES = 2  # a number takes at most so many bytes more than its digits; a bool and a binary take less
LENGTH_BYTES = 4


class Encoded(NamedTuple):
    """An item that is ready to be sent.

    Attributes:
        item_json: The item as it stands in `PutRequest.Item`.
        key_bytes: Equal for items with an equal key, and only for these.
        size_bytes: By DynamoDB's rule; a few bytes too high where text is sent as a number, binary or bool.
    """

    item_json: bytes
    key_bytes: bytes
    size_bytes: int


class Shape(NamedTuple):
    """What is prepared for all rows that have the same columns.

    Attributes:
        columns: Of the result, in the order of the item.
        kinds: The declared type of each, or an empty text.
        values_of: Gives a row's values in that order.
        names_json: Each attribute's name and a colon.
        pieces: The item's JSON around plain values: every other place is a value's.
        converting: Place and conversion of each value that is declared to be something else than text.
        name_bytes: Size of the names.
        fixed_bytes: Size of the item, less the length of its JSON.
        keys: Places of the key's values.
    """

    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    values_of: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    names_json: tuple[str, ...]
    pieces: list[str]
    converting: tuple[tuple[int, Callable[[Any], str]], ...]
    name_bytes: int
    fixed_bytes: int
    keys: tuple[int, ...]


class Encoder:
    """Makes items of rows.

    Args:
        keys: The key's result columns, at most two.
        key_types: The live table's type of each of these, S, N or B, by attribute name.
        columns: Attribute name by result column; only these are saved. None: all, by their own names.
        types: S, N, B or BOOL by result column; by default a value's own type decides.
        null: Text that is saved as NULL.

    Raises:
        ConfigurationError: A type is unknown, or two columns go into one attribute.
    """

    def __init__(
        self,
        *,
        keys: Sequence[str],
        key_types: Mapping[str, str],
        columns: Mapping[str, str] | None,
        types: Mapping[str, str],
        null: str | None,
    ) -> None:
        self._keys = tuple(keys)
        self._columns = columns
        self._null = null
        live = {key: key_types[name] for key in keys if (name := (columns or {}).get(key, key)) in key_types}
        self._kinds = {column: known_type(column, kind) for column, kind in {**types, **live}.items()}
        if columns is not None and len(set(columns.values())) != len(columns):
            raise ConfigurationError("two columns go into one attribute", hint="correct columns= of the Table")
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._last = self._shape(self._keys if columns is None else tuple(columns))

    def encode(self, row: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Return a row's item and its key's bytes.

        Raises:
            Unsendable: DynamoDB would not take it, and why.
        """
        return self.encode_sized(row)[:2]

    def encode_sized(self, row: Mapping[str, Any]) -> Encoded:
        """Return a row's item, its key's bytes and its size.

        Raises:
            Unsendable: DynamoDB would not take it, and why.
        """
        shape = self._last
        try:
            values = shape.values_of(row)
        except KeyError:
            values = None
        if values is None or (self._columns is None and len(row) != len(values)):  # a column less, or one more
            shape = self._shape_of(row)
            values = shape.values_of(row)
        if self._null is not None and self._null in values:
            values = tuple([None if value == self._null else value for value in values])
        if None in values:
            encoded = self._joined_with_nulls(shape, values) or self._composed(shape, values)
        else:
            encoded = self._joined(shape, values) or self._composed(shape, values)
        if encoded.size_bytes > MOST_ITEM_BYTES:
            encoded = self._composed(shape, values)  # its size is exact
            if encoded.size_bytes > MOST_ITEM_BYTES:
                raise Unsendable("the item is larger than 400 KB")
        return encoded

    def _joined(self, shape: Shape, values: tuple[Any, ...]) -> Encoded | None:
        """Return the item of plain texts; None if there is anything else."""
        try:
            text = "".join(values)
        except TypeError:
            return None
        if not text.isprintable() or '"' in text or "\\" in text:  # a lone surrogate is not printable
            return None
        if shape.converting:
            values = converted(shape, values)
        parts = shape.pieces.copy()
        parts[1::2] = values
        item_json = "".join(parts).encode()
        return Encoded(item_json, self._key_bytes(shape, values), shape.fixed_bytes + len(item_json))

    def _joined_with_nulls(self, shape: Shape, values: tuple[Any, ...]) -> Encoded | None:
        """Return the item of plain texts and NULLs; None if there is anything else."""
        texts = [value for value in values if value is not None]
        try:
            text = "".join(texts)
        except TypeError:
            return None
        if shape.converting or not text.isprintable() or '"' in text or "\\" in text:
            return None
        attributes = [NULL_JSON if value is None else f'{{"S":"{value}"}}' for value in values]
        item_json = f"{{{','.join(map(add, shape.names_json, attributes))}}}".encode()
        size_bytes = shape.name_bytes + len(text.encode()) + len(values) - len(texts)
        return Encoded(item_json, self._key_bytes(shape, values), size_bytes)

    def _composed(self, shape: Shape, values: tuple[Any, ...]) -> Encoded:
        """Return the item of any values, and its size to the byte."""
        attributes: list[str] = []
        texts: list[str] = []
        size_bytes = shape.name_bytes
        for column, kind, value in zip(shape.columns, shape.kinds, values, strict=True):
            if isinstance(value, str) and kind in ("", "S"):
                attributes.append('{"S":' + encode_basestring(value) + "}")
                texts.append(value)
            elif value is None:
                attributes.append(NULL_JSON)
                size_bytes += 1
            else:
                one = typed(column, kind, value)
                attributes.append(msgspec.json.encode(one).decode())
                size_bytes += attribute_bytes(one)
        joined = ",".join(map(add, shape.names_json, attributes))
        try:
            size_bytes += len("".join(texts).encode())
            key_bytes = self._key_bytes(shape, self._key_texts(shape, values))
            return Encoded(f"{{{joined}}}".encode(), key_bytes, size_bytes)
        except UnicodeEncodeError:
            raise Unsendable(LONE_SURROGATE) from None

    def _key_texts(self, shape: Shape, values: tuple[Any, ...]) -> dict[int, str | None]:
        """Return what is sent for the key's values, by place."""
        texts: dict[int, str | None] = {}
        for place in shape.keys:
            wanted = shape.kinds[place] or "S"
            ((kind, sent),) = typed(shape.columns[place], shape.kinds[place], values[place]).items()
            if kind not in ("NULL", wanted):
                raise Unsendable(f"the key {shape.columns[place]!r} has a type that the table's key has not")
            texts[place] = None if kind == "NULL" else sent
        return texts

    def _key_bytes(self, shape: Shape, values: Mapping[int, str | None] | Sequence[str | None]) -> bytes:
        """Return the key by the texts that are sent for its values."""
        keys = shape.keys
        if len(keys) == 1:
            return key_part(shape, keys[0], values[keys[0]], MOST_KEY_BYTES[0])
        parts = [key_part(shape, at, values[at], most) for at, most in zip(keys, MOST_KEY_BYTES, strict=False)]
        return b"".join(len(part).to_bytes(LENGTH_BYTES, "big") + part for part in parts)

    def _shape_of(self, row: Mapping[str, Any]) -> Shape:
        columns = tuple(row if self._columns is None else filter(row.__contains__, self._columns))
        if (shape := self._shapes.get(columns)) is None:
            for key in self._keys:
                if key not in columns:
                    raise Unsendable(f"the key {key!r} is missing")
            if len(self._shapes) == MOST_SHAPES:
                self._shapes.clear()
            shape = self._shapes[columns] = self._shape(columns)
        if self._columns is None:  # else it might be a part of the next row, whose other columns would be left out
            self._last = shape
        return shape

    def _shape(self, columns: tuple[str, ...]) -> Shape:
        names = columns if self._columns is None else tuple(self._columns[column] for column in columns)
        kinds = tuple(self._kinds.get(column, "") for column in columns)
        names_json = tuple(name_json(name) for name in names)
        pieces = pieces_between(names_json, kinds)
        name_bytes = sum(len(name.encode()) for name in names)
        extra = NOT_TEXT_BYTES * sum(kind not in ("", "S") for kind in kinds)
        return Shape(
            columns=columns,
            kinds=kinds,
            values_of=getter(columns),
            names_json=names_json,
            pieces=pieces,
            converting=tuple((at, OF_TYPE[kind]) for at, kind in enumerate(kinds) if kind not in ("", "S")),
            name_bytes=name_bytes,
            fixed_bytes=name_bytes + extra - len("".join(pieces).encode()),
            keys=tuple(columns.index(key) for key in self._keys),
        )


def known_type(column: str, kind: str) -> str:
    """Return a declared type as DynamoDB writes it.

    Raises:
        ConfigurationError: It has none such.
    """
    found = SAME_AS.get(kind.upper(), kind.upper())
    if found not in OF_TYPE:
        raise ConfigurationError(
            f"the type {kind!r} of column {column!r} is not one of DynamoDB's", hint="use S, N, B or BOOL in types="
        )
    return found


def typed(column: str, kind: str, value: Any) -> dict[str, Any]:
    """Return one value as an attribute.

    Raises:
        Unsendable: DynamoDB has no such value; with the column's name.
    """
    try:
        return typed_attribute(value, kind)
    except Unsendable as why:
        raise Unsendable(f"column {column!r}: {why.reason}") from None


def name_json(name: str) -> str:
    """Return an attribute's name and a colon as JSON.

    Raises:
        Unsendable: DynamoDB has no such name.
    """
    if not name:
        raise Unsendable("a column has no name")
    return msgspec.json.encode(unicode_text(name)).decode() + ":"


def pieces_between(names_json: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """Return an item's JSON with a free place for each value at every other index."""
    pieces = ["{"]
    for at, (name, kind) in enumerate(zip(names_json, kinds, strict=True)):
        before, after = ('{"BOOL":', "}") if kind == "BOOL" else (f'{{"{kind or "S"}":"', '"}')
        pieces[-1] += ("," if at else "") + name + before
        pieces += ["", after]
    pieces[-1] += "}"
    return pieces


def getter(columns: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return what gives a row's values of these columns as a tuple."""
    if len(columns) > 1:
        return itemgetter(*columns)
    return lambda row: tuple(row[column] for column in columns)


def converted(shape: Shape, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values with those that have a declared type as the text that is sent."""
    changed = list(values)
    for place, convert in shape.converting:
        try:
            changed[place] = convert(changed[place])
        except Unsendable as why:
            raise Unsendable(f"column {shape.columns[place]!r}: {why.reason}") from None
    return tuple(changed)


def key_part(shape: Shape, place: int, text: str | None, most_bytes: int) -> bytes:
    """Return one key value's bytes, equal for equal values.

    Raises:
        Unsendable: DynamoDB would not take it as a key.
    """
    if not text:
        raise Unsendable(f"the key {shape.columns[place]!r} is {'NULL' if text is None else 'empty'}")
    kind = shape.kinds[place]
    if kind == "N":
        return shortest_number(text).encode()
    part = b64decode(text) if kind == "B" else text.encode()
    if len(part) > most_bytes:
        raise Unsendable(f"the key {shape.columns[place]!r} is longer than {most_bytes:,} bytes")
    return part
