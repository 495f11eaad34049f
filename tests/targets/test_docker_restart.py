"""The step that restarts a service of a Docker host, on an engine that is a few dictionaries: what it says when a container fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.errors import DeployFailed
from shipit.http.fields import Field
from shipit.targets.docker.restart import Restart
from shipit.targets.docker.spec import Health
from shipit.targets.docker.steps import RestartService
from shipit.targets.engine.client import HostClient
from tests.targets.test_docker_switch import OWNER, setting


class Host:
    """Containers by name, with their states. One that restarts has ended with 3."""

    host = "engine"
    engine = Engine(EngineAddress("unix:///nothing"), {})

    def __init__(self, **states: dict[str, Any]) -> None:
        self.states = {name.replace("_", "-"): {"Status": "running", **state} for name, state in states.items()}
        self.done: list[str] = []

    def within(self, seconds: float) -> Host:
        return self

    def container(self, name: str) -> Field | None:
        head = {"Id": name, "Name": f"/{name}", "RestartCount": 0, "Config": {"Labels": OWNER.labels, "Image": "a"}}
        return Field({**head, "State": self.states[name]}, "GET") if name in self.states else None

    def containers(self, filters: str) -> list[Field]:
        return [Field({"Id": name, "Labels": OWNER.labels}, "GET") for name in self.states]

    def restart(self, name: str) -> None:
        self.done.append(f"restart {name}")
        self.states[name] = {"Status": "exited", "ExitCode": 3}

    def last_lines(self, name: str) -> tuple[str, ...]:
        return (f"last of {name}",)


def health(word: str) -> dict[str, Any]:
    return {"Health": {"Status": word}}


@pytest.mark.parametrize(
    ("states", "what"),
    [
        ([{}, health("healthy")], "web-2, web-3 serve on"),
        ([health("unhealthy"), {}], "web-3 serves on; web-2 runs, and is unhealthy"),
        ([health("starting"), {"Status": "paused"}], "web-2 runs, and is starting; web-3 is paused"),
        ([{"Status": "exited"}, {"Status": "restarting"}], "web-3 is restarting"),
    ],
)
def test_only_containers_that_are_looked_at_and_healthy_are_said_to_serve_on(
    tmp_path: Path, states: list[dict[str, Any]], what: str
) -> None:
    host = Host(web_1={}, web_2=states[0], web_3=states[1])
    step = RestartService("r", "r", host="engine", service="web", names=("web-1", "web-2", "web-3"), at="")
    with pytest.raises(DeployFailed) as raised:
        list(Restart(step, cast("HostClient", host), setting(tmp_path)).run())
    assert raised.value.what == f"web-1 on engine exited with 3; {what}"
    assert host.done == ["restart web-1"]


def test_a_container_that_does_not_answer_its_health_path_is_not_said_to_serve_on(tmp_path: Path) -> None:
    host = Host(web_1={}, web_2={})
    step = RestartService(
        "r", "r", host="engine", service="web", names=("web-1", "web-2"), at="", health=Health("/up", 3000, None)
    )
    with pytest.raises(DeployFailed) as raised:
        list(Restart(step, cast("HostClient", host), setting(tmp_path)).run())
    assert raised.value.what == (
        "web-1 on engine exited with 3; web-2 runs, but GET /up: the container has no address yet"
    )
