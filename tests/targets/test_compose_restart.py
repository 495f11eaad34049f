"""The step that restarts a service, on an engine that is a few dictionaries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from shipit.errors import DeployFailed
from shipit.events import Event, Log
from shipit.process import Finished
from shipit.targets.compose.observed import ContainerFacts
from shipit.targets.compose.origin import with_labels
from shipit.targets.compose.restart import Restart
from shipit.targets.compose.steps import RestartContainers
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.label_store import Labelled
from tests.targets.test_compose_apply import kept
from tests.targets.test_compose_roll import CONTENT, HEALTHY, STARTING, FakeEngine, setting_of

EXITED = {"Status": "exited", "ExitCode": 3}
CREATE = "--no-start --no-recreate --scale web=2 -- web"
START = "--no-recreate --no-deps --scale web=2 -- web"


class Engine(FakeEngine):
    """Keeps the file f1. `restarted`: name -> its states after a restart."""

    restarted: dict[str, Sequence[dict[str, Any]]]
    # The id beside which the last container was made that has such a label.
    beside = ""

    def up(self, text: bytes, words: Sequence[str]) -> Finished:
        labels = json.loads(text)["services"]["web"].get("labels") or {}
        self.beside = labels.get("dev.shipit.beside", self.beside)
        return super().up(text, words)

    def restart(self, name: str) -> None:
        self.done.append(f"restart {name}")
        self.states[name] = list(self.restarted[name])

    def list_labelled(self, filters: str) -> list[Any]:
        found = kept("f1", CONTENT)
        return [Labelled(found["Name"], found["Labels"])]


def restart(
    engine: Engine, tmp_path: Path, *names: str, file: str = "", drain_s: float = 0.0, before_stop: tuple[str, ...] = ()
) -> list[str]:
    """Apply the step: what it told."""
    step = RestartContainers(
        "restart web",
        "restart web",
        service="web",
        names=names,
        at="",
        file=file,
        drain_s=drain_s,
        before_stop=before_stop,
    )
    events = list(Restart(step, cast("HostClient", engine), setting_of(engine, tmp_path)).run())
    return [event.line for event in events if isinstance(event, Log)]


def test_each_container_restarts_when_the_one_before_is_ready(tmp_path: Path) -> None:
    engine = Engine(web_1=[{}], web_2=[{}], job_1=[{}])
    engine.restarted = {"web-1": [STARTING, HEALTHY], "web-2": [{}]}
    assert restart(engine, tmp_path, "web-1", "web-2", "job-1", "alien") == ["restarted web-1", "restarted web-2"]
    assert engine.done == ["restart web-1", "restart web-2"]
    assert engine.states["web-1"] == [HEALTHY]


def test_the_others_are_not_restarted_after_one_that_fails(tmp_path: Path) -> None:
    engine = Engine(web_1=[{}], web_2=[{}])
    engine.restarted = {"web-1": [EXITED]}
    with pytest.raises(DeployFailed) as raised:
        restart(engine, tmp_path, "web-1", "web-2")
    assert (raised.value.what, raised.value.detail) == (
        "web-1 exited with 3; web-2 serves on",
        ("last of web-1",),
    )
    assert engine.done == ["restart web-1"]


def test_one_more_container_serves_while_an_only_one_restarts(tmp_path: Path) -> None:
    engine = Engine(web_1=[{}])
    engine.made, engine.restarted = {"web-2": [STARTING, HEALTHY]}, {"web-1": [STARTING, HEALTHY]}
    assert restart(engine, tmp_path, "web-1", file="f1", drain_s=5.0) == ["restarted web-1"]
    assert engine.done == [CREATE, START, "restart web-1", "stop web-2", "remove web-2"]
    assert engine.beside == "web-1"


def test_a_restart_after_one_that_was_killed_uses_the_container_that_it_left(tmp_path: Path) -> None:
    engine = Engine(web_1=[{}], web_2=[{}], web_3=[STARTING])
    for name in ("web-2", "web-3"):
        engine.rows[name]["Labels"] |= {"dev.shipit.beside": engine.rows["web-1"]["Id"]}
    engine.restarted = {"web-1": [HEALTHY]}
    assert restart(engine, tmp_path, "web-1", file="f1") == ["restarted web-1"]
    assert engine.done == ["remove web-3", "restart web-1", "stop web-2", "remove web-2"]


def test_a_container_that_serves_while_another_one_restarts_is_labelled() -> None:
    text = json.loads(with_labels(CONTENT, "web", {"dev.shipit.beside": "a$b"}).text)
    assert text["services"]["web"]["labels"] == {"dev.shipit.beside": "a$$b"}
    assert "labels" not in text["services"]["job"]


@pytest.mark.parametrize("is_left", [False, True])
def test_with_before_stop_each_container_is_replaced_by_one_without_another_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_left: bool
) -> None:
    engine = Engine(web_1=[{}])
    engine.made = {"web-2": [STARTING, HEALTHY]}
    if is_left:
        engine.add("web-9", [HEALTHY])
        engine.rows["web-9"]["Labels"] |= {"dev.shipit.beside": "web-1"}

    def before_stop(one: ContainerFacts, *others: object) -> Iterator[Event]:
        engine.done.append(f"leave {one.name}")
        yield from ()

    monkeypatch.setattr("shipit.targets.compose.restart.before_stop", before_stop)
    said = restart(engine, tmp_path, "web-1", file="f1", drain_s=5.0, before_stop=("touch", "/leaving"))
    assert said == ["replaced web-1"]
    removed = ["leave web-9", "stop web-9", "remove web-9"] if is_left else []
    assert engine.done == [*removed, CREATE, START, "leave web-1", "stop web-1", "remove web-1"]
    assert engine.beside == "", "Compose counts labels as settings"


def test_one_more_container_that_is_not_ready_is_removed_before_anything_restarts(tmp_path: Path) -> None:
    engine = Engine(web_1=[{}])
    engine.made = {"web-2": [{}, EXITED]}
    with pytest.raises(DeployFailed, match="web-2 exited with 3"):
        restart(engine, tmp_path, "web-1", file="f1")
    assert engine.done == [CREATE, START, "remove web-2"]


def test_one_more_container_serves_on_when_the_restarted_one_fails(tmp_path: Path) -> None:
    engine = Engine(web_1=[{}])
    engine.made, engine.restarted = {"web-2": [{}]}, {"web-1": [EXITED]}
    with pytest.raises(DeployFailed, match="web-1 exited with 3; web-1 was removed; web-2 serves on"):
        restart(engine, tmp_path, "web-1", file="f1")
    assert engine.done == [CREATE, START, "restart web-1", "remove web-1"]


def test_compose_that_makes_no_container_is_an_error_and_nothing_restarts(tmp_path: Path) -> None:
    engine = Engine(web_1=[{}])
    engine.ended = Finished(1, b"", b"no space left on device")
    with pytest.raises(DeployFailed, match="no space left on device"):
        restart(engine, tmp_path, "web-1", file="f1")
    assert engine.done == [CREATE]
