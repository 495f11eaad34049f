"""An HTTPRoute of the concise form on the real cluster. The test writes into its status what the controller of a Gateway would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shipit.events import Event, StepApplied
from tests.e2e.web_place import WebPlace
from tests.servers.cluster import Cluster
from tests.servers.gateway_api import GROUP, served

pytestmark = [pytest.mark.registry, pytest.mark.cluster]


@pytest.fixture(scope="module")
def routes(cluster: Cluster) -> Iterator[None]:
    with served(cluster):
        yield


def keys(*hosts: str) -> str:
    return f"hosts: [{', '.join(hosts)}], gateway: {{name: public, listener: https}}"


class Controller:
    """Writes the conditions of the one parent after each step that wrote the HTTPRoute."""

    def __init__(self, web: WebPlace, resolved: str, reason: str, message: str = "", lag: int = 0) -> None:
        self._web, self._lag = web, lag
        self._rows = [("Accepted", "True", "Accepted", ""), ("ResolvedRefs", resolved, reason, message)]

    def react(self, event: Event) -> None:
        if isinstance(event, StepApplied) and "HTTPRoute" in event.step_id:
            self.write()

    def write(self) -> None:
        generation = self._web.get("httproute/web")["metadata"]["generation"] - self._lag
        conditions = [
            {
                "type": kind, "status": status, "reason": reason, "message": message,
                "observedGeneration": generation, "lastTransitionTime": "2026-01-31T12:00:00Z",
            }
            for kind, status, reason, message in self._rows
        ]  # fmt: skip
        parent: dict[str, Any] = {
            "parentRef": {"name": "public", "sectionName": "https"},
            "controllerName": "shipit.test/gateways",
            "conditions": conditions,
        }
        change = json.dumps({"status": {"parents": [parent]}})
        self._web.kubectl("patch", "httproute/web", "--subresource=status", "--type=merge", "-p", change)


def test_an_http_route_is_applied_unchanged_afterwards_and_judged_by_its_parents(web: WebPlace, routes: None) -> None:
    accepting = Controller(web, "True", "ResolvedRefs")
    code, finished, events = web.deploy("", keys("a.example.com"), meddle=accepting.react)
    assert code == 0, events
    assert finished.verdict.warnings == (), finished.verdict
    route = web.get("httproute/web")
    assert route["apiVersion"] == f"{GROUP}/v1" and route["spec"]["hostnames"] == ["a.example.com"]
    [rule] = route["spec"]["rules"]
    assert rule["backendRefs"] == [{"group": "", "kind": "Service", "name": "web", "port": 8000, "weight": 1}]
    assert web.plan("", keys("a.example.com")).plan.targets[0].steps == (), "the server's defaults are no change"

    refusing = Controller(web, "False", "BackendNotFound", "service web has no such port")
    code, finished, events = web.deploy("", keys("a.example.com", "b.example.com"), meddle=refusing.react)
    assert code == 1, events
    assert "HTTPRoute/web: its parent says BackendNotFound: service web has no such port" in finished.reason

    # What a controller says of an earlier generation is not taken for its answer to this one.
    late = Controller(web, "True", "ResolvedRefs", lag=1)
    code, finished, events = web.deploy("", keys("c.example.com"), meddle=late.react)
    assert code == 0, events
    assert any("not all of its parents have observed its last change" in each for each in finished.verdict.warnings)
