"""What a cluster has from its cloud: users by their groups, volumes on EFS, credentials by ServiceAccount, images."""

import json

import pytest
from tests.devcloud.kubernetes.exchanging import job, send
from tests.devcloud.kubernetes.running import main, running

JOBS = "/apis/batch/v1/namespaces/default/jobs"
PIPELINE = {"Impersonate-User": "arn:aws:sts::1:assumed-role/pipeline/x", "Impersonate-Group": "pipelines"}
RULES = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get"]}]
HANDLE = "fs-1::fsap-2"


def bound(api, subject):
    role = {"kind": "Role", "name": "makes-jobs", "apiGroup": "rbac.authorization.k8s.io"}
    api.store.create("Role", {"metadata": {"name": "makes-jobs", "namespace": "default"}, "rules": RULES})
    binding = {"metadata": {"name": "b", "namespace": "default"}, "roleRef": role, "subjects": [subject]}
    api.store.create("RoleBinding", binding)


@pytest.mark.parametrize(
    ("subject", "status"),
    [
        ({"kind": "Group", "name": "pipelines"}, 201),
        ({"kind": "User", "name": PIPELINE["Impersonate-User"]}, 201),
        ({"kind": "Group", "name": "others"}, 403),
        ({"kind": "User", "name": "pipelines"}, 403),
    ],
)
def test_a_role_is_for_the_users_and_groups_that_it_is_bound_to(api, subject, status):
    bound(api, subject)
    assert send(api, "POST", JOBS, body=job(), headers=PIPELINE).status == status


def test_a_role_that_is_bound_to_a_group_allows_no_more_than_it_says(api):
    bound(api, {"kind": "Group", "name": "pipelines"})
    refused = send(api, "DELETE", f"{JOBS}/a", headers=PIPELINE)
    assert refused.status == 403
    assert 'assumed-role/pipeline/x" cannot delete resource "jobs"' in refused.body["message"]


def test_every_service_account_of_a_namespace_is_in_its_group(api):
    bound(api, {"kind": "Group", "name": "system:serviceaccounts:default"})
    token = send(api, "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", body={}).body
    as_account = {"Authorization": f"Bearer {token['status']['token']}"}
    assert send(api, "POST", JOBS, body=job(), headers=as_account).status == 201


def test_only_an_administrator_asks_as_somebody_else(api):
    token = send(api, "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", body={}).body
    as_account = {"Authorization": f"Bearer {token['status']['token']}"}
    refused = send(api, "GET", JOBS, headers=as_account | {"Impersonate-User": "kubernetes-admin"})
    assert refused.status == 403
    assert "cannot impersonate" in refused.body["message"]


@pytest.fixture
def cluster(tmp_path):
    with running(tmp_path / "kubernetes", efs=tmp_path / "efs") as found:
        yield found


VOLUMES = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}
MOUNT = {"volumeMounts": [{"name": "v", "mountPath": "/workspace"}]}


def claimed(cluster, handle=HANDLE, driver="efs.csi.aws.com", **kept):
    csi = {"driver": driver, "volumeHandle": handle}
    spec = {"accessModes": ["ReadWriteMany"], "capacity": {"storage": "5Gi"}, "csi": csi, "storageClassName": ""}
    cluster.create("PersistentVolume", "v", namespace="", spec=spec | kept)
    wanted = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "5Gi"}}}
    cluster.create("PersistentVolumeClaim", "data", spec=wanted | {"storageClassName": "", "volumeName": "v"})


@pytest.mark.parametrize(
    ("handle", "folder"), [(HANDLE, "fsap-2"), ("fs-1", "fs-1"), ("fs-1:/a/b", "fs-1/a/b")], ids=str
)
def test_a_claim_of_a_volume_on_efs_is_its_folder_and_stays_when_the_claim_goes(cluster, tmp_path, handle, folder):
    (tmp_path / "efs" / folder).mkdir(parents=True)
    (tmp_path / "efs" / folder / "there").touch()
    claimed(cluster, handle)
    cluster.pod("p", "test -e /workspace/there && touch /workspace/made", container=MOUNT, **VOLUMES)
    assert cluster.ended()["status"]["phase"] == "Succeeded"
    assert (tmp_path / "efs" / folder / "made").exists()
    assert cluster.store.get("PersistentVolume", "", "v")["status"]["phase"] == "Bound"
    cluster.store.delete("Pod", "default", "p")
    cluster.store.delete("PersistentVolumeClaim", "default", "data")
    cluster.gone("data", "PersistentVolumeClaim")
    assert (tmp_path / "efs" / folder / "made").exists()


def test_a_pod_waits_for_an_access_point_that_is_not_there(cluster, tmp_path):
    claimed(cluster)
    cluster.pod("p", "true", container=MOUNT, **VOLUMES)
    cluster.until(lambda _: "FailedMount" in cluster.reasons("p"))
    assert "there is no file system or access point fsap-2" in dict(cluster.told("p"))["FailedMount"]
    (tmp_path / "efs" / "fsap-2").mkdir(parents=True)
    assert cluster.ended()["status"]["phase"] == "Succeeded"


OTHERS = {"claimRef": {"namespace": "default", "name": "another"}}


@pytest.mark.parametrize("asked", [{"driver": "ebs.csi.aws.com"}, OTHERS], ids=["driver", "claim"])
def test_a_volume_of_another_driver_or_claim_is_not_bound(cluster, asked):
    claimed(cluster, **asked)
    cluster.until(lambda _: "FailedBinding" in cluster.reasons("data"))
    assert cluster.store.get("PersistentVolumeClaim", "default", "data")["status"]["phase"] == "Pending"


def test_pods_have_the_credentials_of_their_service_account_and_no_other_s(cluster):
    identities = cluster.folder / "identities.json"
    identities.write_text(json.dumps({"default/known": {"AWS_REGION": "eu-west-1"}}))
    cluster.create("ServiceAccount", "known")
    cluster.pod("p", "echo $AWS_REGION", serviceAccountName="known")
    cluster.pod("q", "echo $AWS_REGION")
    assert cluster.log(cluster.ended("p")) == "eu-west-1\n"
    assert cluster.log(cluster.ended("q")) == "\n"
    cluster.cluster.reset()
    assert not identities.exists()


def test_pods_are_told_whom_to_trust(cluster):
    (cluster.folder / "trust.pem").write_text("certificates")
    cluster.pod("p", "cat $SSL_CERT_FILE", container={"securityContext": {"readOnlyRootFilesystem": True}})
    assert cluster.log(cluster.ended()) == "certificates\n"


def test_an_image_can_have_folders_of_its_own(cluster, tmp_path):
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "orders.py").write_text("x = 1")
    image = {"environment": "", "folders": {"/job": str(tmp_path / "job")}}
    (cluster.folder / "images.json").write_text(json.dumps({"orders": image}))
    cluster.pod("p", "! touch /job/no && cat /job/orders.py", image="orders:1")
    pod = cluster.ended()
    assert (main(pod)["state"]["terminated"]["exitCode"], cluster.log(pod).splitlines()[-1]) == (0, "x = 1")
