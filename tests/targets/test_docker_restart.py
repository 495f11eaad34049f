"""The step that restarts a service of a Docker host, on an engine that is a few dictionaries: what it says when a container fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.errors import DeadlinePassed, DeployFailed
from shipit.http.fields import Field
from shipit.targets.docker.observed import ContainerFacts
from shipit.targets.docker.parse import parse_container
from shipit.targets.docker.ready import await_ready
from shipit.targets.docker.restart import Restart
from shipit.targets.docker.spec import Health
from shipit.targets.docker.steps import RestartService
from shipit.targets.engine.client import HostClient
from tests.targets.test_compose_roll import SlowClock
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


@pytest.mark.parametrize(
    ("states", "what", "after_s"),
    [
        ({"web_1": health("starting"), "web_2": {"Status": "created"}}, "web-2 on engine is created for 60 s", 60),
        (
            {"web_1": health("starting")},
            "web-1 on engine is starting (its health check decides within 3m) for 240 s",
            240,
        ),
        ({"web_1": {}, "web_2": {"Status": "paused"}}, "web-2 on engine is paused", 0),
    ],
)
def test_each_container_that_makes_no_progress_ends_the_wait(
    tmp_path: Path, states: dict[str, Any], what: str, after_s: float
) -> None:
    host = Host(**states)
    read = lambda name: parse_container(host.container(name) or Field({}, "GET"), str)  # noqa: E731
    clock = SlowClock()
    with pytest.raises(DeployFailed) as raised:
        await_all(host, clock, tmp_path, read)
    assert raised.value.what == what and after_s <= clock.now() < after_s + 1


def test_an_interval_of_an_hour_is_waited_for_until_the_deadline_only(tmp_path: Path) -> None:
    host, clock = Host(web_1=health("starting")), SlowClock()
    facts = ContainerFacts("1", "web-1", "web", 1, "", "", state="running", health="starting", undecided_s=10_890.0)
    with pytest.raises(DeadlinePassed) as raised:
        await_all(host, clock, tmp_path, lambda name: facts)
    assert raised.value.what == (
        "the deadline passed while waiting for web on engine: web-1 is starting (its health check decides within 3h1m30s)"
    )
    assert clock.now() == pytest.approx(600)


def await_all(host: Host, clock: SlowClock, folder: Path, read: Callable[[str], ContainerFacts | None]) -> None:
    own = setting(folder)
    own = own._replace(session=replace(own.session, clock=clock, deadline_s=600.0))
    names = tuple(host.states)
    step = RestartService("r", "r", host="engine", service="web", names=names, at="")
    await_ready(names, step, cast("HostClient", host), own, read)
