"""What patches make of objects, what selectors mean, what Pod Security forbids: the rules, without a server."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rowmill.devcloud.kubernetes import applying, patching, quantities, security, selectors
from rowmill.devcloud.kubernetes.answers import Refusal
from rowmill.devcloud.kubernetes.kinds import BY_NAME

POD = {
    "kind": "Pod",
    "metadata": {"name": "p", "finalizers": ["a/x"], "labels": {"k": "v"}},
    "spec": {
        "containers": [{"name": "one", "image": "i:1", "command": ["a", "b"]}, {"name": "two", "image": "i:2"}],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}


def strategic(**spec):
    return patching.patched(patching.STRATEGIC, POD, {"spec": spec})["spec"]


def test_a_list_with_a_key_is_merged_by_it():
    [one, two, three] = strategic(containers=[{"name": "two", "image": "i:3"}, {"name": "three"}])["containers"]
    assert (one["image"], two["image"], three) == ("i:1", "i:3", {"name": "three"})


def test_a_list_without_a_key_is_replaced():
    [one, _] = strategic(containers=[{"name": "one", "command": ["c"]}])["containers"]
    assert one == {"name": "one", "image": "i:1", "command": ["c"]}


@pytest.mark.parametrize(
    ("patch", "names"),
    [
        ([{"name": "one", "$patch": "delete"}], ["two"]),
        ([{"$patch": "replace"}, {"name": "new"}], ["new"]),
    ],
)
def test_a_directive_takes_elements_away(patch, names):
    assert [each["name"] for each in strategic(containers=patch)["containers"]] == names


def test_keys_that_are_not_retained_go():
    [volume] = strategic(volumes=[{"name": "v", "$retainKeys": ["name", "secret"], "secret": {}}])["volumes"]
    assert volume == {"name": "v", "secret": {}}


def test_an_order_of_elements_is_not_a_field():
    assert "$setElementOrder/containers" not in strategic(**{"$setElementOrder/containers": [{"name": "one"}]})


def test_a_set_of_words_grows_and_shrinks():
    grown = patching.patched(patching.STRATEGIC, POD, {"metadata": {"finalizers": ["a/y", "a/x"]}})
    assert grown["metadata"]["finalizers"] == ["a/x", "a/y"]
    shrunk = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/x"]}}
    assert patching.patched(patching.STRATEGIC, POD, shrunk)["metadata"]["finalizers"] == []


def test_no_patch_changes_the_object_that_it_is_given():
    before = repr(POD)
    for sort, patch in (
        (patching.MERGE, {"metadata": {"labels": {"k": None}}}),
        (patching.STRATEGIC, {"spec": {"containers": [{"name": "one", "image": "x"}]}}),
        (patching.JSON_PATCH, [{"op": "remove", "path": "/spec/containers/0"}]),
    ):
        patching.patched(sort, POD, patch)
    assert repr(POD) == before


@pytest.mark.parametrize(
    ("operation", "labels"),
    [
        ({"op": "add", "path": "/metadata/labels/a~1b~0c", "value": "w"}, {"k": "v", "a/b~c": "w"}),
        ({"op": "copy", "from": "/metadata/labels/k", "path": "/metadata/labels/l"}, {"k": "v", "l": "v"}),
        ({"op": "move", "from": "/metadata/labels/k", "path": "/metadata/labels/l"}, {"l": "v"}),
        ({"op": "replace", "path": "/metadata/labels/k", "value": "w"}, {"k": "w"}),
        ({"op": "test", "path": "/metadata/labels/k", "value": "v"}, {"k": "v"}),
    ],
)
def test_a_json_patch_s_operations(operation, labels):
    assert patching.patched(patching.JSON_PATCH, POD, [operation])["metadata"]["labels"] == labels


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/metadata/labels/none", "value": "w"},
        {"op": "test", "path": "/metadata/labels/k", "value": "w"},
        {"op": "remove", "path": "/spec/containers/7"},
        {"op": "grow", "path": "/spec"},
        {"path": "/spec"},
        "add",
    ],
)
def test_an_operation_that_does_not_fit_is_refused(operation):
    with pytest.raises(Refusal) as refused:
        patching.patched(patching.JSON_PATCH, POD, [operation])
    assert refused.value.code == 422


def test_fields_are_owned_down_to_the_elements_of_lists():
    assert {applying.dotted(path) for path in applying.paths("Pod", POD)} == {
        '.metadata.finalizers[="a/x"]',
        ".metadata.labels.k",
        '.spec.containers[name="one"]',
        '.spec.containers[name="one"].command',
        '.spec.containers[name="one"].image',
        '.spec.containers[name="one"].name',
        '.spec.containers[name="two"]',
        '.spec.containers[name="two"].image',
        '.spec.containers[name="two"].name',
        '.spec.volumes[name="v"]',
        '.spec.volumes[name="v"].emptyDir',
        '.spec.volumes[name="v"].name',
    }


def test_who_owns_what_is_read_back_as_it_was_written():
    manager = applying.Manager("m", "Apply")
    owned = {manager: applying.paths("Pod", POD)}
    assert applying.owners(applying.with_owners({**POD, "apiVersion": "v1"}, owned, "now")) == owned


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        ("", "abc"),
        ("tier=x", "a"),
        ("tier!=x", "bc"),
        ("tier in (x, y)", "ab"),
        ("tier notin (x)", "bc"),
        ("tier", "ab"),
        ("!tier", "c"),
        ("n>3", "b"),
        ("n<3", "a"),
        ("tier,n>1", "ab"),
        ("tier = x , n < 3", "a"),
    ],
)
def test_a_label_selector_means_what_it_says(selector, meant):
    labels = {"a": {"tier": "x", "n": "2"}, "b": {"tier": "y", "n": "4"}, "c": {"n": "x"}}
    meets = selectors.chosen(BY_NAME["Pod"], selector, "")
    assert "".join(name for name, found in labels.items() if meets({"metadata": {"labels": found}})) == meant


def test_a_selector_of_an_object_means_what_it_says():
    expressions = [{"key": "k", "operator": "In", "values": ["v"]}, {"key": "l", "operator": "DoesNotExist"}]
    selector = {"matchLabels": {"m": "n"}, "matchExpressions": expressions}
    assert selectors.matches(selector, {"k": "v", "m": "n"})
    assert not selectors.matches(selector, {"k": "v", "m": "n", "l": ""})
    assert not selectors.matches(selector, {"k": "v"})


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("100m", "0.1"), ("1Gi", 2**30), ("1.5k", 1500), ("2e3", 2000), ("1E", 10**18), (3, 3), ("5n", "5e-9")],
)
def test_a_quantity_comes_to_a_number(text, number):
    assert quantities.number(text) == Decimal(number)


FITS = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_several_containers_are_told_together():
    spec = {"containers": [{"name": "a"}, {"name": "b", "securityContext": FITS}, {"name": "c"}]}
    told = security.violations(spec, "restricted")
    assert 'allowPrivilegeEscalation != false (containers "a", "c" must set' in told
    assert 'runAsNonRoot != true (pod or containers "a", "b", "c" must set' in told


@pytest.mark.parametrize(
    ("own", "container", "told"),
    [
        ({}, {}, ""),
        ({"runAsUser": 0}, {}, "runAsUser=0 (pod must not set runAsUser=0)"),
        ({}, {"runAsUser": 0}, 'runAsUser=0 (container "a" must not set runAsUser=0)'),
        (
            {},
            {"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}},
            'unrestricted capabilities (container "a" must not include "CHOWN" in securityContext.capabilities.add)',
        ),
        (
            {"seccompProfile": {"type": "Unconfined"}},
            {},
            'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
    ],
)
def test_what_restricted_forbids_is_told(own, container, told):
    context = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **own}
    spec = {"securityContext": context, "containers": [{"name": "a", "securityContext": {**FITS, **container}}]}
    assert security.violations(spec, "restricted").startswith(told)
    assert bool(security.violations(spec, "restricted")) is bool(told)


def test_what_baseline_forbids_is_told_and_no_more():
    spec = {"containers": [{"name": "a", "securityContext": {"capabilities": {"add": ["SYS_ADMIN", "CHOWN"]}}}]}
    must = 'container "a" must not include "SYS_ADMIN" in securityContext.capabilities.add'
    assert security.violations(spec, "baseline") == f"non-default capabilities ({must})"
    assert security.violations(spec, "privileged") == ""
