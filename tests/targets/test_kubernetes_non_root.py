"""Containers that may not be root, beside the users of their images."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.targets.kubernetes.non_root import find_refused

USERS = {"of-root": "", "zero": "0:1000", "named": "node:node", "numbered": "1000"}
MUST_NOT: dict[str, Any] = {"securityContext": {"runAsNonRoot": True}}


def workload(
    image: str, pod: dict[str, Any] = MUST_NOT, first: dict[str, Any] | None = None, **own: Any
) -> dict[str, Any]:
    rows = {"containers": [{"name": "main", "image": image, **own}], **({"initContainers": [first]} if first else {})}
    return {"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"spec": {**pod, **rows}}}}


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (workload("of-root"), ["main may not be root, and its image runs as root"]),
        (workload("zero"), ["main may not be root, and its image runs as root"]),
        (workload("named"), ["main may not be root, and its image runs as node: the kubelet can't tell by a name that this is not root"]),
        (workload("of-root", {}, securityContext={"runAsNonRoot": True}), ["main may not be root, and its image runs as root"]),
        (workload("numbered", first={"name": "first", "image": "of-root"}), ["first may not be root, and its image runs as root"]),
        (workload("numbered"), []),
        (workload("another"), []),
        (workload("of-root", {}), []),
        (workload("of-root", {"securityContext": {"runAsNonRoot": True, "runAsUser": 1000}}), []),
        (workload("of-root", securityContext={"runAsUser": 1000}), []),
        (workload("of-root", securityContext={"runAsNonRoot": False}), []),
        (workload("of-root", securityContext={"runAsNonRoot": None}), ["main may not be root, and its image runs as root"]),
        (workload("of-root", {**MUST_NOT, "os": {"name": "windows"}}), []),
        (workload("of-root", {"securityContext": "text"}), []),
        ({"kind": "CronJob", "metadata": {"name": "web"}, "spec": {"jobTemplate": {"spec": workload("zero")["spec"]}}}, ["main may not be root, and its image runs as root"]),
        ({"kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"image": "zero"}}, []),
    ],
)  # fmt: skip
def test_a_container_that_may_not_be_root_needs_an_image_with_the_number_of_a_user(
    manifest: dict[str, Any], said: list[str]
) -> None:
    assert [found.why for found in find_refused(manifest, USERS)] == said
