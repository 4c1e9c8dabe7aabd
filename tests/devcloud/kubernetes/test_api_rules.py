"""Who may do what, what is refused because it is lacking, and the faults that tests ask for."""

from __future__ import annotations

import http.client

import pytest
from tests.devcloud.kubernetes.exchanging import HANGS_S, JOBS, PODS, Stream, ask, job, opened, pod, send

from rowmill.devcloud.kubernetes import Fault

ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


def test_who_brings_no_token_sees_the_version_only(api):
    nobody = {"Authorization": ""}
    assert send(api, "GET", "/version", headers=nobody).status == 200
    told = send(api, "GET", JOBS, headers=nobody)
    why = 'User "system:anonymous" cannot list resource "jobs" in API group "batch" in the namespace "default"'
    assert (told.status, told.body["message"]) == (403, f"jobs.batch is forbidden: {why}")
    assert send(api, "GET", "/api", headers=nobody).body["message"] == (
        'forbidden: User "system:anonymous" cannot get path "/api"'
    )


def test_a_token_that_is_none_is_401(api):
    told = send(api, "GET", JOBS, headers={"Authorization": "Bearer not-a-token"})
    assert (told.status, told.body["reason"], told.body["message"]) == (401, "Unauthorized", "Unauthorized")


def test_the_kubeconfig_is_its_owner_s_alone(api):
    assert api.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_the_door_of_the_kubeconfig_opens_without_a_token_and_no_other_does(api):
    server = api.kubeconfig.read_text().partition('server: "')[2].partition('"')[0]
    door = server.removeprefix(api.url)
    assert send(api, "GET", door + JOBS, headers={"Authorization": ""}).status == 200
    assert send(api, "GET", door[:-1] + "x" + JOBS, headers={"Authorization": ""}).status == 403


def test_a_service_account_may_what_a_role_says(api):
    send(api, "POST", ACCOUNTS, body={"metadata": {"name": "weak"}})
    token = send(api, "POST", f"{ACCOUNTS}/weak/token", body={}).body["status"]["token"]
    weak = {"Authorization": f"Bearer {token}"}
    user = "system:serviceaccount:default:weak"
    told = send(api, "POST", JOBS, body=job(), headers=weak)
    assert told.status == 403
    assert f'User "{user}" cannot create resource "jobs"' in told.body["message"]
    rule = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "list"]}
    send(api, "POST", f"{ROLES}/roles", body={"metadata": {"name": "r"}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "weak", "namespace": "default"}
    bound = {"metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "r"}, "subjects": [subject]}
    send(api, "POST", f"{ROLES}/rolebindings", body=bound)
    assert send(api, "POST", JOBS, body=job(), headers=weak).status == 201
    assert send(api, "GET", JOBS, headers=weak).status == 200
    assert send(api, "DELETE", f"{JOBS}/a", headers=weak).status == 403
    assert send(api, "GET", PODS, headers=weak).status == 403
    review = {
        "spec": {"resourceAttributes": {"verb": "list", "group": "batch", "resource": "jobs", "namespace": "default"}}
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert send(api, "POST", path, body=review, headers=weak).body["status"] == {"allowed": True}
    review["spec"]["resourceAttributes"]["verb"] = "delete"
    assert send(api, "POST", path, body=review, headers=weak).body["status"] == {"allowed": False}
    assert send(api, "POST", path, body=review).body["status"] == {"allowed": True}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hostNetwork": True}, "spec.template.spec.hostNetwork"),
        ({"runtimeClassName": "x"}, "spec.template.spec.runtimeClassName"),
        ({"volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}]}, "spec.template.spec.volumes[0].nfs"),
        ({"affinity": {"nodeAffinity": {}}}, "spec.template.spec.affinity"),
    ],
)
def test_a_field_that_is_lacking_here_is_refused_and_named(api, change, field):
    body = job()
    body["spec"]["template"]["spec"] |= change
    told = send(api, "POST", JOBS, body=body)
    assert (told.status, told.body["reason"]) == (422, "Invalid")
    [cause] = told.body["details"]["causes"]
    assert (cause["field"], cause["reason"]) == (field, "FieldValueForbidden")
    assert send(api, "GET", f"{JOBS}/a").status == 404


def test_a_field_that_is_off_is_not_lacking(api):
    body = job()
    body["spec"]["template"]["spec"] |= {"hostNetwork": False}
    assert send(api, "POST", JOBS, body=body).status == 201


def test_what_a_quota_does_not_count_here_is_refused(api):
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"services": "1"}}}
    told = send(api, "POST", "/api/v1/namespaces/default/resourcequotas", body=quota)
    assert [cause["field"] for cause in told.body["details"]["causes"]] == ["spec.hard[services]"]


def test_a_quota_says_how_much_is_used(api):
    quotas = "/api/v1/namespaces/default/resourcequotas"
    send(
        api, "POST", quotas, body={"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1", "requests.memory": "1Gi"}}}
    )
    hungry = {"requests": {"memory": "600Mi"}}
    body = pod()
    body["spec"]["containers"][0]["resources"] = hungry
    assert send(api, "POST", PODS, body=body).status == 201
    assert send(api, "GET", f"{quotas}/q").body["status"]["used"] == {"pods": "1", "requests.memory": "629145600"}
    body["metadata"]["name"] = "second"
    told = send(api, "POST", PODS, body=body).body["message"]
    assert told.startswith('pods "second" is forbidden: exceeded quota: q, requested: pods=1,requests.memory=')
    api.store.update("Pod", "default", "p", lambda old: {**old, "status": {"phase": "Succeeded"}}, status=True)
    assert send(api, "POST", PODS, body=body).status == 201


