"""Waits until Swarm has removed what belongs to a service that is gone: they end with what is still there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from shipit.clock import Deadline
from shipit.errors import DeployFailed, RemoteError
from shipit.http.fields import Field
from shipit.targets.engine.owner import Owner
from shipit.targets.swarm.change import _remove_and_wait
from shipit.targets.swarm.stock import await_removed
from tests.runs import FakeClock

OF_SERVICE = "com.docker.swarm.service.id"
OWNER = Owner("shop", "production", "swarm")


class Engine:
    """`left` are the ids of the tasks and containers of a service that is gone; they are gone after `lasts_s`."""

    host = "unix:///engine"

    def __init__(self, clock: FakeClock, left: list[str], lasts_s: float, stop_s: int = 0) -> None:
        self.clock, self.left, self.lasts_s, self.stop_s = clock, left, lasts_s, stop_s
        self.removed: list[str] = []

    def remove_service(self, service_id: str) -> None:
        self.removed.append(service_id)

    def _left(self) -> list[str]:
        return self.left if self.clock.now() < self.lasts_s else []

    def tasks(self, services: list[str]) -> list[Field]:
        return [Field({"ID": one}, "tasks") for one in self._left()]

    def services(self) -> list[Field]:
        return [Field({"ID": "here"}, "services")]

    def containers(self) -> list[Field]:
        labels: dict[str, dict[str, str]] = {"other": {}, "one": {OF_SERVICE: "here", **OWNER.labels}}
        labels["of another target"] = {OF_SERVICE: "gone", **OWNER._replace(target="other").labels}
        labels |= {key: {OF_SERVICE: "gone", **OWNER.labels} for key in self._left()}
        return [Field({"Id": one, "Labels": own}, "list") for one, own in labels.items()]

    def container(self, name: str) -> Field:
        return Field({"Config": {"StopTimeout": self.stop_s}}, "container")


def session(clock: FakeClock) -> Any:
    return SimpleNamespace(clock=clock, deadline=Deadline(clock))


def remove(engine: Engine, grace_s: float = 0.0) -> None:
    setting = SimpleNamespace(client=engine, session=session(engine.clock), target="swarm")
    _remove_and_wait("service", cast("Any", setting), grace_s)


def test_tasks_that_stay_are_an_error_that_names_them() -> None:
    engine = Engine(FakeClock(), [f"task{number}-0123456789" for number in range(7)], 1e9)
    with pytest.raises(DeployFailed) as raised:
        remove(engine)
    assert engine.removed == ["service"] and 1060 <= engine.clock.now() < 1062
    what = "the service was removed, and its tasks are not gone: task0-012345, task1-012345, task2-012345, task3-012345, task4-012345 and 2 more"
    assert (raised.value.where, raised.value.what) == ("swarm", what)


def test_tasks_are_waited_for_a_minute_beyond_their_grace_period() -> None:
    remove(Engine(FakeClock(), ["task"], 1100.0), grace_s=60.0)
    remove(Engine(FakeClock(), [], 1e9))


def test_containers_that_stay_are_an_error_that_names_them() -> None:
    engine = Engine(FakeClock(), ["container-0123456789"], 1e9)
    with pytest.raises(RemoteError) as raised:
        await_removed(cast("Any", engine), OWNER, session(engine.clock))
    what = "containers of services that are gone are still there: container-01"
    assert (raised.value.where, raised.value.what) == ("unix:///engine", what)


def test_containers_are_waited_for_a_minute_beyond_their_grace_period() -> None:
    engine = Engine(FakeClock(), ["container"], 1100.0, stop_s=60)
    await_removed(cast("Any", engine), OWNER, session(engine.clock))
    assert 1100 <= engine.clock.now() < 1102
