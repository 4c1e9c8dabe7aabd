"""What the stub's operations do, and how they fail on purpose."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from rowmill.testing.dynamodb_store import (
    MOST_KEYS,
    MOST_PUTS,
    Item,
    Key,
    Refusal,
    StubTable,
    checked_item,
    invalid,
    table_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

UNIT_BYTES = 1024
Put: TypeAlias = "tuple[StubTable, Key, dict[str, Any], int]"  # what is asked for, a put or a delete, and its size


class Faults(msgspec.Struct, frozen=True):
    """What goes wrong with writes, and with what probability.

    Attributes:
        throttle: The whole request is refused as throttled; nothing is written.
        unprocessed: Half of the request's puts, by dice, are not written and given back.
        error_500: Refused as an internal error; nothing is written.
        reset: All is written, and the connection is reset instead of an answer.
        refuse: Code of an error by which every request is refused, reads too.
        refused: The operations that this is for, if not for all.
        seed: Of the dice.
    """

    throttle: float = 0.0
    unprocessed: float = 0.0
    error_500: float = 0.0
    reset: float = 0.0
    refuse: str = ""
    refused: tuple[str, ...] = ()
    seed: int = 1


@dataclass
class Counts:
    """What was asked and answered.

    Attributes:
        requests: Requests that write.
        puts: Puts that were done; one that is sent again after a reset is done again.
        units: Write units of these.
        throttled, unprocessed, errors, resets: Requests, puts, requests and requests with that fault.
        most_puts: Of one request.
        most_bytes: Of the items of one request.
    """

    requests: int = 0
    puts: int = 0
    units: int = 0
    throttled: int = 0
    unprocessed: int = 0
    errors: int = 0
    resets: int = 0
    most_puts: int = 0
    most_bytes: int = 0


class Operations:
    """All tables, and the operations on them. One thread calls it."""

    def __init__(self, faults: Faults, page_items: int) -> None:
        self.faults = faults
        self.counts = Counts()
        self.tables: dict[str, StubTable] = {}
        self.dice = random.Random(faults.seed)  # noqa: S311 - not for secrets
        self._page_items = page_items
        self._known: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "CreateTable": self._create_table,
            "DescribeTable": lambda request: {"Table": self._table(request["TableName"]).description()},
            "DeleteTable": self._delete_table,
            "BatchWriteItem": self._batch_write_item,
            "PutItem": self._put_item,
            "BatchGetItem": self._batch_get_item,
            "GetItem": self._get_item,
            "Scan": self._scan,
            "Query": self._query,
        }

    def do(self, operation: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """Return an operation's answer, None where the connection is reset instead.

        Raises:
            Refusal: DynamoDB would refuse it, or the dice said so.
        """
        if self.faults.refuse and (not self.faults.refused or operation in self.faults.refused):
            raise Refusal(self.faults.refuse, "refused on purpose")
        if operation not in self._known:
            raise Refusal("UnknownOperationException", operation)
        return self._known[operation](request)

    def _table(self, name: str) -> StubTable:
        # A table may be named by its ARN.
        if (found := self.tables.get(name.rpartition("/")[2])) is None:
            raise Refusal("ResourceNotFoundException", "Requested resource not found")
        return found

    def _create_table(self, request: dict[str, Any]) -> dict[str, Any]:
        table = table_of(request)
        if table.name in self.tables:
            raise Refusal("ResourceInUseException", f"Table already exists: {table.name}")
        self.tables[table.name] = table
        return {"TableDescription": table.description()}

    def _delete_table(self, request: dict[str, Any]) -> dict[str, Any]:
        table = self._table(request["TableName"])
        del self.tables[table.name]
        return {"TableDescription": {**table.description(), "TableStatus": "DELETING"}}

    def _put_item(self, request: dict[str, Any]) -> dict[str, Any] | None:
        table = self._table(request["TableName"])
        one = {"PutRequest": {"Item": request["Item"]}}
        puts = [(table, table.key_of(request["Item"]), one, checked_item(request["Item"]))]
        self._fail_whole()
        return self._write(puts, {})

    def _batch_write_item(self, request: dict[str, Any]) -> dict[str, Any] | None:
        asked = [(name, one) for name, ones in request["RequestItems"].items() for one in ones]
        if not 1 <= len(asked) <= MOST_PUTS:
            raise invalid("Too many items requested for the BatchWriteItem call")
        puts: list[Put] = []
        for name, one in asked:
            table = self._table(name)
            if "DeleteRequest" in one:
                puts.append((table, table.key_of(one["DeleteRequest"]["Key"], whole=True), one, 0))
                continue
            item = one["PutRequest"]["Item"]
            size = checked_item(item)
            puts.append((table, table.key_of(item), one, size))
        if len({(table.name, key) for table, key, _, _ in puts}) != len(puts):
            raise invalid("Provided list of item keys contains duplicates")
        self._fail_whole()
        kept, left = puts, []
        if self.dice.random() < self.faults.unprocessed:
            self.dice.shuffle(puts)
            kept, left = puts[len(puts) // 2 + len(puts) % 2 :], puts[: len(puts) // 2 + len(puts) % 2]
        self.counts.unprocessed += len(left)
        unprocessed: dict[str, list[Any]] = {}
        for table, _, one, _ in left:
            unprocessed.setdefault(table.name, []).append(one)
        return self._write(kept, {"UnprocessedItems": unprocessed})

    def _fail_whole(self) -> None:
        self.counts.requests += 1
        if self.dice.random() < self.faults.throttle:
            self.counts.throttled += 1
            raise Refusal("ProvisionedThroughputExceededException", "The level of configured provisioned throughput…")
        if self.dice.random() < self.faults.error_500:
            self.counts.errors += 1
            raise Refusal("InternalServerError", "Internal server error")

    def _write(self, puts: list[Put], answer: dict[str, Any]) -> dict[str, Any] | None:
        for table, key, one, size in puts:
            if "PutRequest" in one:
                table.items[key] = one["PutRequest"]["Item"]
                self.counts.puts += 1
            else:
                table.items.pop(key, None)
            self.counts.units += max(1, -(-size // UNIT_BYTES))
        self.counts.most_puts = max(self.counts.most_puts, len(puts))
        self.counts.most_bytes = max(self.counts.most_bytes, sum(size for *_, size in puts))
        if self.dice.random() < self.faults.reset:
            self.counts.resets += 1
            return None
        return answer

    def _get_item(self, request: dict[str, Any]) -> dict[str, Any]:
        table = self._table(request["TableName"])
        found = table.items.get(table.key_of(request["Key"], whole=True))
        return {} if found is None else {"Item": projected(found, request)}

    def _batch_get_item(self, request: dict[str, Any]) -> dict[str, Any]:
        if sum(len(one["Keys"]) for one in request["RequestItems"].values()) > MOST_KEYS:
            raise invalid("Too many items requested for the BatchGetItem call")
        found: dict[str, list[Item]] = {}
        left: dict[str, Any] = {}
        for name, asked in request["RequestItems"].items():
            table = self._table(name)
            keys = [(table.key_of(key, whole=True), key) for key in asked["Keys"]]
            if len({key for key, _ in keys}) != len(keys):
                raise invalid("Provided list of item keys contains duplicates")
            if self.dice.random() < self.faults.unprocessed and len(keys) > 1:
                keys, later = keys[: len(keys) // 2], keys[len(keys) // 2 :]
                left[name] = {**asked, "Keys": [key for _, key in later]}
            found[name] = [projected(table.items[key], asked) for key, _ in keys if key in table.items]
        return {"Responses": found, "UnprocessedKeys": left}

    def _scan(self, request: dict[str, Any]) -> dict[str, Any]:
        table = self._table(request["TableName"])
        return self._page(table, sorted(table.items), request)

    def _query(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer `name = :value` about the hash key; no other condition is known."""
        table = self._table(request["TableName"])
        match = re.fullmatch(r"\s*(\S+)\s*=\s*(:\S+)\s*", request["KeyConditionExpression"])
        if match is None or request.get("ExpressionAttributeNames", {}).get(match[1], match[1]) != table.key[0].name:
            raise invalid("Query key condition not supported")
        wanted = request["ExpressionAttributeValues"][match[2]]
        keys = sorted(key for key, item in table.items.items() if item[table.key[0].name] == wanted)
        return self._page(table, keys, request)

    def _page(self, table: StubTable, keys: list[Key], request: dict[str, Any]) -> dict[str, Any]:
        if "ExclusiveStartKey" in request:
            after = table.key_of(request["ExclusiveStartKey"], whole=True)
            keys = [key for key in keys if key > after]
        page = keys[: min(request.get("Limit", self._page_items), self._page_items)]
        answer: dict[str, Any] = {"Count": len(page), "ScannedCount": len(page)}
        if request.get("Select") != "COUNT":
            answer["Items"] = [projected(table.items[key], request) for key in page]
        if len(page) < len(keys):
            last = table.items[page[-1]]
            answer["LastEvaluatedKey"] = {part.name: last[part.name] for part in table.key}
        return answer


def projected(item: Item, request: dict[str, Any]) -> Item:
    """Return the attributes of an item that a request asks for: all, or those named at the top level."""
    expression = request.get("ProjectionExpression")
    if not expression:
        return item
    names = request.get("ExpressionAttributeNames", {})
    wanted = {names.get(one.strip(), one.strip()) for one in expression.split(",")}
    return {name: value for name, value in item.items() if name in wanted}
