"""Secrets and ConfigMaps that are named by their content: made, switched to, kept for older revisions, and removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.targets.kubernetes.drift import Difference
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.roll import CONTENT_ANNOTATION, with_hashes
from shipit.targets.kubernetes.versions import is_version_of, switched, version_name, versioned_config_map
from tests.targets.kube_place import KubePlace, kube_place

OWN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {a: '1'}\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[KubePlace]:
    with kube_place(tmp_path, OWN) as found:
        yield found


def env_secrets(place: KubePlace) -> set[str]:
    return {name for kind, name in place.api.objects if kind == "secrets" and name not in place.records}


def forget_releases(place: KubePlace) -> None:
    """As when there were so many releases since that their records are gone."""
    for name in place.records:
        del place.api.objects["secrets", name]


def planned(place: KubePlace) -> dict[str, tuple[str, ...]]:
    return {step.summary: step.detail for step in place.steps()[2]}


@pytest.mark.slow
def test_a_changed_secret_is_a_new_immutable_object_and_the_old_one_stays_while_pods_use_it(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    first = place.env_secret
    assert is_version_of(first, "shop-env") and place.api.objects["secrets", first]["immutable"] is True
    assert place.deploy()[1].state == "unchanged"
    place.token = "canary-second-4712"
    steps = planned(place)
    assert [summary.partition("-env")[0] for summary in steps] == ["create Secret/shop", "change Deployment/web"]
    assert steps["change Deployment/web"] == ("rolls: Secret shop-env changed",)
    before = dict(place.data(first))
    assert place.deploy()[0] == 0
    second = place.env_secret
    assert second != first and place.data(first) == before
    assert place.deploy()[1].state == "unchanged", "a version that nothing uses waits for the next change"
    place.token = "canary-third-4713"
    assert not any(summary.startswith("remove") for summary in planned(place)), "the first release may need it again"
    forget_releases(place)
    assert f"remove Secret/{first}, which left deploy.yml" in planned(place)
    assert place.deploy()[0] == 0
    assert env_secrets(place) == {second, place.env_secret}
    place.token = "canary-second-4712"
    assert place.deploy()[0] == 0
    assert place.env_secret == second, "equal values have one name"


@pytest.mark.slow
def test_what_a_revision_to_roll_back_to_uses_stays(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    first = place.env_secret
    template = json.loads(json.dumps(place.api.objects["deployments", "web"]["spec"]["template"]))
    kept = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-old", "labels": {}}}
    place.api.update_or_create("replicasets", "web-old", {**kept, "spec": {"replicas": 0, "template": template}})
    for token in ("canary-second-4712", "canary-third-4713"):
        place.token = token
        assert place.deploy()[0] == 0
        forget_releases(place)
    assert first in env_secrets(place)
    del place.api.objects["replicasets", "web-old"]
    place.mode = "new"
    assert place.deploy()[0] == 0
    assert env_secrets(place) == {place.env_secret}


def test_without_the_right_to_see_revisions_every_version_stays(place: KubePlace) -> None:
    from shipit.targets.kubernetes.applyset import Member, ObservedSet
    from shipit.targets.kubernetes.live import Meta
    from shipit.targets.kubernetes.prune import removable
    from shipit.targets.kubernetes.versions import mark_versions

    found = ObservedSet(members=(Member("v1", "Secret", Meta("shop-env-1", "prod"), is_ours=True),))
    assert removable(mark_versions(found, {"Secret/shop-env-1"}, None).members) == []
    assert len(removable(mark_versions(found, {"Secret/shop-env-1"}, set()).members)) == 1


@pytest.mark.slow
def test_the_secret_of_an_older_shipit_stays_in_use_until_a_value_changes(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    as_older_shipit(place)
    pods = json.dumps(place.api.objects["deployments", "web"]["spec"])
    assert place.deploy()[0] == 0
    assert json.dumps(place.api.objects["deployments", "web"]["spec"]) == pods, "no pod is replaced"
    assert env_secrets(place) == {"shop-env"}
    assert place.deploy()[1].state == "unchanged"
    place.token = "canary-second-4712"
    assert planned(place)["change Deployment/web"] == ("rolls: Secret shop-env changed",)
    assert place.deploy()[0] == 0
    assert env_secrets(place) == {"shop-env", place.env_secret}


def as_older_shipit(place: KubePlace) -> None:
    """Rename the Secret of the env to the name without a hash, everywhere."""
    name = place.env_secret
    secret: dict[str, Any] = place.api.objects.pop(("secrets", name))
    del secret["immutable"]
    del secret["metadata"]["labels"]["shipit.dev/version-of"]
    for key, item in (*place.api.objects.items(), (("secrets", "shop-env"), secret)):
        place.api.objects[key] = json.loads(json.dumps(item).replace(name, "shop-env"))


def test_a_config_map_can_be_named_by_its_data() -> None:
    made, same, other = (
        versioned_config_map(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files"}, "data": {"a": value}}
        )
        for value in ("1", "1", "2")
    )
    assert made == same != other
    assert made["immutable"] is True and is_version_of(made["metadata"]["name"], "files")
    assert made["metadata"]["labels"] == {"shipit.dev/version-of": "files"}
    assert CONTENT_ANNOTATION not in str(with_hashes([made], KubernetesObserved({}), "prod")), "it never changes"
    assert len(version_name("x" * 300, "0" * 16)) == 253


REF = ("spec", "template", "spec", "volumes", 0)


@pytest.mark.parametrize(
    ("keys", "live", "wanted", "said"),
    [
        ((*REF, "configMap", "name"), "files-" + "0" * 16, "files-" + "1" * 16, "ConfigMap/files"),
        ((*REF, "secret", "secretName"), "a-" + "0" * 16, "a-" + "1" * 16, "Secret/a"),
        ((*REF, "secret", "secretName"), "a", "a-" + "1" * 16, "Secret/a"),
        ((*REF, "secret", "secretName"), "b", "a-" + "1" * 16, ""),
        ((*REF, "secret", "secretName"), None, "a-" + "1" * 16, ""),
        (("metadata", "name"), "a", "b", ""),
        (("spec",), 1, 2, ""),
    ],
)
def test_a_reference_to_another_version_is_named_by_what_changed(keys: Any, live: Any, wanted: Any, said: str) -> None:
    assert switched(Difference(".".join(map(str, keys)), keys, live, wanted)) == said
