"""A deploy that ends after any of its writes: the next one completes it, with no pods of one setting and files of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipit.rehearsal.server import Request, Response
from shipit.targets.kubernetes.roll import CONTENT_ANNOTATION, USES_ANNOTATION
from tests.sampled import only_deep
from tests.servers.kube_api import KubeApi
from tests.targets.kube_place import KubePlace, env_secret_of, kube_place
from tests.targets.test_kubernetes_roll import OFF, own

SECOND = "canary-second-4712"


class Ending(KubeApi):
    """An API server that takes a number of writes, then no more: as after a deploy that was killed."""

    left = 10**6

    def answer(self, request: Request) -> Response:
        is_other = "authorization" in request.path or "/leases" in request.path
        is_write = request.method != "GET" and not request.query.get("dryRun") and not is_other
        if is_write and self.left <= 0:
            # A write that fails with a status of 500 or above is repeated until the deadline.
            return Response(400, b'{"kind": "Status", "message": "ended", "reason": "BadRequest", "code": 400}')
        self.left -= is_write
        return super().answer(request)


def annotation(item: dict[str, Any], name: str) -> str:
    return str(item["metadata"].get("annotations", {}).get(name, ""))


@pytest.mark.slow
@pytest.mark.parametrize(
    "is_marked",
    [
        pytest.param(True, id="with hashes"),
        pytest.param(False, id="as an older shipit applied it", marks=[pytest.mark.sampled, only_deep]),
    ],
)
def test_the_next_deploy_completes_one_that_ended_after_any_write(tmp_path: Path, *, is_marked: bool) -> None:
    ended, number = True, 0
    while ended:
        with kube_place(tmp_path / str(number), own("1", "canary-first"), Ending) as place:
            api = place.api
            assert isinstance(api, Ending)
            start(place, is_marked=is_marked)
            before = dict(api.objects["pods", "lone"]["metadata"])
            place.own, place.token = own("2", "canary-second"), SECOND
            api.left = number
            ended = place.deploy()[0] != 0
            api.left = 10**6
            code, finished, _ = place.deploy()
            assert code == 0, (number, finished.reason)
            check_whole(api, before)
            assert place.deploy()[1].state == "unchanged", number
        number += 1
    assert number > 5, "sources, workloads, the Secret of the env and its pods are writes of their own"


def start(place: KubePlace, *, is_marked: bool) -> None:
    """The first deploy, with or without hashes."""
    plain = place.own
    if not is_marked:
        for name in ("settings", "own"):
            place.own = place.own.replace(f"metadata: {{name: {name}}}", OFF % name)
        assert place.deploy()[0] == 0
        place.own = plain
    assert place.deploy()[0] == 0
    assert bool(annotation(place.api.objects["configmaps", "settings"], CONTENT_ANNOTATION)) == is_marked


def check_whole(api: KubeApi, before: dict[str, Any]) -> None:
    """Every pod template has the hashes of what is there, and a bare Pod of before is replaced."""
    hashes = {
        f"{kind}/{name}": annotation(api.objects[plural, name], CONTENT_ANNOTATION)
        for kind, plural, name in (("ConfigMap", "configmaps", "settings"), ("Secret", "secrets", "own"))
    }
    assert all(hashes.values())
    template = api.objects["deployments", "api"]["spec"]["template"]
    assert annotation(template, USES_ANNOTATION) == " ".join(f"{key}={mark}" for key, mark in hashes.items())
    lone = api.objects["pods", "lone"]
    assert annotation(lone, USES_ANNOTATION) == f"Secret/own={hashes['Secret/own']}"
    assert lone["metadata"]["uid"] != before["uid"]
    assert api.objects["secrets", env_secret_of(api)]["immutable"] is True
