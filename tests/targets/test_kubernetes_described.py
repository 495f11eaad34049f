"""What `status` tells of the objects in a namespace."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.http.fields import Field
from shipit.release import Unit
from shipit.targets.kubernetes.describe import describe_objects
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.parse import parse_live

POD = {
    "containers": [{"name": "web", "image": "h/new@sha256:1"}],
}


def described(kind: str, spec: dict[str, Any]) -> Unit:
    version = {"CronJob": "batch/v1", "ReplicationController": "v1", "Pod": "v1"}.get(kind, "apps/v1")
    metadata = {"name": "web", "uid": "u-web", "annotations": {"shipit.dev/run": "3f9c01ab22ee"}}
    live: Live = parse_live(Field({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}, "GET x"))
    [unit] = describe_objects(KubernetesObserved({f"{kind}/web": live}))
    return unit


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Pod", POD),
        ("Deployment", {"template": {"spec": POD}}),
        ("StatefulSet", {"template": {"spec": POD}}),
        ("DaemonSet", {"template": {"spec": POD}}),
        ("ReplicaSet", {"template": {"spec": POD}}),
        ("ReplicationController", {"template": {"spec": POD}}),
        ("CronJob", {"jobTemplate": {"spec": {"template": {"spec": POD}}}}),
    ],
)
def test_every_kind_with_pods_tells_its_images_and_the_run_that_wrote_it(kind: str, spec: dict[str, Any]) -> None:
    found = described(kind, spec)
    assert (found.image, found.version) == ("h/new@sha256:1", "3f9c01ab22ee")


def test_a_cron_job_that_is_suspended() -> None:
    assert described("CronJob", {"suspend": True}).state == "suspended"
