"""Nothing is lost and nothing is counted twice, whatever the server does; and what is hopeless is told at once."""

from __future__ import annotations

import hashlib
import hmac
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from rowmill.errors import ConfigurationError, TransientError
from rowmill.tables.dynamodb.connecting import client, translated
from rowmill.tables.dynamodb.encoding import Encoder
from rowmill.tables.dynamodb.sending import Sender, write_units
from rowmill.testing.dynamodb_stub import DynamoStub, Faults
from rowmill.tracker import UNLIMITED

TABLE = "Orders"
SECRET = "a secret"  # noqa: S105 - of nobody
ENCODER = Encoder(keys=["id"], key_types={"id": "S"}, columns=None, types={}, null=None)


@pytest.fixture(autouse=True)
def _settings(monkeypatch, tmp_path):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def stub(monkeypatch):
    with DynamoStub() as running:
        running.create(TABLE, {"id": "S"})
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", running.url)
        yield running


def rows(count, **more):
    return [{"id": f"order {number}", "amount": str(number), **more} for number in range(count)]


def items(some):
    found = [ENCODER.encode_sized(row) for row in some]
    return [(one.item_json, write_units(one.size_bytes)) for one in found]


def stored(stub):
    return {key[0]: {name: value["S"] for name, value in item.items()} for key, item in stub.items(TABLE).items()}


def wanted(some):
    return {row["id"]: row for row in some}


def sender(pace=UNLIMITED, **how):
    return Sender("eu-west-1", TABLE, pace=pace, **how)


def put_all(sending, some, *, together=700):
    for low in range(0, len(some), together):
        sending.put(items(some[low : low + together]))


@pytest.mark.parametrize(
    "faults",
    [
        Faults(),
        Faults(throttle=0.3),
        Faults(unprocessed=0.5),
        Faults(error_500=0.3),
        Faults(reset=0.2),
        Faults(throttle=0.3, unprocessed=0.5, error_500=0.05, reset=0.05),
    ],
    ids=["none", "throttled", "half unprocessed", "500", "reset after it was done", "all together"],
)
def test_every_item_is_stored_once_and_acknowledged_once(stub, faults):
    stub.faults = faults
    some = rows(20_000)
    with sender() as sending:
        put_all(sending, some)
        assert sending.flush() == len(some)
        assert stored(stub) == wanted(some)
        assert sending.flush() == 0
    counts = stub.counts
    assert counts.most_puts == 25
    assert (counts.throttled > 0, counts.unprocessed > 0) == (faults.throttle > 0, faults.unprocessed > 0)
    assert (counts.errors > 0, counts.resets > 0) == (faults.error_500 > 0, faults.reset > 0)
    if not faults.reset:
        assert (counts.puts, counts.units) == (len(some), len(some))


def test_what_is_acknowledged_is_counted_since_the_last_flush(stub):
    some = rows(130)
    with sender() as sending:
        for low, high in ((0, 1), (1, 26), (26, 26), (26, 130)):
            sending.put(items(some[low:high]))
            assert sending.flush() == high - low
            assert len(stub.items(TABLE)) == high
    assert stored(stub) == wanted(some)


def test_a_budget_without_any_success_ends_as_a_wait_and_is_told_with_the_request(stub):
    stub.faults = Faults(throttle=1.0)
    with sender(budget_s=0.3) as sending:
        sending.put(items(rows(60)))
        with pytest.raises(TransientError, match=r"ProvisionedThroughputExceededException.*\(request STUB") as caught:
            sending.flush()
        assert "same command" in caught.value.hint
        with pytest.raises(TransientError):
            sending.put(items(rows(1)))
    assert stored(stub) == {}


def test_a_budget_is_not_spent_while_anything_succeeds(monkeypatch):
    some = rows(1500)
    with DynamoStub(Faults(throttle=0.3), latency_s=0.03) as slow:
        slow.create(TABLE, {"id": "S"})
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", slow.url)
        with sender(budget_s=1.5, window=1) as sending:  # all of it takes longer
            put_all(sending, some)
            assert sending.flush() == len(some)
        assert slow.counts.throttled > 10
        assert stored(slow) == wanted(some)


