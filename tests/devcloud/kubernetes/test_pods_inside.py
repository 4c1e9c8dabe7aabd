"""What a container sees: its own root, its volumes, its environment; and what of it nobody outside sees."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.devcloud.kubernetes.running import HANGS_S, main, running

import rowmill

RECORDED = json.loads((Path(__file__).parent / "recorded" / "config.json").read_text())
TMP = "/tmp"  # noqa: S108 - a container's own
VARYING = {"X_IP", "X_HOSTIP", "X_NAME", "X_NS", "X_JOB", "X_INDEX", "PATH"}  # other names here, and addresses


@pytest.fixture
def cluster(tmp_path):
    with running(tmp_path) as found:
        yield found


def test_config_secrets_and_fields_are_inside_as_recorded(cluster):
    for obj in RECORDED["objects"]:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in obj.pop("stringData", {}).items()}
        cluster.store.create(obj["kind"], {**obj, "data": {**obj.get("data", {}), **data}})
    cluster.store.create("Job", RECORDED["job"])
    cluster.finished("conf")
    [pod] = cluster.pods("conf")
    assert pod["status"]["phase"] == "Succeeded", pod["status"]
    inside, recorded = json.loads(cluster.log(pod)), RECORDED["log"]
    assert inside["env"].keys() == recorded["env"].keys()
    same = recorded["env"].keys() - VARYING
    assert {key: inside["env"][key] for key in same} == {key: recorded["env"][key] for key in same}
    assert (inside["env"]["X_NAME"], inside["env"]["X_JOB"]) == (pod["metadata"]["name"], "conf")
    for path, found in recorded["files"].items():
        if "text" in found:
            labels = path == "/info/labels"
            text = inside["files"][path]["text"]
            assert (text.splitlines()[1:3] if labels else text) == (found["text"].splitlines()[1:3] if labels else
                pod["metadata"]["name"] if path == "/info/name" else found["text"])  # fmt: skip
            assert (inside["files"][path]["mode"], inside["files"][path]["link"]) == (found["mode"], found["link"])
        else:
            assert inside["files"][path]["dirs"] == found["dirs"]


def inside(cluster, command, **spec):
    """Run a pod; return its exit code and what it printed."""
    cluster.pod("p", command, **spec)
    pod = cluster.ended()
    return main(pod)["state"]["terminated"]["exitCode"], cluster.log(pod)


def test_what_a_container_writes_into_its_root_is_seen_by_nobody_else(cluster):
    folders = ["", "/usr", TMP, "/dev", "/etc"]
    marks = [f"{folder}/mark-of-a-pod" for folder in folders]
    code, printed = inside(cluster, f"touch {' '.join(marks)} && mkdir -p /deep/er && ls {' '.join(marks)}")
    assert (code, sorted(printed.split())) == (0, sorted(marks))
    assert not [mark for mark in [*marks, "/deep"] if Path(mark).exists()]


def test_the_machine_s_temporary_files_are_not_inside(cluster, tmp_path):
    (tmp_path / "outside").touch()
    assert inside(cluster, f"test ! -e {tmp_path}/outside")[0] == 0


READ_ONLY = {"securityContext": {"readOnlyRootFilesystem": True}}


def test_a_read_only_root_can_be_written_only_where_a_volume_is(cluster):
    mount = {"volumeMounts": [{"name": "t", "mountPath": TMP}], **READ_ONLY}
    command = "touch /tmp/yes && ! touch /no && ! touch /usr/no && ! touch /etc/no && ! touch /var/tmp/no"
    assert inside(cluster, command, container=mount, volumes=[{"name": "t", "emptyDir": {}}])[0] == 0


def test_without_a_volume_a_read_only_root_has_no_place_to_write(cluster):
    assert inside(cluster, "! touch /tmp/no", container=READ_ONLY)[0] == 0


def test_the_image_s_programs_are_there_whatever_is_mounted_over_them(cluster):
    mount = {"volumeMounts": [{"name": "t", "mountPath": TMP}, {"name": "t", "mountPath": "/root"}], **READ_ONLY}
    program = "import rowmill, sys; print(rowmill.__version__, sys.prefix)"
    command = f"rowmill --version > /dev/null && python -c '{program}'"
    code, printed = inside(
        cluster, command, image="rowmill:1", container=mount, volumes=[{"name": "t", "emptyDir": {}}]
    )
    assert (code, printed.split()) == (0, [rowmill.__version__, sys.prefix])


def test_without_a_command_the_image_s_own_program_runs(cluster):
    cluster.create(
        "Pod",
        "p",
        spec={"restartPolicy": "Never", "containers": [{"name": "main", "image": "rowmill:1", "args": ["--version"]}]},
    )
    pod = cluster.ended()
    assert (pod["status"]["phase"], rowmill.__version__ in cluster.log(pod)) == ("Succeeded", True)


def test_a_container_runs_as_the_user_it_names(cluster):
    context = {"runAsUser": 65532, "runAsGroup": 65533, "fsGroup": 2000, "runAsNonRoot": True}
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    mount["securityContext"] = {"allowPrivilegeEscalation": False}
    command = (
        "touch /v/mine && id -u && id -g && id -G && grep NoNewPrivs /proc/self/status && python -c 'import rowmill'"
    )
    code, printed = inside(cluster, command, image="rowmill", container=mount, securityContext=context,
        volumes=[{"name": "v", "emptyDir": {}}])  # fmt: skip
    assert (code, printed.split()) == (0, ["65532", "65533", "65533", "2000", "NoNewPrivs:", "1"])


@pytest.mark.parametrize(("wanted", "effective"), [
    ({}, 0xA80425FB),  # what container runtimes give
    ({"drop": ["ALL"]}, 0), ({"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}, 1 << 10),
    ({"drop": ["CAP_CHOWN"]}, 0xA80425FA),
])  # fmt: skip
def test_a_container_has_the_rights_that_a_runtime_gives(cluster, wanted, effective):
    context = {"securityContext": {"capabilities": wanted}}
    code, printed = inside(cluster, "grep CapEff /proc/self/status", container=context)
    assert (code, int(printed.split()[1], 16)) == (0, effective)


def test_root_is_refused_where_it_is_forbidden(cluster):
    cluster.pod("p", "true", securityContext={"runAsNonRoot": True})
    pod = cluster.until(lambda pod: "CreateContainerConfigError" in json.dumps(pod["status"]))
    place = f'pod: "p_default({pod["metadata"]["uid"]})", container: main'
    told = f"container has runAsNonRoot and image will run as root ({place})"
    assert main(pod)["state"]["waiting"]["message"] == told


def test_pods_share_a_claim_and_its_data_goes_with_it(cluster):
    wanted = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    cluster.create("PersistentVolumeClaim", "data", spec=wanted)
    volumes = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/data/deep", "subPath": "part"}]}
    cluster.pod("a", "echo hello > /data/deep/f", container=mount, **volumes)
    assert cluster.ended("a")["status"]["phase"] == "Succeeded"
    reading = {"volumeMounts": [{"name": "v", "mountPath": "/in", "readOnly": True}]}
    assert inside(cluster, "cat /in/part/f && ! touch /in/no 2> /dev/null", container=reading, **volumes) == (
        0,
        "hello\n",
    )
    cluster.store.delete("PersistentVolumeClaim", "default", "data")
    folder = cluster.folder / "volumes" / "default" / "data"
    cluster.until(lambda _: not folder.exists(), name="a")


def test_a_container_sees_only_its_own_processes_and_has_its_own_name(cluster):
    code, printed = inside(cluster, "ls -d /proc/[0-9]* | wc -l; hostname; cat /etc/hostname", hostname="worker-3")
    assert (code, printed.split()[1:]) == (0, ["worker-3", "worker-3"])
    assert int(printed.split()[0]) <= 4


def test_the_machine_s_environment_is_not_inside(cluster, monkeypatch):
    monkeypatch.setenv("OUTSIDE", "1")
    code, printed = inside(
        cluster, ["env"], container={"env": [{"name": "A", "value": "x"}, {"name": "B", "value": "$(A)y"}]}
    )
    assert code == 0
    assert {line.partition("=")[0] for line in printed.splitlines()} == {"PATH", "HOME", "HOSTNAME", "A", "B"}
    assert "B=xy" in printed.splitlines()


def test_another_environment_can_be_an_image(cluster, tmp_path):
    program = tmp_path / "tools" / "bin" / "greet"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho hello from tools\n")
    program.chmod(0o755)
    (cluster.folder / "images.json").write_text(json.dumps({"ghcr.io/acme/tools": str(tmp_path / "tools")}))
    assert inside(cluster, ["greet"], image="ghcr.io/acme/tools:v2@sha256:00") == (0, "hello from tools\n")


def test_a_working_directory_is_made(cluster):
    assert inside(cluster, "pwd", container={"workingDir": "/some/where"}) == (0, "/some/where\n")


FEWER_RIGHTS = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
NO_NAMESPACES = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"]
ONE_POD = """
import json, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.devcloud.kubernetes.running import main, running
with running(Path({folder!r})) as cluster:
    mounts = [{{"name": "v", "mountPath": "/deep/er"}}]
    container = {{"volumeMounts": mounts, "securityContext": {{"readOnlyRootFilesystem": True}}}}
    command = "touch /deep/er/yes && ! touch /no 2> /dev/null && rowmill --version && hostname"
    cluster.pod("p", command, image="rowmill", container=container, volumes=[{{"name": "v", "emptyDir": {{}}}}])
    pod = cluster.ended()
    print(json.dumps([main(pod)["state"]["terminated"], cluster.log(pod)]))
"""


def with_rights(words, tmp_path):
    """Run a pod of a cluster that has fewer rights than these tests; return how it ended and what it printed."""
    if subprocess.run([*words, "true"], capture_output=True, timeout=HANGS_S, check=False).returncode:
        pytest.skip(f"this machine does not take these rights away: {words[0]}")
    script = ONE_POD.format(root=str(Path(__file__).parents[3]), folder=str(tmp_path))
    command = [*words, sys.executable, "-c", script]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=HANGS_S, check=True)
    return json.loads(done.stdout)


def test_pods_run_without_the_rights_of_root(tmp_path):
    ended, printed = with_rights(FEWER_RIGHTS, tmp_path)
    assert ended["exitCode"] == 0, ended
    assert printed.splitlines()[-1] == "p"


def test_where_nobody_may_make_namespaces_a_pod_says_so(tmp_path):
    ended, _ = with_rights([*NO_NAMESPACES, *FEWER_RIGHTS], tmp_path)
    assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
    assert ended["message"].startswith("this machine lets this user make no namespaces (unshare: ")
