"""Whatever a body says, the server answers, and says what is wrong with it."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.devcloud.kubernetes.exchanging import JOBS, PODS, ask, job, opened, pod

from rowmill.devcloud.kubernetes import decoding, schema
from rowmill.devcloud.kubernetes.answers import Refusal
from rowmill.devcloud.kubernetes.kinds import BY_NAME, KINDS

LEAVES = st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats(allow_nan=False) | st.text(max_size=5)
WORDS = sorted({field for fields in schema.FIELDS.values() for field in fields})
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner),
    max_leaves=8,
)
PATCHES = [
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
]
QUIET = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def places(value, path=()):
    """Yield where values stand in a body."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def changed(body, path, value):
    """Return a body with another value at a place."""
    if not path:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


FULL = job("a", completions=2, completionMode="Indexed", backoffLimitPerIndex=1, parallelism=2)
FULL["metadata"] |= {"labels": {"k": "v"}, "annotations": {"k": "v"}}
FULL["spec"]["podFailurePolicy"] = {
    "rules": [
        {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1, 2]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
    ]
}
FULL["spec"]["template"]["spec"] |= {"volumes": [{"name": "v", "configMap": {"name": "c", "items": [{"key": "k"}]}}]}
FULL["spec"]["template"]["spec"]["containers"][0] |= {
    "env": [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    "resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": "1Mi"}},
    "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    "securityContext": {"capabilities": {"drop": ["ALL"]}},
}
PLACES = list(places(FULL))


def told(api, method, path, body, headers=None, query=None):
    connection = opened(api)
    try:
        answer = ask(connection, api, method, path, query, body, headers)
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_the_whole_body_is_taken(api):
    assert told(api, "POST", JOBS, FULL)[0] == 201


@QUIET
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_no_body_is_too_odd_for_an_answer(api, place, value):
    status, body = told(api, "POST", JOBS, changed(FULL, place, value))
    assert status in (201, 400, 409, 415, 422), body
    if status == 201:
        api.store.delete("Job", "default", body["metadata"]["name"], propagation="Background")


@QUIET
@given(media=st.sampled_from(PATCHES), patch=VALUES, name=st.sampled_from(["p", "q"]))
def test_no_patch_is_too_odd_for_an_answer(api, media, patch, name):
    told(api, "POST", PODS, pod("p"))
    media_type, manager = {"Content-Type": media}, {"fieldManager": "m", "force": "true"}
    status, body = told(api, "PATCH", f"{PODS}/{name}", patch, media_type, manager)
    assert body.get("reason") != "InternalError", body
    assert status < 600


@QUIET
@given(raw=st.binary(max_size=40), path=st.sampled_from([JOBS, PODS, "/api/v1/namespaces", "/nowhere"]))
def test_no_bytes_are_too_odd_for_an_answer(api, raw, path):
    assert 400 <= told_raw(api, raw, path) < 500


def told_raw(api, raw, path):
    connection = opened(api)
    try:
        return ask(connection, api, "POST", path, None, raw, {"Content-Type": "application/json"}).status
    finally:
        connection.close()


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS if kind.name in schema.TYPES])
def test_every_kind_is_read_and_its_unknown_fields_are_told(kind):
    body = {"metadata": {"name": "a", "oops": 1}, "alien": {}}
    found = decoding.decoded(BY_NAME[kind], body)
    assert found.complaints == ['unknown field "metadata.oops"', 'unknown field "alien"']
    assert found.object["metadata"] == {"name": "a"}


@pytest.mark.parametrize(
    ("value", "sort"), [("x", "string"), (1.5, "number 1.5"), (True, "bool"), ({}, "object"), ([], "array")]
)
def test_a_field_of_another_sort_is_named_with_its_place(value, sort):
    body = job("a", backoffLimit=value)
    with pytest.raises(Refusal) as refused:
        decoding.decoded(BY_NAME["Job"], body)
    why = f"json: cannot unmarshal {sort} into Go struct field JobSpec.spec.backoffLimit of type int32"
    assert refused.value.message == f'Job in version "v1" cannot be handled as a Job: {why}'


def test_every_sort_of_the_schema_is_a_sort_or_a_type():
    known = {"string", "*string", "int32", "int64", "bool", "time", "quantity", "map", "quantities", "any"}
    known |= {"lacking", "off", *schema.FIELDS}
    sorts = {sort for fields in schema.FIELDS.values() for sort in fields.values()}
    assert {schema.element(sort)[0] if sort.startswith("[]") else sort for sort in sorts} <= known