def test_a_server_that_goes_away_and_comes_back_costs_time_only(stub, monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{port}")  # nobody there
    some = rows(100)
    with sender(budget_s=0.3) as sending:
        put_all(sending, some)
        with pytest.raises(TransientError, match="ConnectionRefusedError"):
            sending.flush()
    with Relay(stub.port) as relay:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{relay.port}")
        with sender() as sending:
            put_all(sending, some)
            assert sending.flush() == 100
            relay.cut_all()
            put_all(sending, rows(200))
            assert sending.flush() == 200
    assert stored(stub) == wanted(rows(200))


class Relay:
    """Passes bytes between a client and a server, until it cuts."""

    def __init__(self, port):
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._pairs = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut_all()

    def _accept(self):
        try:
            while True:
                one, _ = self._listening.accept()
                other = socket.create_connection(("127.0.0.1", self._to))
                self._pairs.append((one, other))
                for source, target in ((one, other), (other, one)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()
        except OSError:
            return

    def _pump(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            end.close()

    def cut_all(self):
        for pair in self._pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    end.close()
        self._pairs.clear()


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("AccessDeniedException", "rowmill policy"),
        ("UnrecognizedClientException", "credentials"),
        ("ExpiredTokenException", "renew"),
        ("ValidationException", "key's types"),
    ],
)
def test_what_trying_again_cannot_mend_is_told_at_once(stub, code, hint):
    stub.faults = Faults(refuse=code)
    with sender() as sending:
        with pytest.raises(ConfigurationError, match=rf"{code} about the table 'Orders'.*\(request STUB") as caught:
            put_all(sending, rows(25_000))
        assert hint in caught.value.hint


@pytest.mark.usefixtures("stub")
def test_a_missing_table_is_told_at_once():
    with Sender("eu-west-1", "Elsewhere", pace=UNLIMITED) as sending:
        sending.put(items(rows(3)))
        with pytest.raises(ConfigurationError, match="ResourceNotFoundException about the table 'Elsewhere'"):
            sending.flush()


@pytest.mark.usefixtures("stub")
def test_a_refusal_does_not_show_what_was_sent():
    own = Encoder(keys=["id"], key_types={"id": "N"}, columns=None, types={}, null=None)
    with sender() as sending:
        sending.put([(own.encode({"id": "123456"})[0], 1)])
        with pytest.raises(ConfigurationError, match="Type mismatch for key id") as caught:
            sending.flush()
        assert "123456" not in str(caught.value.as_dict())


def test_large_items_go_in_requests_of_16_mb(stub):
    some = rows(60, text='"' * 400_000)  # each quote is two bytes on the wire, and one in the table
    with sender() as sending:
        put_all(sending, some, together=60)
        assert sending.flush() == 60
    assert stored(stub) == wanted(some)
    assert stub.counts.most_puts == 20
    assert stub.counts.units == 60 * 391


def test_the_pace_is_asked_for_the_units_of_every_item_once(stub):
    asked = []

    class Counting:
        def reserve(self, units):
            asked.append(units)
            return 0.001

    stub.faults = Faults(throttle=0.3, unprocessed=0.5)
    some = rows(500, text="x" * 2000)
    with sender(Counting()) as sending:
        put_all(sending, some)
        sending.flush()
    assert sum(asked) == stub.counts.units == 1000


def test_leaving_drops_what_is_queued_and_waits_for_no_pace(stub):
    class Never:
        def reserve(self, units):
            del units
            return 3600.0

    begun = time.monotonic()
    with sender(Never()) as sending:
        sending.put(items(rows(500)))
    assert time.monotonic() - begun < 60
    assert stub.items(TABLE) == {}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dynamodb-") and thread.is_alive()
                and thread.name != "dynamodb-stub"]  # fmt: skip


def test_leaving_does_not_wait_for_a_server_that_is_silent(monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with sender() as sending:
            sending.put(items(rows(200)))
            time.sleep(0.2)  # until some are under way
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dynamodb-")]


@pytest.mark.usefixtures("stub")
def test_an_error_nobody_foresaw_reaches_the_caller():
    class Broken:
        def reserve(self, units):
            raise ZeroDivisionError(units)

    with sender(Broken()) as sending:
        sending.put(items(rows(30)))
        with pytest.raises(ZeroDivisionError):
            sending.flush()


def test_without_credentials_or_region_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(ConfigurationError, match="region"):
        Sender(None, TABLE, pace=UNLIMITED)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ConfigurationError, match="credentials") as caught:
        sender()
    assert "AWS_PROFILE" in caught.value.hint
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigurationError, match="nobody"):
        sender()


