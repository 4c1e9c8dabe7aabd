"""Lists by pages and versions, watches, and what becomes of those who come too late."""

from __future__ import annotations

import pytest
from tests.devcloud.kubernetes.exchanging import HANGS_S, JOBS, Stream, job, send

MERGE = {"Content-Type": "application/merge-patch+json"}
INITIAL = {
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
    "resourceVersion": "0",
}


@pytest.fixture
def watching(api):
    """Watch KubernetesJobs; what is still watched is left at the end."""
    streams = []

    def watch(**query):
        streams.append(Stream(api, JOBS, {"watch": "true", "timeoutSeconds": "20", **query}))
        return streams[-1]

    yield watch
    for stream in streams:
        stream.leave()


def fill(api, count):
    for number in range(count):
        assert send(api, "POST", JOBS, body=job(f"page-{number}")).status == 201


def names(got):
    return [item["metadata"]["name"] for item in got.body["items"]]


def test_pages_are_of_one_version_though_objects_come_and_go(api):
    fill(api, 5)
    first = send(api, "GET", JOBS, {"limit": "2"})
    assert names(first) == ["page-0", "page-1"]
    assert first.body["metadata"]["remainingItemCount"] == 3
    send(api, "DELETE", f"{JOBS}/page-2", {"propagationPolicy": "Background"})
    send(api, "POST", JOBS, body=job("page-22"))
    second = send(api, "GET", JOBS, {"limit": "2", "continue": first.body["metadata"]["continue"]})
    third = send(api, "GET", JOBS, {"limit": "2", "continue": second.body["metadata"]["continue"]})
    assert names(second) + names(third) == ["page-2", "page-3", "page-4"]
    versions = {each.body["metadata"]["resourceVersion"] for each in (first, second, third)}
    assert len(versions) == 1
    assert "continue" not in third.body["metadata"]
    assert names(send(api, "GET", JOBS)) == ["page-0", "page-1", "page-22", "page-3", "page-4"]


def test_a_list_can_be_of_an_old_version_until_that_is_forgotten(api):
    fill(api, 2)
    version = send(api, "GET", JOBS).body["metadata"]["resourceVersion"]
    fill_more = send(api, "POST", JOBS, body=job("later"))
    assert fill_more.status == 201
    exactly = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
    assert names(send(api, "GET", JOBS, exactly)) == ["page-0", "page-1"]
    assert len(names(send(api, "GET", JOBS, {**exactly, "resourceVersionMatch": "NotOlderThan"}))) == 3
    page = send(api, "GET", JOBS, {"limit": "1"}).body["metadata"]["continue"]
    send(api, "POST", JOBS, body=job("last"))
    api.store.compact()
    assert (send(api, "GET", JOBS, exactly).status, send(api, "GET", JOBS, {"continue": page}).status) == (410, 410)


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ({"limit": "x"}, 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"continue": "nonsense"}, 400, "invalid continue token"),
        ({"continue": "e30", "resourceVersion": "3"}, 400, "specifying resource version is not allowed"),
        ({"resourceVersion": "abc"}, 400, "invalid resource version"),
        ({"resourceVersion": "99999999"}, 504, "Too large resource version: 99999999"),
        (
            {"resourceVersionMatch": "Exact"},
            422,
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        ({"watch": "1", "sendInitialEvents": "true"}, 422, "sendInitialEvents requires setting resourceVersionMatch"),
        ({"watch": "1", "resourceVersion": "abc"}, 500, "invalid syntax"),
    ],
)
def test_a_parameter_that_does_not_do_is_told(api, query, status, told):
    got = send(api, "GET", JOBS, query)
    assert got.status == status
    assert told in got.body["message"]


def test_a_watch_tells_every_change_after_its_version_in_order(api, watching):
    fill(api, 1)
    version = send(api, "GET", JOBS).body["metadata"]["resourceVersion"]
    watch = watching(resourceVersion=version)
    send(api, "PATCH", f"{JOBS}/page-0", body={"spec": {"parallelism": 2}}, headers=MERGE)
    send(api, "POST", JOBS, body=job("b"))
    send(api, "POST", "/api/v1/namespaces/default/configmaps", body={"metadata": {"name": "other-kind"}})
    send(api, "DELETE", f"{JOBS}/b", {"propagationPolicy": "Background"})
    assert watch.first(3) == [("MODIFIED", "page-0"), ("ADDED", "b"), ("DELETED", "b")]
    versions = [int(line["object"]["metadata"]["resourceVersion"]) for line in watch.lines]
    assert versions == sorted(set(versions))


def test_a_watch_without_a_version_begins_with_what_there_is(api, watching):
    fill(api, 2)
    watch = watching(**INITIAL)
    assert watch.first(3) == [("ADDED", "page-0"), ("ADDED", "page-1"), ("BOOKMARK", None)]
    assert watch.lines[2]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert watching().first(2) == [("ADDED", "page-0"), ("ADDED", "page-1")]


def test_who_enters_a_selector_is_added_and_who_leaves_it_is_deleted(api, watching):
    fill(api, 2)
    version = send(api, "GET", JOBS).body["metadata"]["resourceVersion"]
    watch = watching(resourceVersion=version, labelSelector="tier=x")
    for value in ("x", "y"):
        send(api, "PATCH", f"{JOBS}/page-1", body={"metadata": {"labels": {"tier": value}}}, headers=MERGE)
    assert watch.first(2) == [("ADDED", "page-1"), ("DELETED", "page-1")]
    assert watch.lines[1]["object"]["metadata"]["labels"]["tier"] == "x"


def test_a_watch_ends_when_its_time_is_over_and_says_how_far_it_came(api, watching):
    fill(api, 1)
    watch = watching(timeoutSeconds="1", resourceVersion=str(api.store.version), allowWatchBookmarks="true")
    assert watch.ended.wait(HANGS_S)
    assert [line["type"] for line in watch.lines] == ["BOOKMARK"]
    assert watch.lines[0]["object"]["metadata"]["resourceVersion"] == str(api.store.version)


def test_who_watches_from_before_what_is_kept_is_told_to_list_again(api, watching):
    fill(api, 2)
    api.store.compact()
    watch = watching(resourceVersion="1")
    assert watch.status == 200
    assert watch.ended.wait(HANGS_S)
    [line] = watch.lines
    assert (line["type"], line["object"]["code"], line["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_metadata_and_tables_are_shown_to_who_asks_for_them(api):
    fill(api, 1)
    table = send(api, "GET", JOBS, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"})
    assert [column["name"] for column in table.body["columnDefinitions"]][:3] == ["Name", "Status", "Completions"]
    assert table.body["rows"][0]["cells"][:3] == ["page-0", "Running", "0/1"]
    partial = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
    assert "spec" not in send(api, "GET", f"{JOBS}/page-0", headers=partial).body
    assert send(api, "GET", JOBS, headers={"Accept": "text/html"}).status == 406
