"""Rows to the type that the function's annotation names, and its results back to plain values."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, get_origin

import msgspec

from rowmill.errors import ConfigurationError
from rowmill.steps.function.outcome import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def converter(kind: Any, columns: tuple[str, ...] | None) -> Callable[[Any], Any] | None:
    """Return what makes a row into the annotated type, `Rejected` where a value does not fit; None = as it is.

    Raises:
        ConfigurationError: The type needs a column that the input does not have.
    """
    if kind in (None, Any, dict, list, str) or get_origin(kind) in (dict, list):
        return None
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {field.encode_name: field.required for field in msgspec.structs.fields(kind)}
        return _by_msgspec(kind, _renames(kind, fields, columns))
    if dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        fields = {f.name: f.default is missing and f.default_factory is missing for f in dataclasses.fields(kind)}
        return _by_msgspec(kind, _renames(kind, fields, columns))
    if hasattr(kind, "model_validate"):
        named = {info.alias or name: info.is_required() for name, info in kind.model_fields.items()}
        return _by_pydantic(kind, _renames(kind, named, columns))
    return _by_msgspec(kind, {})


def snake(name: str) -> str:
    """Return a column's name as a Python name: `Order ID` is `order_id`."""
    return re.sub(r"\W+", "_", name.strip()).strip("_").lower()


def _renames(kind: Any, fields: Mapping[str, bool], columns: tuple[str, ...] | None) -> dict[str, str]:
    """Return field by column."""
    if columns is None:
        return {}
    renames = {column: column if column in fields else snake(column) for column in columns}
    found = set(renames.values())
    for name, required in fields.items():
        if required and name not in found:
            raise ConfigurationError(
                f"{kind.__name__} needs a column {name!r}, and the input has none",
                hint="the input's columns are " + ", ".join(columns),
            )
    return {column: field for column, field in renames.items() if field in fields}


def _by_msgspec(kind: Any, renames: Mapping[str, str]) -> Callable[[Any], Any]:
    def convert(row: Any) -> Any:
        if renames and isinstance(row, dict):
            row = {field: row[column] for column, field in renames.items()}
        try:
            return msgspec.convert(row, kind, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            return Rejected(re.sub(r"`\$\.?([^`]*)`", r"column '\1'", str(error)))

    return convert


def _by_pydantic(kind: Any, renames: Mapping[str, str]) -> Callable[[Any], Any]:
    def convert(row: Any) -> Any:
        if renames and isinstance(row, dict):
            row = {field: row[column] for column, field in renames.items()}
        try:
            return kind.model_validate(row)
        except ValueError as error:
            told = error.errors(include_input=False, include_url=False)[0]  # type: ignore[attr-defined]
            return Rejected(f"{told['msg']} - at column {'.'.join(map(str, told['loc']))!r}")

    return convert


def plain(value: Any) -> Any:
    """Return a result as formats and tables take it: objects with fields become dicts."""
    if isinstance(value, msgspec.Struct):
        return {f.encode_name: getattr(value, f.name) for f in msgspec.structs.fields(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return value.model_dump(by_alias=True)
    return value
