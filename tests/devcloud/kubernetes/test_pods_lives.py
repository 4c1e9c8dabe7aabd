"""A pod's life is what a real kubelet makes of it: states, reasons, codes, messages, events."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.devcloud.kubernetes.running import HANGS_S, TRAP, main, running

from rowmill.devcloud.kubernetes.kubelet.logs import log_path
from rowmill.devcloud.kubernetes.kubelet.node import Slots

RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)


@pytest.fixture
def cluster(tmp_path):
    with running(tmp_path) as found:
        yield found


def course(cluster, name, since):
    """Return phases and states of a pod as they followed each other."""
    found = []
    for event in cluster.store.watch(since):
        if event.kind == "Pod" and event.object["metadata"]["name"] == name:
            states = event.object["status"].get("containerStatuses", [{"state": {}}])
            step = (event.object["status"]["phase"], *states[0]["state"])
            found += [step] if step not in found[-1:] else []
    return found


def test_a_pod_goes_through_the_states_of_a_real_one(cluster):
    since = cluster.store.version
    cluster.pod("p", "exit 0")
    pod = cluster.ended()
    assert course(cluster, "p", since) == [
        ("Pending",), ("Pending", "waiting"), ("Running", "running"), ("Running", "terminated"),
        ("Succeeded", "terminated"),
    ]  # fmt: skip
    ended = main(pod)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    conditions = {one["type"]: (one["status"], one.get("reason")) for one in pod["status"]["conditions"]}
    assert conditions == {
        "PodReadyToStartContainers": ("False", None),
        "Initialized": ("True", "PodCompleted"),
        "Ready": ("False", "PodCompleted"),
        "ContainersReady": ("False", "PodCompleted"),
        "PodScheduled": ("True", None),
    }
    assert pod["metadata"]["generation"] == 1
    assert cluster.reasons("p") == {"Scheduled", "Pulled", "Created", "Started"}


@pytest.mark.parametrize(("command", "code"), [("exit 7", 7), ("exit 300", 44), ("sh -c 'kill -9 $$$$'; exit $?", 137)])
def test_an_exit_code_is_told(cluster, command, code):
    cluster.pod("p", command)
    pod = cluster.ended()
    assert (pod["status"]["phase"], main(pod)["state"]["terminated"]["exitCode"]) == ("Failed", code)
    assert main(pod)["state"]["terminated"]["reason"] == "Error"


def test_a_container_is_started_again_in_its_pod_and_its_logs_are_kept(cluster):
    volume = {"volumes": [{"name": "s", "emptyDir": {}}]}
    mount = {"volumeMounts": [{"name": "s", "mountPath": "/s"}]}
    command = 'n=$(cat /s/n 2>/dev/null || echo 0); echo try $n; echo $((n+1)) > /s/n; [ "$n" = 2 ] || exit 3'
    cluster.pod("p", command, restartPolicy="OnFailure", container=mount, **volume)
    pod = cluster.ended()
    assert (pod["status"]["phase"], main(pod)["restartCount"]) == ("Succeeded", 2)
    assert main(pod)["lastState"]["terminated"]["exitCode"] == 3
    assert [cluster.log(pod, restart=number) for number in range(3)] == ["try 0\n", "try 1\n", "try 2\n"]
    assert any(
        text.startswith("Back-off restarting failed container main in pod p_default(") for _, text in cluster.told("p")
    )


@pytest.mark.parametrize(("code", "phase"), [(143, "Failed"), (0, "Succeeded")])
def test_a_deleted_pod_is_asked_and_says_how_it_ended(cluster, code, phase):
    cluster.pod("p", TRAP.format(code))
    cluster.up()
    since = cluster.store.version
    cluster.store.delete("Pod", "default", "p")
    cluster.gone()
    last = [event.object for event in cluster.store.watch(since) if event.kind == "Pod"][-1]
    assert (last["status"]["phase"], main(last)["state"]["terminated"]["exitCode"]) == (phase, code)
    assert last["metadata"]["deletionGracePeriodSeconds"] == 0
    assert ("Killing", "Stopping container main") in cluster.told("p")


def test_a_program_that_does_not_listen_is_killed_after_its_grace(cluster):
    cluster.pod("p", "echo up; sleep 60; true", terminationGracePeriodSeconds=1)  # process 1 without a handler
    cluster.up()
    since, began = cluster.store.version, time.monotonic()
    cluster.store.delete("Pod", "default", "p")
    cluster.gone()
    assert time.monotonic() - began >= 1
    last = [event.object for event in cluster.store.watch(since) if event.kind == "Pod"][-1]
    assert main(last)["state"]["terminated"]["exitCode"] == 137


def test_without_grace_the_object_goes_at_once_and_the_program_after_it(cluster):
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    claim(cluster)
    cluster.pod("p", "echo up; while true; do date > /v/beat; sleep 0.02; done", container=mount, volumes=[CLAIM])
    cluster.up()
    assert cluster.store.delete("Pod", "default", "p", grace_s=0).gone
    end = time.monotonic() + HANGS_S
    while cluster.controllers._node._lives:
        assert time.monotonic() < end
        time.sleep(0.01)
    beat = cluster.folder / "volumes" / "default" / "data" / "beat"
    before = beat.stat().st_mtime_ns
    time.sleep(0.1)
    assert beat.stat().st_mtime_ns == before


CLAIM = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}


def claim(cluster, **spec):
    wanted = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    return cluster.create("PersistentVolumeClaim", "data", spec=wanted | spec)


@pytest.mark.parametrize(("program", "why"), [
    ("/no/such/program", 'exec: "/no/such/program": stat /no/such/program: no such file or directory: unknown'),
    ("/etc/passwd", 'exec: "/etc/passwd": permission denied: unknown'),
    ("nosuch", 'exec: "nosuch": executable file not found in $PATH: unknown'),
])  # fmt: skip
def test_a_program_that_is_not_there_is_a_start_error(cluster, program, why):
    cluster.pod("p", [program])
    pod = cluster.ended()
    ended = main(pod)["state"]["terminated"]
    assert (pod["status"]["phase"], ended["reason"], ended["exitCode"]) == ("Failed", "StartError", 128)
    assert ended["message"] == RUNC + why
    assert ("Failed", f"Error: {RUNC}{why}") in cluster.told("p")


def waiting(reason):
    return lambda pod: (
        main(pod)["state"].get("waiting", {}).get("reason") == reason if "containerStatuses" in pod["status"] else False
    )


def test_an_image_that_nobody_has_is_waited_for(cluster):
    cluster.pod("p", "true", image="registry.example/nope:1")
    pod = cluster.until(waiting("ErrImagePull"))
    assert main(pod)["state"]["waiting"]["message"] == (
        'rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/nope:1": '
        'failed to resolve reference "registry.example/nope:1": registry.example/nope:1: not found'
    )
    cluster.until(waiting("ImagePullBackOff"))
    (cluster.folder / "images.json").write_text(json.dumps({"registry.example/nope": ""}))
    assert cluster.ended()["status"]["phase"] == "Succeeded"
    assert {("Pulling", 'Pulling image "registry.example/nope:1"'), ("Failed", "Error: ErrImagePull")} <= set(
        cluster.told("p")
    )


@pytest.mark.parametrize(("image", "policy", "reason"), [
    ("Not A Name", "IfNotPresent", "InvalidImageName"), ("nope:1", "Never", "ErrImageNeverPull"),
])  # fmt: skip
def test_an_image_that_cannot_be_had_is_told(cluster, image, policy, reason):
    cluster.pod("p", "true", image=image, container={"imagePullPolicy": policy})
    cluster.until(waiting(reason))
    cluster.until(lambda _: ("Failed", f"Error: {reason}") in cluster.told("p"))


def test_a_missing_config_map_is_waited_for(cluster):
    cluster.pod("p", 'test "$K" = v', container={"envFrom": [{"configMapRef": {"name": "late"}}]})
    pod = cluster.until(waiting("CreateContainerConfigError"))
    assert main(pod)["state"]["waiting"]["message"] == 'configmap "late" not found'
    cluster.create("ConfigMap", "late", data={"K": "v"})
    assert cluster.ended()["status"]["phase"] == "Succeeded"
    assert ("Failed", 'Error: configmap "late" not found') in cluster.told("p")


def test_a_missing_key_of_a_secret_is_told(cluster):
    cluster.create("Secret", "s", data={"other": base64.b64encode(b"x").decode()})
    reference = {"secretKeyRef": {"name": "s", "key": "word"}}
    cluster.pod("p", "true", container={"env": [{"name": "W", "valueFrom": reference}]})
    pod = cluster.until(waiting("CreateContainerConfigError"))
    assert main(pod)["state"]["waiting"]["message"] == "couldn't find key word in Secret default/s"


def test_a_volume_whose_config_map_is_missing_is_waited_for(cluster):
    volume = {"volumes": [{"name": "v", "configMap": {"name": "late"}}]}
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    cluster.pod("p", "test $(cat /v/K) = v", container=mount, **volume)
    why = 'MountVolume.SetUp failed for volume "v" : configmap "late" not found'
    cluster.until(lambda _: ("FailedMount", why) in cluster.told("p"))
    assert waiting("ContainerCreating")(cluster.store.get("Pod", "default", "p"))
    cluster.create("ConfigMap", "late", data={"K": "v"})
    assert cluster.ended()["status"]["phase"] == "Succeeded"


UNHELPFUL = (
    "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
)


@pytest.mark.parametrize(("spec", "why"), [
    ({"container": {"resources": {"requests": {"memory": "99Ti"}}}}, f"1 Insufficient memory. {UNHELPFUL}"),
    ({"nodeSelector": {"x": "y"}}, f"1 node(s) didn't match Pod's node affinity/selector. {UNHELPFUL}"),
    ({"volumes": [CLAIM]}, 'persistentvolumeclaim "data" not found. not found'),
])  # fmt: skip
def test_a_pod_that_nobody_can_take_says_why(cluster, spec, why):
    cluster.pod("p", "true", **spec)
    told = f"0/1 nodes are available: {why}"
    pod = cluster.until(lambda pod: pod["status"].get("conditions"))
    [condition] = pod["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "Unschedulable")
    assert (condition["message"], pod["status"]["phase"]) == (told, "Pending")
    assert ("FailedScheduling", told) in cluster.told("p")


def test_a_pod_waits_for_its_claim(cluster):
    cluster.pod("p", "true", volumes=[CLAIM])
    cluster.until(lambda pod: pod["status"].get("conditions"))
    assert claim(cluster)
    assert cluster.ended()["status"]["phase"] == "Succeeded"


def test_a_claim_of_no_class_is_not_bound(cluster):
    claim(cluster, storageClassName="")
    cluster.pod("p", "true", volumes=[CLAIM])
    pod = cluster.until(lambda pod: pod["status"].get("conditions"))
    why = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
    assert pod["status"]["conditions"][0]["message"] == why
    cluster.until(
        lambda _: (
            ("FailedBinding", "no persistent volumes available for this claim and no storage class is set")
            in cluster.told("data")
        )
    )


def init(name, command, **more):
    return {"name": name, "image": "busybox", "command": ["sh", "-c", command], **more}


def test_containers_that_prepare_run_one_after_another_before_the_others(cluster):
    mount = {"volumeMounts": [{"name": "s", "mountPath": "/s"}]}
    inits = [init("a", "echo a >> /s/f", **mount), init("b", "echo b >> /s/f", **mount)]
    cluster.pod("p", "cat /s/f", container=mount, initContainers=inits, volumes=[{"name": "s", "emptyDir": {}}])
    pod = cluster.ended()
    assert cluster.log(pod) == "a\nb\n"
    assert [one["state"]["terminated"]["exitCode"] for one in pod["status"]["initContainerStatuses"]] == [0, 0]


def test_a_container_that_prepares_and_fails_ends_the_pod(cluster):
    cluster.pod("p", "true", initContainers=[init("a", "exit 4")])
    pod = cluster.ended()
    assert (pod["status"]["phase"], main(pod)["state"]) == ("Failed", {"waiting": {"reason": "PodInitializing"}})
    assert main(pod, "initContainerStatuses")["state"]["terminated"]["exitCode"] == 4
    conditions = {one["type"]: one.get("message") for one in pod["status"]["conditions"]}
    assert conditions["Initialized"] == "containers with incomplete status: [a]"


def test_a_sidecar_is_stopped_when_the_others_have_ended(cluster):
    cluster.pod("p", "sleep 0.1", initContainers=[init("proxy", TRAP.format(0), restartPolicy="Always")])
    pod = cluster.ended()
    assert pod["status"]["phase"] == "Succeeded"
    assert main(pod, "initContainerStatuses")["state"]["terminated"]["exitCode"] == 0
    assert ("Killing", "Stopping container proxy") in cluster.told("p")


@pytest.mark.parametrize(("command", "more", "words"), [
    ("echo -n said > /dev/termination-log", {}, "said"),
    ("echo -n there > /var/why", {"terminationMessagePath": "/var/why"}, "there"),
    ("head -c 5000 /dev/zero | tr '\\0' x > /dev/termination-log; exit 1", {}, "x" * 4096),
    ("echo last; echo words >&2; exit 1", {"terminationMessagePolicy": "FallbackToLogsOnError"}, "last\nwords\n"),
    ("echo fine", {"terminationMessagePolicy": "FallbackToLogsOnError"}, None),
    ("exit 1", {}, None),
])  # fmt: skip
def test_a_container_s_last_words_are_kept(cluster, command, more, words):
    cluster.pod("p", command, container=more)
    found = main(cluster.ended())["state"]["terminated"].get("message")
    assert sorted((found or "").splitlines()) == sorted((words or "").splitlines())
    assert (found is None) == (words is None)


def test_each_line_of_a_log_has_its_time_and_stream(cluster):
    cluster.pod("p", "echo one; sleep 0.05; echo two >&2; sleep 0.05; head -c 20000 /dev/zero | tr '\\0' z; printf end")
    pod = cluster.ended()
    path = log_path(cluster.folder, "default", pod["metadata"]["uid"], "main", 0)
    lines = [line.split(" ", 2) for line in path.read_text().splitlines()]
    assert [(stream, text) for _, stream, text in lines[:2]] == [("stdout", "one"), ("stderr", "two")]
    assert "".join(text for _, _, text in lines[2:]) == "z" * 20000 + "end"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", when) for when, _, _ in lines)
    assert sorted(when for when, _, _ in lines) == [when for when, _, _ in lines]


GREEDY = "import time; x = bytearray(200 << 20); time.sleep(30)"
LIMIT = {"resources": {"limits": {"memory": "64Mi"}}}


def test_a_program_that_takes_too_much_memory_is_killed(cluster):
    cluster.pod("p", ["python3", "-c", GREEDY], image="python", container=LIMIT)
    ended = main(cluster.ended())["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_a_child_that_takes_too_much_memory_is_killed_alone(cluster):
    cluster.pod("p", f"python3 -c '{GREEDY}'; exit 3", image="python", container=LIMIT)
    ended = main(cluster.ended())["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 3)


def test_no_more_pods_run_at_once_than_there_is_room_for(tmp_path):
    with running(tmp_path, running=2) as cluster:
        for number in range(4):
            cluster.pod(f"p{number}", TRAP.format(0))
        cluster.until(lambda _: phases(cluster) == ["Pending", "Pending", "Running", "Running"])
        assert [waiting("ContainerCreating")(pod) for pod in cluster.store.list("Pod")[0]].count(True) == 2
        for pod in cluster.store.list("Pod")[0]:
            if pod["status"]["phase"] == "Running":
                cluster.store.delete("Pod", "default", pod["metadata"]["name"])
        cluster.until(lambda _: phases(cluster) == ["Running", "Running"])


def phases(cluster):
    return sorted(pod["status"]["phase"] for pod in cluster.store.list("Pod")[0])


def test_a_pod_s_own_deadline_ends_it(cluster):
    cluster.pod("p", TRAP.format(143), activeDeadlineSeconds=1)
    pod = cluster.ended()
    told = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
    assert (pod["status"]["reason"], pod["status"]["message"]) == told
    assert main(pod)["state"]["terminated"]["exitCode"] == 143
    assert told in cluster.told("p")


def test_what_tests_do_to_a_pod_looks_like_the_real_thing(cluster):
    for name in ("killed", "oom", "evicted", "lost"):
        cluster.pod(name, TRAP.format(143))
        cluster.up(name)
    cluster.controllers.kill("default", "killed")
    cluster.controllers.oom("default", "oom")
    assert main(cluster.ended("killed"))["state"]["terminated"]["exitCode"] == 137
    assert main(cluster.ended("oom"))["state"]["terminated"]["reason"] == "OOMKilled"
    since = cluster.store.version
    cluster.controllers.evict("default", "evicted")
    cluster.controllers.lose_node("default", "lost")
    cluster.gone("evicted")
    cluster.gone("lost")
    last = {
        event.object["metadata"]["name"]: event.object for event in cluster.store.watch(since) if event.kind == "Pod"
    }
    reasons = {
        name: [one["reason"] for one in pod["status"]["conditions"] if one["type"] == "DisruptionTarget"]
        for name, pod in last.items()
    }
    assert reasons == {"evicted": ["EvictionByEvictionAPI"], "lost": ["DeletionByPodGC"]}
    assert (last["lost"]["status"]["phase"], list(main(last["lost"])["state"])) == ("Failed", ["running"])
    assert main(last["evicted"])["state"]["terminated"]["exitCode"] == 143


ALONE = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.devcloud.kubernetes.running import running, TRAP
with running(Path({folder!r})) as cluster:
    cluster.pod("p", "echo $$ up; while true; do date > /v/beat; sleep 0.02; done",
        container={{"volumeMounts": [{{"name": "v", "mountPath": "/v"}}]}}, volumes=[{{"name": "v", "emptyDir": {{}}}}])
    pod = cluster.up("p")
    print(Path({folder!r}) / "pods" / pod["metadata"]["uid"] / "volumes" / "v" / "beat", flush=True)
    time.sleep(60)
"""