def test_a_pod_that_a_budget_holds_is_not_evicted(api):
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    body = pod(nodeName="node-1")
    body["metadata"]["labels"] = {"app": "x"}
    send(api, "POST", PODS, body=body)
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}
    send(api, "POST", budgets, body={"metadata": {"name": "keep"}, "spec": spec})
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    told = send(api, "POST", f"{PODS}/p/eviction", body=eviction)
    assert (told.status, told.headers["Retry-After"]) == (429, "10")
    assert told.body["details"]["causes"][0]["reason"] == "DisruptionBudget"
    send(api, "DELETE", f"{budgets}/keep")
    assert send(api, "POST", f"{PODS}/p/eviction", body=eviction).status == 201
    evicted = send(api, "GET", f"{PODS}/p").body
    assert evicted["metadata"]["deletionGracePeriodSeconds"] == 30
    [told] = evicted["status"]["conditions"]
    assert (told["type"], told["reason"]) == ("DisruptionTarget", "EvictionByEvictionAPI")


def test_the_one_node_can_be_seen_and_not_changed(api):
    [node] = send(api, "GET", "/api/v1/nodes").body["items"]
    assert node["status"]["conditions"][0]["type"] == "Ready"
    assert send(api, "DELETE", f"/api/v1/nodes/{node['metadata']['name']}").status == 405


def test_a_secret_s_plain_strings_are_kept_as_base64(api):
    path = "/api/v1/namespaces/default/secrets"
    made = send(api, "POST", path, body={"metadata": {"name": "s"}, "stringData": {"k": "v"}}).body
    assert (made["data"], made["type"]) == ({"k": "dg=="}, "Opaque")
    assert "stringData" not in made


def test_a_config_map_that_is_fixed_stays(api):
    path = "/api/v1/namespaces/default/configmaps"
    send(api, "POST", path, body={"metadata": {"name": "c"}, "immutable": True, "data": {"k": "1"}})
    merge = {"Content-Type": "application/merge-patch+json"}
    told = send(api, "PATCH", f"{path}/c", body={"data": {"k": "2"}}, headers=merge)
    assert (told.status, told.body["details"]["causes"][0]["field"]) == (422, "data")


def test_a_pod_s_spec_stays_but_for_its_image(api):
    send(api, "POST", PODS, body=pod())
    patch = {"Content-Type": "application/strategic-merge-patch+json"}
    image = {"spec": {"containers": [{"name": "main", "image": "busybox:2"}]}}
    assert send(api, "PATCH", f"{PODS}/p", body=image, headers=patch).status == 200
    told = send(api, "PATCH", f"{PODS}/p", body={"spec": {"hostname": "h"}}, headers=patch)
    assert told.status == 422
    assert "pod updates may not change fields other than" in told.body["message"]


@pytest.mark.parametrize("status", [500, 503, 429, 403, 409])
def test_a_fault_is_answered_instead_of_what_was_asked(api, status):
    end = api.fail(lambda method, _path: status if method == "POST" else None)
    assert send(api, "POST", JOBS, body=job()).status == status
    assert send(api, "GET", f"{JOBS}/a").status == 404
    end()
    assert send(api, "POST", JOBS, body=job()).status == 201


def test_a_fault_may_come_after_the_deed(api):
    api.fail(lambda method, _path: Fault(409, after=True) if method == "POST" else None)
    told = send(api, "POST", JOBS, body=job())
    assert (told.status, told.body["reason"]) == (409, "AlreadyExists")
    assert send(api, "GET", f"{JOBS}/a").status == 200


@pytest.mark.parametrize("after", [False, True])
def test_a_connection_may_break_before_or_after_the_deed(api, after):
    api.fail(lambda method, _path: Fault(reset=True, after=after) if method == "POST" else None)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        send(api, "POST", JOBS, body=job())
    assert send(api, "GET", f"{JOBS}/a").status == (200 if after else 404)


def test_a_watch_may_be_cut(api):
    for name in "abc":
        send(api, "POST", JOBS, body=job(name))
    api.fail(lambda _method, path: Fault(cut=2) if path == JOBS else None)
    stream = Stream(api, JOBS, {"watch": "true"})
    assert stream.ended.wait(HANGS_S)
    assert stream.first(2) == [("ADDED", "a"), ("ADDED", "b")]
    assert len(stream.lines) == 2
    stream.leave()


def test_a_watch_may_be_told_in_the_middle_that_it_comes_too_late(api):
    for name in "abc":
        send(api, "POST", JOBS, body=job(name))
    api.fail(lambda _method, path: Fault(410, cut=1) if path == JOBS else None)
    stream = Stream(api, JOBS, {"watch": "true"})
    assert stream.ended.wait(HANGS_S)
    assert [line["type"] for line in stream.lines] == ["ADDED", "ERROR"]
    assert stream.lines[1]["object"]["code"] == 410
    stream.leave()


def test_a_watch_may_be_told_at_once_that_it_comes_too_late(api):
    api.fail(lambda _method, path: 410 if path == JOBS else None)
    told = send(api, "GET", JOBS, {"watch": "true", "resourceVersion": "3"})
    assert (told.status, told.body["reason"]) == (410, "Expired")


def test_a_connection_serves_many_requests(api):
    connection = opened(api)
    for _ in range(3):
        answer = ask(connection, api, "GET", JOBS)
        assert (answer.status, answer.version) == (200, 11)
        answer.read()
    connection.close()
