"""Parts of a workload: patches, names of volumes, and the user of an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.image.dockerfile.parse import parse_dockerfile
from shipit.targets.kubernetes.concise.image_user import check_user, find_user, is_root
from shipit.targets.kubernetes.concise.render.files import config_map_name
from shipit.targets.kubernetes.concise.render.patch import PatchFailed, merged, patched
from shipit.targets.kubernetes.concise.render.security import without_contradictions
from shipit.targets.kubernetes.concise.security import SecurityConfig
from shipit.targets.kubernetes.concise.volumes import volume_name
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.object_problems import problem_of
from tests import runs

SERVICE: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"a": [1, 2]}}


# As `kubectl patch --type strategic` has them.
@pytest.mark.parametrize(
    ("value", "patch", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": 1, "b": 2}, {"b": None}, {"a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": None, "d": 3}}, {"a": {"b": 1, "d": 3}}),
        ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}),
        ({"a": {"b": 1}}, {"a": {"$patch": "merge", "c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": {"b": 1}, "c": 2}, {"a": {"$patch": "delete"}}, {"c": 2}),
        ({"c": 2}, {"a": {"$patch": "delete"}}, {"c": 2}),
        ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
        ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        (
            {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]},
            {"containers": [{"name": "a", "tty": True}, {"name": "c"}]},
            {"containers": [{"name": "a", "image": "x", "tty": True}, {"name": "b"}, {"name": "c"}]},
        ),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"env": [{"name": "A", "$patch": "delete"}]},
            {"env": [{"name": "B", "value": "2"}]},
        ),
        (
            {"volumes": [{"name": "a"}, {"name": "b"}]},
            {"volumes": [{"$patch": "replace"}, {"name": "c"}]},
            {"volumes": [{"name": "c"}]},
        ),
        (
            {"ports": [{"port": 80, "name": "http"}]},
            {"ports": [{"port": 80, "nodePort": 30080}]},
            {"ports": [{"port": 80, "name": "http", "nodePort": 30080}]},
        ),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, {"tolerations": [{"key": "b"}]}),
    ],
)
def test_a_strategic_merge(value: Any, patch: Any, expected: Any) -> None:
    assert merged(value, patch) == expected


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"spec": {"$retainKeys": ["a"]}}, r"has \$retainKeys; known are \$patch: merge, replace and delete"),
        ({"spec": {"$patch": "remove"}}, r"has \$patch: remove; known"),
        ({"spec": {"$patch": "replace", "a": {"$patch": "odd"}}}, r"has \$patch: odd; known"),
        ({"spec": {"tolerations": [{"key": "z", "$patch": "delete"}]}}, "in the list tolerations, which is replaced"),
        ({"spec": {"env": [{"name": "a", "$patch": "replace"}]}}, "replace beside other keys of an item"),
        ({"$patch": "delete"}, "would delete the object"),
    ],
)
def test_a_directive_that_can_not_be_followed_is_no_field(patch: Any, said: str) -> None:
    with pytest.raises(PatchFailed, match=said):
        patched(SERVICE, {"Service": patch})


# RFC 6902, appendix A, on the spec of an object.
@pytest.mark.parametrize(
    ("spec", "operations", "expected"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/spec/baz", "value": "qux"}], {"foo": "bar", "baz": "qux"}),
        ({"foo": [1, 3]}, [{"op": "add", "path": "/spec/foo/1", "value": 2}], {"foo": [1, 2, 3]}),
        ({"foo": [1]}, [{"op": "add", "path": "/spec/foo/-", "value": [2]}], {"foo": [1, [2]]}),
        ({"foo": 1, "baz": 2}, [{"op": "remove", "path": "/spec/baz"}], {"foo": 1}),
        ({"foo": [1, 2, 3]}, [{"op": "remove", "path": "/spec/foo/1"}], {"foo": [1, 3]}),
        ({"foo": 1}, [{"op": "replace", "path": "/spec/foo", "value": None}], {"foo": None}),
        (
            {"foo": {"bar": 1}, "qux": {}},
            [{"op": "move", "from": "/spec/foo/bar", "path": "/spec/qux/thud"}],
            {"foo": {}, "qux": {"thud": 1}},
        ),
        ({"foo": [1, 2]}, [{"op": "move", "from": "/spec/foo/0", "path": "/spec/foo/1"}], {"foo": [2, 1]}),
        ({"foo": 1}, [{"op": "copy", "from": "/spec/foo", "path": "/spec/bar"}], {"foo": 1, "bar": 1}),
        ({"a/b": 1, "m~n": 2}, [{"op": "remove", "path": "/spec/a~1b"}, {"op": "test", "path": "/spec/m~0n", "value": 2}], {"m~n": 2}),
    ],
)  # fmt: skip
def test_a_json_patch(spec: Any, operations: list[dict[str, Any]], expected: Any) -> None:
    before = {**SERVICE, "spec": spec}
    assert patched(before, {"Service": operations})["spec"] == expected
    assert before["spec"] == spec, "the object itself stays as it is"


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ({"op": "remove", "path": "/spec/b"}, "does not fit the Service: nothing is at /b"),
        ({"op": "replace", "path": "/spec/a/2", "value": 1}, "does not fit the Service: nothing is at /2"),
        ({"op": "add", "path": "/spec/a/4", "value": 1}, "does not fit the Service: nothing is at /4"),
        ({"op": "add", "path": "/spec/a/-1", "value": 1}, "does not fit the Service: nothing is at /-1"),
        ({"op": "add", "path": "/spec/a/0/b", "value": 1}, "does not fit the Service: nothing is at /b"),
        ({"op": "test", "path": "/spec/a", "value": [1]}, "does not fit the Service: /spec/a has another value"),
        ({"op": "replace", "path": "/metadata/name", "value": "b"}, "changes apiVersion, kind, name or namespace"),
        ({"op": "remove", "path": "/metadata"}, "changes apiVersion, kind, name or namespace"),
    ],
)
def test_a_json_patch_that_does_not_fit(operation: dict[str, Any], said: str) -> None:
    with pytest.raises(PatchFailed) as caught:
        patched(SERVICE, {"Service": [operation]})
    assert str(caught.value) == said and caught.value.keys[0] == "Service"


def test_a_shell_with_arguments_of_its_own_takes_further_args() -> None:
    words = ("/bin/sh", "-c", "exec app $0 $@", "web")
    config = WorkloadConfig.model_validate({"command": list(words), "args": ["--port", "80"]})
    assert (config.command, config.args) == (words, ("--port", "80"))


@pytest.mark.parametrize("key", ["labels", "annotations"])
@pytest.mark.parametrize("value", [["a"], "a", 7])
def test_a_patch_leaves_labels_and_annotations_maps(key: str, value: Any) -> None:
    for patch in ({"metadata": {key: value}}, [{"op": "add", "path": f"/metadata/{key}", "value": value}]):
        with pytest.raises(PatchFailed, match=f"^should leave metadata.{key} a map of keys$"):
            patched(SERVICE, {"Service": patch})


@pytest.mark.parametrize(
    ("path", "name"),
    [("/data", "data"), ("/var/lib/data", "var-lib-data"), ("/dev/shm", "dev-shm")],
)
def test_the_name_of_a_volume_is_that_of_its_path(path: str, name: str) -> None:
    assert volume_name(path) == name


@given(st.lists(st.from_regex(r"/[!-~]{0,60}[!-.0-~]", fullmatch=True), min_size=2, max_size=2, unique=True))
def test_volumes_of_different_paths_have_different_names(paths: list[str]) -> None:
    names = {volume_name(path) for path in paths}
    assert len(names) == len({path.strip("/") for path in paths})
    assert all(0 < len(name) <= 30 and not name.startswith("-") and not name.endswith("-") for name in names)


def test_a_changed_file_changes_the_name_of_its_config_map() -> None:
    one, two = config_map_name("web", {"/a": b"1"}), config_map_name("web", {"/a": b"2"})
    assert one != two and one == config_map_name("web", {"/a": b"1"}) and len(one) == len("web-files-") + 16


@pytest.mark.parametrize(
    ("text", "stage", "user"),
    [
        ("FROM alpine\nUSER node\n", None, "node"),
        ("FROM alpine\nUSER 1000:1000\nRUN x\nUSER 2000\n", None, "2000"),
        ("FROM alpine\n", None, None),
        ("FROM scratch\n", None, ""),
        ("FROM alpine AS base\nUSER 1000\nFROM base\nCOPY a b\n", None, "1000"),
        ("FROM alpine AS Base\nUSER 1000\nFROM base AS prod\nFROM alpine AS test\nUSER root\n", "prod", "1000"),
        ("FROM alpine AS a\nUSER 1\nFROM scratch AS b\nCOPY --from=a x y\n", None, ""),
        ("FROM --platform=linux/amd64 alpine as a\nuser ${UID}\n", "a", "${UID}"),
        ("FROM alpine\nUSER 1\nFROM alpine\nUSER 2\n", "0", "1"),
        ("", None, None),
    ],
)
def test_the_user_of_a_dockerfile(text: str, stage: str | None, user: str | None) -> None:
    assert find_user(parse_dockerfile(text.encode()), stage) == user


@pytest.mark.parametrize(
    ("user", "keys", "is_refused"),
    [
        ("USER root", {"root": False}, True), ("USER 0:1000", {"root": False}, True), ("USER node", {"root": False}, True),
        ("USER 1000", {"root": False}, False), ("USER 1000:node", {"root": False}, False), ("USER $UID", {"root": False}, False),
        ("", {"root": False}, False), ("USER root", {"root": False, "user": 1000}, False), ("USER root", {"root": True}, False),
        ("USER root", {}, False), ("USER root", "restricted", True), ("USER root", "none", False),
    ],
)  # fmt: skip
def test_restricted_security_needs_an_image_with_the_number_of_a_user(
    user: str, keys: dict[str, Any] | str, is_refused: bool
) -> None:
    what, hint = check_user(SecurityConfig.model_validate(keys), f"FROM alpine\n{user}\n".encode(), None)
    assert bool(what) == bool(hint) == is_refused


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("Deployment/web", 7), ("Service/web", 7), ("PersistentVolumeClaim/web-data", 7), ("ConfigMap/web-files-0123456789", 7),
        ("StatefulSet/web-db", 8), ("Service/web-db-pods", 8), ("Secret/web-env", 4), ("ConfigMap/other", 4), ("Deployment/webs", 4),
    ],
)  # fmt: skip
def test_a_refusal_is_at_the_workload_that_makes_the_object(tmp_path: Path, key: str, line: int) -> None:
    workloads = "      web: {volumes: {/data: 1Gi}}\n      web-db: {kind: statefulset}\n"
    text = f"app: web\nimage: user/shop\ntargets:\n  k8s:\n    namespace: prod\n    workloads:\n{workloads}"
    project = runs.project(tmp_path, text, runs.environment(tmp_path))
    config = project.targets["k8s"]
    assert isinstance(config, KubernetesConfig)
    found = problem_of(Desired("k8s", config, project, "prod", (), ()), key, "", "is refused", "")
    assert found.where.startswith(f"deploy.yml:{line}:"), found.where


@pytest.mark.parametrize(("user", "expected"), [("0" * 5000, True), ("1" * 5000, False), ("00:7", True), ("10", False)])
def test_a_user_of_many_digits_is_root_or_not(user: str, expected: bool) -> None:
    assert is_root(user) == expected


def test_a_patch_that_sets_privileged_removes_our_default_which_contradicts_it() -> None:
    contexts = [{"privileged": True, "allowPrivilegeEscalation": False}, {"allowPrivilegeEscalation": False}]
    rows = [{"name": str(index), "securityContext": context} for index, context in enumerate(contexts)]
    given = {
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": rows, "initContainers": rows[:1]}}}}}
    }
    spec = without_contradictions(given)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert [row["securityContext"] for row in spec["containers"]] == [{"privileged": True}, contexts[1]]
    assert spec["initContainers"][0]["securityContext"] == {"privileged": True}
    assert "allowPrivilegeEscalation" in contexts[0]


@pytest.mark.parametrize(
    ("own", "pod", "expected"),
    [
        ({"runAsUser": 0, "runAsNonRoot": True}, {}, {"runAsUser": 0}),
        ({"runAsNonRoot": True}, {"runAsUser": 0}, {}),
        ({"runAsUser": 7, "runAsNonRoot": True}, {"runAsUser": 0}, {"runAsUser": 7, "runAsNonRoot": True}),
        ({"runAsNonRoot": True}, {}, {"runAsNonRoot": True}),
    ],
)
def test_a_patch_to_the_user_root_removes_our_check_for_another_one(
    own: dict[str, Any], pod: dict[str, Any], expected: dict[str, Any]
) -> None:
    spec = {"containers": [{"name": "web", "securityContext": own}], "securityContext": pod}
    [found] = without_contradictions({"spec": {"template": {"spec": spec}}})["spec"]["template"]["spec"]["containers"]
    assert found["securityContext"] == expected