def test_pods_end_with_the_cluster_s_process(tmp_path):
    script = ALONE.format(root=str(Path(__file__).parents[3]), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        beat = Path(process.stdout.readline().strip())
        os.kill(process.pid, signal.SIGKILL)
    end = time.monotonic() + HANGS_S
    before = None
    while beat.stat().st_mtime_ns != before:
        assert time.monotonic() < end, "the pod goes on"
        before = beat.stat().st_mtime_ns
        time.sleep(0.2)


def test_nothing_of_a_pod_is_left_behind(cluster):
    uid = cluster.pod("p", "echo up")["metadata"]["uid"]
    cluster.ended()
    assert (cluster.folder / "pods" / uid).exists()
    cluster.store.delete("Pod", "default", "p")
    end = time.monotonic() + HANGS_S
    while (cluster.folder / "pods" / uid).exists() or (cluster.folder / "logs" / "default" / uid).exists():
        assert time.monotonic() < end
        time.sleep(0.01)


class Asking:
    """A pod that asks for room when it is told to look, and not before."""

    def __init__(self):
        self.told = 0

    def look(self):
        self.told += 1


def test_two_rooms_that_are_free_at_once_go_to_two_pods():
    slots, (a, b, c, d) = Slots(2), (Asking() for _ in range(4))
    assert [slots.taken(one) for one in (a, b, c, d)] == [True, True, False, False]
    slots.free(a)
    slots.free(b)
    assert c.told
    assert not d.told
    assert slots.taken(c)
    assert d.told
    assert slots.taken(d)
