"""A Lease as a server has it: what its times and its holder may be."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipit.http.messages import Answer, make_request
from shipit.release import Finding
from shipit.targets.kubernetes.access import LOCK, judge_lock
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.lease import HOLDER_ANNOTATION, Lease
from shipit.targets.locks import Holder
from tests.runs import FakeClock

HELD = {
    "metadata": {"resourceVersion": "7", "annotations": {HOLDER_ANNOTATION: '{"run": "other", "command": "deploy"}'}},
    "spec": {"holderIdentity": "run-1", "renewTime": "2026-01-31T12:00:00.000000Z"},
}


class Held(KubernetesClient):
    """A client to which every request is answered with one Lease. `bodies` are those of the requests."""

    def __init__(self, lease: Any, date: str = "") -> None:
        self.lease, self.at = lease, date
        self.bodies: list[Any] = []

    def answer(
        self, method: str, path: str, body: Any = None, content_type: str = "", query: Any = None, accept: str = ""
    ) -> Answer:
        self.bodies.append(body)
        request = make_request(method, f"https://api.example{path}")
        return Answer(request, 200, {"date": self.at}, io.BytesIO(json.dumps(self.lease).encode()))


@pytest.mark.parametrize(
    "date",
    [
        "",
        "soon",
        "Thu, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Thu, 01 Jan 2026 00:00:00 +99999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ],
)
def test_a_date_that_is_none_is_taken_for_that_of_this_machine(date: str) -> None:
    client = Held(HELD, date)
    found = Lease("lock", "prod", client, FakeClock())
    state = found.read()
    assert (state.ahead_s, state.version) == (0.0, "7")
    assert found.swap(state, Holder("run-2")) is not None
    assert client.bodies[-1]["spec"]["holderIdentity"] == "run-2"


def test_the_holder_is_the_run_that_the_lease_names() -> None:
    state = Lease("lock", "prod", Held(HELD), FakeClock()).read()
    assert state.holder == Holder("run-1", "deploy")


def test_a_user_who_may_not_read_leases_is_told_that_nothing_is_locked() -> None:
    [role] = [
        rule
        for rule in yaml.safe_load((Path(__file__).parents[2] / "docs" / "kubernetes-role.yml").read_text())["rules"]
        if rule["resources"] == ["leases"]
    ]
    assert role["verbs"] == list(LOCK), "what doctor asks for is what the Role of the documentation has"
    what = "may not get leases: no lock keeps two deploys from different machines apart"
    assert judge_lock(("get",)) == [Finding("warning", "", what, "ask for these verbs: docs/kubernetes-role.yml")]
    assert judge_lock(()) == []
