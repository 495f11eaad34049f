"""The step that replaces a service start-first, on an engine that is a few dictionaries."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import DeployFailed, ShipitError
from shipit.events import Log
from shipit.http.fields import Field
from shipit.process import Finished
from shipit.targets.compose.content import Content
from shipit.targets.compose.judge import Limits
from shipit.targets.compose.program import ComposeProgram
from shipit.targets.compose.roll import Roll
from shipit.targets.compose.setting import Setting
from shipit.targets.compose.steps import RollService
from shipit.targets.engine.client import HostClient
from shipit.targets.session import Clients, Session
from tests.targets.test_compose_apply import OWNER, inspected, row

TEXT = json.dumps({"services": {"web": {"image": "a"}, "job": {"image": "a"}}})
CONTENT = Content(TEXT, {"web": "h1", "job": "h1"}, {}, {})
STEP = RollService(
    "roll web", "replace web", file="f1", images={}, platforms={}, service="web", quantity=1, awaits={}, drain_s=0.0, known=("web-1",)
)  # fmt: skip
HEALTHY, UNHEALTHY, STARTING = ({"Health": {"Status": word}} for word in ("healthy", "unhealthy", "starting"))
GONE: dict[str, Any] = {}


class SlowClock(Clock):
    """A clock on which a sleep takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s = 0.0

    def now(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        self.at_s += seconds


class FakeEngine:
    """Containers by name, with the states that looks at them find one after the other: the last one stays."""

    def __init__(self, **states: Sequence[dict[str, Any]]) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.states: dict[str, list[dict[str, Any]]] = {}
        self.done: list[str] = []
        # What `docker compose up` makes, and how it ends.
        self.made: dict[str, Sequence[dict[str, Any]]] = {}
        self.ended = Finished(0, b"", b"")
        self.on_stop: Callable[[str], None] = lambda name: None
        for name, found in states.items():
            self.add(name.replace("_", "-"), found)

    def add(self, name: str, states: Sequence[dict[str, Any]], version: str = "") -> None:
        labels = {"com.docker.compose.config-hash": version or ("h0" if name == "web-1" else "h1")}
        self.rows[name] = row(name, labels)
        self.states[name] = list(states)

    def within(self, seconds: float) -> FakeEngine:
        return self

    def containers(self, filters: str = "") -> list[Field]:
        return [Field(found, "GET") for found in self.rows.values()]

    def container(self, name: str) -> Field | None:
        if name not in self.rows:
            return None
        states = self.states[name]
        state = states.pop(0) if len(states) > 1 else states[0]
        if state is GONE:
            del self.rows[name]
            return None
        return Field(inspected(self.rows[name], **state), "GET")

    def images(self) -> Field:
        return Field([], "GET")

    def list_labelled(self, filters: str) -> list[Any]:
        return []

    def put(self, name: str, labels: Any) -> None:
        self.done.append("keep")

    def stop(self, name: str) -> None:
        self.done.append(f"stop {name}")
        self.on_stop(name)

    def remove(self, name: str, *, keeps_volumes: bool = False) -> None:
        self.done.append(f"remove {name}")
        del self.rows[name]

    def last_lines(self, name: str) -> tuple[str, ...]:
        return (f"last of {name}",)

    def up(self, text: bytes, words: Sequence[str]) -> Finished:
        self.done.append(" ".join(words))
        for name, states in self.made.items():
            if name not in self.rows:
                self.add(name, states)
        return self.ended


def setting_of(engine: FakeEngine, tmp_path: Path) -> Setting:
    clock = SlowClock()
    environment = ProcessEnvironment({}, tmp_path, tmp_path)
    mark: Callable[[str], str] = lambda text: text if len(text) < 20 else "f1"  # noqa: E731
    session = Session(environment, clock, lambda event: None, mark, 600, Clients(clock))
    program = cast("ComposeProgram", engine)
    return Setting(
        "stack", "shop", OWNER, session, frozenset(), lambda *_: CONTENT, lambda _: program, Limits(30.0), 2.0
    )


def roll(engine: FakeEngine, tmp_path: Path, **keys: Any) -> list[str]:
    """Apply the step: what it told."""
    step = RollService(**{**STEP.__dict__, **keys})
    events = list(Roll(step, cast("HostClient", engine), setting_of(engine, tmp_path)).run())
    return [event.line for event in events if isinstance(event, Log)]


CREATE = "--no-start --no-recreate --scale web=2 -- web"
START = "--no-recreate --no-deps --scale web=2 -- web"


def test_old_containers_are_removed_when_the_new_ones_are_ready(tmp_path: Path) -> None:
    engine = FakeEngine(web_1=[{}])
    engine.made = {"web-2": [{"Status": "created"}, STARTING, STARTING, HEALTHY]}
    assert roll(engine, tmp_path, drain_s=5.0) == ["started web-2"]
    assert engine.done == ["keep", CREATE, START, "stop web-1", "remove web-1"]
    assert set(engine.rows) == {"web-2"}


@pytest.mark.parametrize(
    ("states", "what"),
    [
        ([{}, {"Status": "exited", "ExitCode": 3}], "web-2 exited with 3"),
        ([STARTING, UNHEALTHY], "web-2 is unhealthy"),
        ([{}, {"Status": "restarting", "ExitCode": 1}], "web-2 exited with 1"),
        ([{"Status": "paused"}], "web-2 is paused"),
        ([STARTING], "web-2 is starting (its health check decides within 3m) for 210 s"),
        ([{"Status": "exited", "OOMKilled": True}], "web-2 ran out of memory"),
    ],
)
def test_new_containers_that_fail_are_removed_and_the_old_ones_serve_on(
    tmp_path: Path, states: list[dict[str, Any]], what: str
) -> None:
    engine = FakeEngine(web_1=[{}])
    engine.made = {"web-2": states}
    with pytest.raises(DeployFailed) as raised:
        roll(engine, tmp_path)
    assert raised.value.what == f"{what}; web-1 serves on"
    assert engine.done == ["keep", CREATE, START, "remove web-2"] and set(engine.rows) == {"web-1"}
    if "for 210 s" not in what:
        assert raised.value.detail == ("last of web-2",)


def test_a_new_container_that_fails_in_the_drain_time_is_removed(tmp_path: Path) -> None:
    engine = FakeEngine(web_1=[{}])
    engine.made = {"web-2": [HEALTHY, HEALTHY, HEALTHY, {"Status": "exited", "ExitCode": 9}]}
    with pytest.raises(DeployFailed, match="web-2 exited with 9; web-1 serves on"):
        roll(engine, tmp_path, drain_s=5.0)
    assert "stop web-1" not in engine.done


def test_a_new_container_that_somebody_else_removes_ends_the_run(tmp_path: Path) -> None:
    engine = FakeEngine(web_1=[{}])
    engine.made = {"web-2": [STARTING, GONE]}
    with pytest.raises(DeployFailed, match="superseded by someone else: a new container of web was removed"):
        roll(engine, tmp_path)
    assert set(engine.rows) == {"web-1"}


def test_a_container_that_compose_can_not_create_is_a_failure(tmp_path: Path) -> None:
    engine = FakeEngine(web_1=[{}])
    engine.ended = Finished(1, b"", b"pull access denied\n")
    with pytest.raises(DeployFailed, match="docker compose up ended with 1: pull access denied; web-1 serves on"):
        roll(engine, tmp_path)
    assert engine.done == ["keep", CREATE], "it is not started then"


def test_a_container_that_compose_can_not_start_is_a_failure_at_once(tmp_path: Path) -> None:
    engine = FakeEngine(web_1=[{}])
    engine.made = {"web-2": [{"Status": "created"}]}
    engine.ended = Finished(1, b"", b"port is already allocated\n")
    with pytest.raises(DeployFailed, match="ended with 1: port is already allocated; web-1 serves on"):
        roll(engine, tmp_path)
    assert set(engine.rows) == {"web-1"}


def test_the_new_containers_of_an_earlier_attempt_are_used(tmp_path: Path) -> None:
    engine = FakeEngine(web_1=[{}], web_2=[HEALTHY], web_3=[HEALTHY])
    assert roll(engine, tmp_path, quantity=1) == ["started web-2", "started web-3"]
    assert engine.done == ["keep", "stop web-1", "remove web-1", "stop web-3", "remove web-3"]


def test_containers_that_have_ended_are_removed_first(tmp_path: Path) -> None:
    ended = {"Status": "exited", "ExitCode": 1}
    engine = FakeEngine(web_1=[{}], web_2=[ended], web_4=[{"Status": "created"}])
    engine.made = {"web-3": [HEALTHY]}
    roll(engine, tmp_path)
    assert engine.done[:4] == ["keep", "stop web-2", "remove web-2", "stop web-4"]
    assert set(engine.rows) == {"web-3"}


def test_new_containers_stay_where_no_old_one_runs(tmp_path: Path) -> None:
    engine = FakeEngine(web_1=[{}, {}, {}, {"Status": "exited"}])
    engine.made = {"web-2": [STARTING, UNHEALTHY]}
    with pytest.raises(DeployFailed) as raised:
        roll(engine, tmp_path)
    assert raised.value.what == "web-2 is unhealthy" and set(engine.rows) == {"web-1", "web-2"}


@pytest.mark.parametrize(
    ("job", "what"),
    [
        ([{}, {"Status": "exited"}], ""),
        ([{}, {"Status": "exited", "ExitCode": 4}], "job-1 exited with 4"),
        ([{}], "job-1 has not ended yet for 30 s"),
    ],
)
def test_a_rollout_waits_for_what_the_service_needs(tmp_path: Path, job: list[dict[str, Any]], what: str) -> None:
    engine = FakeEngine(web_1=[{}], job_1=job)
    engine.made = {"web-2": [HEALTHY]}
    awaits = {"job": "service_completed_successfully"}
    if not what:
        roll(engine, tmp_path, awaits=awaits)
        assert set(engine.rows) == {"web-2", "job-1"}
        return
    with pytest.raises(DeployFailed) as raised:
        roll(engine, tmp_path, awaits=awaits)
    assert raised.value.what == what and engine.done == ["keep"]


@pytest.mark.parametrize(
    ("condition", "states"),
    [
        ("service_healthy", [STARTING, HEALTHY]),
        ("service_started", [{"Status": "created"}, {}]),
        ("service_healthy", [{}]),
    ],
)
def test_conditions_of_compose(tmp_path: Path, condition: str, states: list[dict[str, Any]]) -> None:
    engine = FakeEngine(web_1=[{}], job_1=states)
    engine.made = {"web-2": [HEALTHY]}
    roll(engine, tmp_path, awaits={"job": condition})
    with pytest.raises(DeployFailed, match="gone has no container"):
        roll(engine, tmp_path, awaits={"gone": condition})


def test_a_container_that_somebody_else_creates_in_the_drain_time_is_not_removed(tmp_path: Path) -> None:
    engine = FakeEngine(web_1=[{}])
    engine.made = {"web-2": [HEALTHY], "web-3": [HEALTHY]}
    other = engine.up

    def up(text: bytes, words: Sequence[str]) -> Finished:
        done = other(text, words)
        engine.add("web-3", [HEALTHY], "h9")
        return done

    engine.up = up  # type: ignore[method-assign]
    with pytest.raises(DeployFailed, match=r"superseded by someone else: web-3 was created .* web-1, web-3 serve on"):
        roll(engine, tmp_path)
    assert set(engine.rows) == {"web-1", "web-3"}


def test_a_container_that_somebody_else_created_since_the_plan_ends_the_run(tmp_path: Path) -> None:
    engine = FakeEngine(web_1=[{}])
    with pytest.raises(ShipitError, match="superseded by someone else: web-1 was created since the plan was made"):
        roll(engine, tmp_path, known=())


def test_a_new_container_of_an_earlier_attempt_stays_where_the_old_ones_may_be_drained(tmp_path: Path) -> None:
    """The earlier attempt may have run `before_stop` in web-1, which then serves nothing."""
    engine = FakeEngine(web_1=[{}], web_2=[UNHEALTHY])
    with pytest.raises(DeployFailed) as raised:
        roll(engine, tmp_path, known=("web-1", "web-2"), before_stop=("drain",))
    assert raised.value.what == "web-2 is unhealthy; web-1, web-2 run until the next deploy"
    assert engine.done == ["keep"] and set(engine.rows) == {"web-1", "web-2"}


@pytest.mark.parametrize(
    "state", [{"Status": "restarting", "ExitCode": 1}, {"Status": "paused"}, {"Health": {"Status": "unhealthy"}}]
)
def test_an_old_container_that_answers_nothing_is_not_said_to_serve(tmp_path: Path, state: dict[str, Any]) -> None:
    engine = FakeEngine(web_1=[state])
    engine.made = {"web-2": [UNHEALTHY]}
    with pytest.raises(DeployFailed) as raised:
        roll(engine, tmp_path)
    assert raised.value.what == "web-2 is unhealthy" and set(engine.rows) == {"web-1", "web-2"}


def test_a_container_that_somebody_else_creates_during_the_wait_for_others_is_not_removed(tmp_path: Path) -> None:
    engine = FakeEngine(web_1=[{}], job_1=[{}, {"Status": "exited"}])
    looked = engine.container

    def container(name: str) -> Field | None:
        if name == "job-1":
            engine.add("web-7", [{"Status": "created"}], "h9")
        return looked(name)

    engine.container = container  # type: ignore[method-assign]
    with pytest.raises(DeployFailed, match="superseded by someone else: web-7 was created since the plan was made"):
        roll(engine, tmp_path, awaits={"job": "service_completed_successfully"})
    assert set(engine.rows) == {"web-1", "job-1", "web-7"} and engine.done == ["keep"]


def test_new_containers_are_looked_at_again_without_a_drain_time(tmp_path: Path) -> None:
    engine = FakeEngine(web_1=[{}])
    # Read after its creation, for its start, until it is ready, and again before web-1 is removed.
    engine.made = {"web-2": [HEALTHY, HEALTHY, HEALTHY, {"Status": "exited", "ExitCode": 9}]}
    with pytest.raises(DeployFailed, match="web-2 exited with 9; web-1 serves on"):
        roll(engine, tmp_path)
    assert "stop web-1" not in engine.done