def answered(answer):
    """Return a server that answers each request with these bytes, and keeps the last request."""
    listening = socket.create_server(("127.0.0.1", 0))
    kept = []

    def serve():
        while True:
            try:
                with listening.accept()[0] as one:
                    data = b""
                    while not data.endswith(b"}]}}"):
                        data += one.recv(65536)
                    kept.append(data)
                    one.sendall(answer)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    return listening, kept


DONE = b'{"UnprocessedItems":{}}'


def test_a_request_is_signed_as_aws_verifies_it(monkeypatch):
    """The signature is made once more, by the published rule, from what came over the wire."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(DONE)
    listening, kept = answered(head + DONE)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a token")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{listening.getsockname()[1]}")
    with closing(listening), sender() as sending:
        sending.put(items(rows(2)))
        assert sending.flush() == 2
        listening.shutdown(socket.SHUT_RDWR)
    top, _, body = kept[0].partition(b"\r\n\r\n")
    first, *lines = top.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert first == "POST / HTTP/1.1"
    scheme, credential, signed, signature = headers["authorization"].replace(",", "").split(" ")
    names = signed.partition("=")[2].split(";")
    assert set(names) >= {"host", "x-amz-date", "x-amz-target", "x-amz-security-token", "content-type"}
    scope = credential.partition("/")[2]
    canonical = "\n".join(
        ["POST", "/", "", *(f"{name}:{headers[name]}" for name in names), "", ";".join(names),
         hashlib.sha256(body).hexdigest()]
    )  # fmt: skip
    text = "\n".join([scheme, headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + SECRET.encode()
    for part in [*scope.split("/"), text]:
        key = hmac.new(key, part.encode(), "sha256").digest()
    assert signature == f"Signature={key.hex()}"
    assert headers["content-length"] == str(len(body))


@pytest.mark.usefixtures("stub")
def test_the_ordinary_client_follows_the_settings_and_its_errors_are_ours():
    asked = client("eu-west-1")
    assert client("eu-west-1") is asked
    assert asked.describe_table(TableName=TABLE)["Table"]["TableStatus"] == "ACTIVE"
    with pytest.raises(asked.exceptions.ResourceNotFoundException) as missing:
        asked.describe_table(TableName="Elsewhere")
    found = translated(missing.value, "Elsewhere")
    assert isinstance(found, ConfigurationError)
    assert "ResourceNotFoundException about the table 'Elsewhere'" in found.message


def test_the_stub_refuses_what_dynamodb_refuses(stub):
    asked = client("eu-west-1")

    def put(*some, **more):
        return asked.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": one}} for one in some]}, **more)

    for some, why in [
        ([{"id": {"S": str(number)}} for number in range(26)], "ValidationException.*Too many|Too many"),
        ([{"id": {"S": "1"}}] * 2, "duplicates"),
        ([{"id": {"S": ""}}], "empty string value"),
        ([{"id": {"N": "1"}}], "Type mismatch"),
        ([{"at": {"S": "1"}}], "Missing the key"),
        ([{"id": {"S": "1"}, "x": {"S": "x" * 410_000}}], "maximum allowed size"),
        ([{"id": {"S": "1"}, "x": {"SS": []}}], "may not be empty"),
        ([{"id": {"S": "1"}, "x": {"SS": ["a", "a"]}}], "contains duplicates"),
        ([{"id": {"S": "1"}, "x": {"N": "x"}}], "numeric value"),
        ([{"id": {"S": "1"}, "x": {"N": "1" * 39}}], "38 significant"),
    ]:
        with pytest.raises(asked.exceptions.ClientError, match=why):
            put(*some)
    assert stub.items(TABLE) == {}


def test_without_boto3_it_is_said_what_to_install():
    words = "import sys; sys.modules['boto3'] = None; import rowmill.tables.dynamodb.sending"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=False)
    assert "ConfigurationError: DynamoDB needs boto3" in done.stderr
