"""The keys of a Kubernetes target for its place: namespace, impersonate."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.config.impersonated import acting_as
from shipit.errors import ConfigErrors, UsageError
from shipit.targets.kubernetes.config import KubernetesConfig
from tests import runs

HEAD = "app: shop\nimage: user/shop\ntargets:\n  k8s:\n    port: 3000\n"


def load(folder: Path, text: str) -> KubernetesConfig:
    config = runs.project(folder, f"{HEAD}    {text}\n", runs.environment(folder)).targets["k8s"]
    assert isinstance(config, KubernetesConfig)
    return config


@pytest.mark.parametrize(
    ("text", "name", "is_created", "labels"),
    [
        ("namespace: prod", "prod", False, {}),
        ("namespace: ", None, False, {}),
        ("namespace: {create: true}", None, True, {}),
        ("namespace: {name: prod, create: true, labels: {a: true, b: 1.10}}", "prod", True, {"a": "true", "b": "1.10"}),
    ],
)
def test_a_namespace_is_a_name_or_a_map(
    tmp_path: Path, text: str, name: str | None, is_created: bool, labels: dict[str, str]
) -> None:
    found = load(tmp_path, text).namespace
    assert (found.name, found.create, found.labels) == (name, is_created, labels)
    given = {"labels": labels} if labels else {}
    assert found.manifest("x") == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", **given}}


def test_whom_requests_act_as_is_a_user_or_a_map(tmp_path: Path) -> None:
    assert load(tmp_path, "host: shop.example.com").impersonate is None
    text = load(tmp_path, "impersonate: jane").impersonate
    assert text and (text.user, text.groups, text.uid, text.extra) == ("jane", (), None, {})
    whole = load(tmp_path, "impersonate: {user: jane, groups: [a, b], uid: '7', extra: {why: [x, y]}}").impersonate
    assert whole and (whole.user, whole.groups, whole.uid) == ("jane", ("a", "b"), "7")
    assert whole.extra == {"why": ("x", "y")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("namespace: {labels: {a: b}}", "needs create: true"),
        ("namespace: Prod", "at most 63 lower-case letters"),
        ("namespace: {named: prod}", "named"),
        ("impersonate: ''", "should have no control characters, no spaces at its ends, and not be empty"),
        ("impersonate: {groups: [a]}", "user"),
        ('impersonate: "a\\r\\nb"', "should have no control characters, no spaces at its ends, and not be empty"),
        ('impersonate: {user: a, extra: {k: ["v\\n"]}}', "should have no control characters"),
    ],
)
def test_an_odd_place_is_an_error_at_its_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, text)
    [problem] = caught.value.problems
    assert said in f"{problem} {problem.hint}"
    assert problem.position and problem.position[0] == 6


def test_as_replaces_whom_deploy_yml_acts_as_in_every_kubernetes_target(tmp_path: Path) -> None:
    text = f"{HEAD}    impersonate: {{user: jane, groups: [a], uid: '7'}}\n  hub: {{}}\n"
    project = runs.project(tmp_path, text, runs.environment(tmp_path))
    assert acting_as(project, None, []) is project
    acting = acting_as(project, "john", ["b", "c"])
    config = acting.targets["k8s"]
    assert isinstance(config, KubernetesConfig) and config.impersonate
    assert (config.impersonate.user, config.impersonate.groups, config.impersonate.uid) == ("john", ("b", "c"), None)
    assert acting.targets["hub"] == project.targets["hub"]


@pytest.mark.parametrize(
    ("user", "groups", "said"),
    [
        (None, ["a"], "--as-group needs --as"),
        ("", [], "not be empty"),
        ("a\nb", [], "should have no control characters"),
        ("a", [" b"], "no spaces at its ends"),
    ],
)
def test_as_with_a_name_that_can_not_be_sent_is_an_error(
    tmp_path: Path, user: str | None, groups: list[str], said: str
) -> None:
    project = runs.project(tmp_path, HEAD, runs.environment(tmp_path))
    with pytest.raises(UsageError, match=said):
        acting_as(project, user, groups)


def test_as_without_a_kubernetes_target_is_an_error(tmp_path: Path) -> None:
    text = "app: shop\nimage: user/shop\ntargets: {hub: }\n"
    with pytest.raises(UsageError, match="--as is for Kubernetes targets, and there is none"):
        acting_as(runs.project(tmp_path, text, runs.environment(tmp_path)), "jane", [])
    project = runs.project(tmp_path, text, runs.environment(tmp_path))
    assert acting_as(project, "jane", [], is_needed=False).targets == project.targets
