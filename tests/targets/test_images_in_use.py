"""The images that a namespace may start, which `shipit prune` must not delete."""

from __future__ import annotations

import pytest

from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.targets.kubernetes.applyset import Member, ObservedSet
from shipit.targets.kubernetes.images_in_use import images_in_use
from shipit.targets.kubernetes.live import Container, Live, Meta, Pod
from shipit.targets.kubernetes.observed import KubernetesObserved

RUNNING = Digest.of(b"running")


def observed(*left: str, unlisted: tuple[str, ...] = ()) -> KubernetesObserved:
    template = {
        "spec": {
            "initContainers": [{"name": "i", "image": "r/init@x"}],
            "containers": [{"name": "c", "image": "r/job@x"}],
        }
    }
    job = {
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {"jobTemplate": {"spec": {"template": template}}},
    }
    pod = Pod(Meta("old-pod"), {"web": "r/web@old"}, containers=(Container("web", digest=RUNNING),))
    members = tuple(Member("apps/v1", kind, Meta("left"), True) for kind in left)
    found = ObservedSet(True, members=members, unlisted=unlisted)
    objects = {"CronJob/nightly": Live("CronJob", Meta("nightly"), job), "Service/web": None}
    return KubernetesObserved(objects, (pod,), applied_set=found)


def test_scheduled_jobs_init_containers_and_pods_of_a_rollout_are_in_use() -> None:
    assert images_in_use(observed("ConfigMap"), "k8s") == {"r/init@x", "r/job@x", "r/web@old", RUNNING}


@pytest.mark.parametrize(
    ("place", "error"),
    [
        (observed("Deployment"), "the images of Deployment/left, no longer in deploy.yml, are not known"),
        (observed("CronJob", "ConfigMap"), "the images of CronJob/left, no longer"),
        (observed(unlisted=("deployments in namespace prod",)), "may not list deployments in namespace prod"),
    ],
)
def test_what_can_not_be_known_is_an_error(place: KubernetesObserved, error: str) -> None:
    with pytest.raises(RemoteError, match=error):
        images_in_use(place, "k8s")


def test_secrets_that_may_not_be_listed_start_nothing() -> None:
    assert images_in_use(observed(unlisted=("secrets in namespace prod",)), "k8s")
