"""The local AWS: up, down, and nobody else's processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import boto3
import pytest
import valkey

from rowmill import devcloud
from rowmill.devcloud import ports, processes
from rowmill.errors import ConfigurationError, StateError
from rowmill.storage.claims import born

HANGS_S = 60.0


@pytest.fixture
def data(tmp_path):
    yield tmp_path / "cloud"
    devcloud.down(tmp_path / "cloud")


def client(cloud, service):
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - it takes any
    )


def asked_of_kubernetes(cloud, path, body=None):
    token = Path(cloud.kubeconfig).with_name("token").read_text(encoding="ascii")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    raw = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{cloud.kubernetes_url}{path}", raw, headers)  # noqa: S310 - our own
    with urllib.request.urlopen(request, timeout=HANGS_S) as answer:  # noqa: S310 - our own
        return json.load(answer)


def until(what):
    end = time.monotonic() + HANGS_S
    while not what():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def rowmill(*words, env=None):
    command = [sys.executable, "-m", "rowmill", "devcloud", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | (env or {})
    )


def test_it_is_up_once_and_twice_is_the_same(data):
    cloud = devcloud.up(data, port=0, valkey_port=0)
    assert cloud.alive
    assert devcloud.up(data, port=0, valkey_port=0) == cloud
    client(cloud, "s3").create_bucket(Bucket="here")
    assert Path(cloud.efs).is_dir()
    assert ports.listens(cloud.valkey_port)


def test_down_stops_what_was_started_and_nothing_else(data):
    cloud = devcloud.up(data, port=0, valkey_port=0)
    assert devcloud.down(data)
    assert not any(map(processes.runs, cloud.started.values()))
    assert not ports.listens(cloud.port)
    assert not devcloud.down(data)


def test_another_process_with_a_remembered_pid_is_left_alone():
    with subprocess.Popen(["sleep", "60"]) as other:
        processes.stop(processes.Started(other.pid, "long ago"))
        assert other.poll() is None
        other.kill()


def test_what_it_started_ends_with_it():
    script = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True) as parent:
        child = int(parent.stdout.readline())
        processes.stop(processes.Started(parent.pid, born(parent.pid)))
        until(lambda: born(child) == "")


def test_it_listens_on_loopback_only(data):
    cloud = devcloud.up(data, port=0, valkey_port=0)
    pids = {started.pid for started in cloud.started.values()}
    shown = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=False).stdout.splitlines()
    listening = {line.split()[3] for line in shown if any(f"pid={pid}," in line for pid in pids)}
    assert listening == {f"127.0.0.1:{port}" for port in (cloud.port, cloud.valkey_port, cloud.kubernetes_port)}


def test_reset_empties_all_stores_and_it_goes_on_where_it_is(data):
    cloud = devcloud.up(data, port=0, valkey_port=0)
    client(cloud, "s3").create_bucket(Bucket="gone")
    client(cloud, "dynamodb").create_table(
        TableName="gone",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    Path(cloud.efs, "gone").write_text("x")
    config_map = "/api/v1/namespaces/default/configmaps"
    assert asked_of_kubernetes(cloud, config_map, {"metadata": {"name": "gone"}})["metadata"]["name"] == "gone"
    with valkey.Valkey(port=cloud.valkey_port) as asked:
        asked.set("gone", 1)
        assert devcloud.reset(data) == cloud
        assert asked.keys() == []
    assert client(cloud, "s3").list_buckets()["Buckets"] == []
    assert client(cloud, "dynamodb").list_tables()["TableNames"] == []
    assert list(Path(cloud.efs).iterdir()) == []
    left = asked_of_kubernetes(cloud, config_map)["items"]
    assert [found["metadata"]["name"] for found in left] == ["kube-root-ca.crt"]
    assert cloud.alive


def test_what_does_not_run_is_not_reset(data):
    with pytest.raises(StateError, match="does not run"):
        devcloud.reset(data)


def test_two_that_start_it_at_once_get_the_same(data):
    words = ["up", "--port", "0", "--valkey-port", "0", "--data", str(data)]
    command = [sys.executable, "-m", "rowmill", "devcloud", *words]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (one.communicate(timeout=HANGS_S)[0] for one in both)
    assert first == second
    assert devcloud.read(data).alive


ENDING = """
import sys, time
from rowmill import devcloud
devcloud.up(sys.argv[1], port=0, valkey_port=0, ends_with_starter=True)
print("up", flush=True)
time.sleep(60)
"""


def test_it_may_end_with_a_starter_that_is_killed(data):
    with subprocess.Popen([sys.executable, "-c", ENDING, str(data)], stdout=subprocess.PIPE) as starter:
        assert starter.stdout.readline() == b"up\n"
        cloud = devcloud.read(data)
        assert cloud.alive
        starter.kill()
    until(lambda: not any(map(processes.runs, cloud.started.values())))


def test_it_goes_on_when_its_starter_ends(data):
    assert rowmill("up", "--port", "0", "--valkey-port", "0", "--data", str(data)).returncode == 0
    assert devcloud.read(data).alive
    assert ports.listens(devcloud.read(data).port)


def test_what_has_died_is_started_anew(data):
    cloud = devcloud.up(data, port=0, valkey_port=0)
    os.kill(cloud.started["valkey"].pid, signal.SIGKILL)
    while processes.runs(cloud.started["valkey"]):
        time.sleep(0.01)
    assert not devcloud.read(data).alive
    assert devcloud.up(data, port=0, valkey_port=0).alive


@pytest.mark.parametrize("which", ["port", "valkey_port", "kubernetes_port"])
def test_a_taken_port_is_told_and_by_whom(data, which):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(StateError, match=rf"{taken} is taken by \S.* \(pid {os.getpid()}\)"):
            devcloud.up(data, **{"port": 0, "valkey_port": 0, which: taken})
    assert devcloud.read(data) is None


def test_free_ports_are_each_another_one():
    chosen = ports.choose(*[0] * 50)
    assert len(set(chosen)) == 50


def test_a_state_that_does_not_read_is_told(data):
    data.mkdir()
    (data / "state.json").write_text("{")
    with pytest.raises(StateError, match=r"state\.json does not read"):
        devcloud.read(data)
    (data / "state.json").unlink()


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        devcloud.up(tmp_path / "file" / "cloud")


def test_an_environment_that_cannot_be_installed_is_told_and_leaves_nothing(tmp_path):
    env = {"XDG_CACHE_HOME": str(tmp_path), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    told = rowmill("up", "--data", str(tmp_path / "cloud"), env=env)
    assert told.returncode == 2
    assert "cannot be installed" in told.stderr
    assert "ministack" in told.stderr
    assert list((tmp_path / "rowmill").iterdir()) == []


def test_it_writes_nothing_outside_its_folder(data):
    cloud = devcloud.up(data, port=0, valkey_port=0)
    written = f"ministack-{cloud.port}.pid"
    assert Path(cloud.data, "tmp", written).exists()
    assert not Path(tempfile.gettempdir(), written).exists()


def test_the_command_prints_what_a_shell_takes(data):
    up = rowmill("up", "--port", "0", "--valkey-port", "0", "--data", str(data))
    assert up.returncode == 0, up.stderr
    cloud = devcloud.read(data)
    shown = rowmill("env", "--data", str(data)).stdout
    script = 'eval "$1"; echo $AWS_ENDPOINT_URL $ROWMILL_TRACKER $KUBECONFIG'
    told = subprocess.run(["bash", "-c", script, "-", shown], capture_output=True, text=True, check=True).stdout
    assert told.split() == [cloud.endpoint, cloud.tracker_url, cloud.kubeconfig]
    assert Path(cloud.kubeconfig).stat().st_mode & 0o777 == 0o600
    assert "runs" in rowmill("status", "--data", str(data)).stdout
    assert rowmill("reset", "--data", str(data)).returncode == 0
    assert rowmill("down", "--data", str(data)).returncode == 0
    assert rowmill("env", "--data", str(data)).returncode == 5


def test_the_fixture_gives_one(rowmill_devcloud):
    assert rowmill_devcloud.alive
    assert rowmill_devcloud.env["AWS_ENDPOINT_URL"] == rowmill_devcloud.endpoint
