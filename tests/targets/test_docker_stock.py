"""What several hosts have of a target that nothing needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import EngineAddress
from shipit.record import to_json
from shipit.release import Destruction
from shipit.targets.docker.destroy import Inventory, leftovers, plan_destroy
from shipit.targets.docker.observed import DockerObserved
from shipit.targets.docker.stock import images_after, read_stock
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.owner import LOCK, RUN, SERVICE, Owner
from shipit.targets.locks import Holder
from shipit.targets.session import Clients, Session
from tests.targets.test_docker_examine import Engine

OWNER = Owner("shop", "production", "hosts")
PULLED = f"registry.example/shop@sha256:{'a' * 64}"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    clock = Clock()
    clients = Clients(clock)
    environment = ProcessEnvironment({"PATH": str(tmp_path)}, tmp_path, tmp_path)
    yield Session(environment, clock, lambda event: None, str, clock.now() + 120, clients)
    clients.close()


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def one(rows: list[dict[str, Any]], locks: list[dict[str, Any]]) -> Engine:
        answers = {
            "/containers/json": rows,
            "/images/json": [{"Id": "1", "RepoDigests": [PULLED]}],
            "/volumes": {"Volumes": locks},
            "/networks": [],
            "/services": [],
            "/configs": [],
            "/system/df": {},
        }
        made.append(Engine(tmp_path_factory.mktemp("engine") / "s", "1.41", answers))
        return made[-1]

    yield one
    for engine in made:
        engine.close()


def lock(target: str, run: str) -> dict[str, Any]:
    labels = {LOCK: "1", "dev.shipit.lock-holder": json.dumps(to_json(Holder(run)))}
    return {"Name": f"{target}-lock", "Labels": {**OWNER._replace(target=target).labels, **labels}}


def hosts(*engines: Engine) -> Hosts:
    return Hosts({engine.host: EngineAddress(engine.host) for engine in engines})


def test_a_deploy_to_all_hosts_that_locks_only_the_first_keeps_the_images_of_all(
    start: Callable[..., Engine], session: Session
) -> None:
    first, other = start([], [lock("hosts", "own"), lock("blue", "other")]), start([], [])
    found = read_stock(hosts(first, other), OWNER, ["registry.example/shop"], 3, session)
    assert {(stock.busy, stock.images) for stock in found.values()} == {("shop/production/blue", ())}
    images = images_after(hosts(first, other), OWNER, ["registry.example/shop"], session)
    inventory, wanted = Inventory(DockerObserved(), images=images), Destruction(images=True)
    assert plan_destroy(inventory, wanted) == () and list(leftovers(inventory, Destruction())) == []
    assert [left.what for left in leftovers(inventory, wanted)] == [
        f"images and networks on {one.host} stay: shop/production/blue is being changed there now"
        for one in (first, other)
    ]


def test_the_lock_of_another_target_of_the_same_run_is_no_reason_to_wait(
    start: Callable[..., Engine], session: Session
) -> None:
    first, other = start([], [lock("hosts", "own")]), start([], [lock("blue", "own")])
    found = read_stock(hosts(first, other), OWNER, ["registry.example/shop"], 3, session)
    assert [[image.name for image in stock.images] for stock in found.values()] == [[PULLED]] * 2


def test_a_command_that_just_ended_stays_while_another_one_runs(start: Callable[..., Engine], session: Session) -> None:
    def row(name: str, state: str, label: str) -> dict[str, Any]:
        return {
            "Id": name,
            "Names": [f"/{name}"],
            "State": state,
            "Created": int(session.clock.wall_s()),
            "Labels": {**OWNER.labels, label: "web"},
        }

    rows = [
        row("a", "running", RUN),
        row("b", "exited", RUN),
        row("c", "running", SERVICE),
        row("d", "exited", SERVICE),
    ]
    engine = start(rows, [])
    [found] = read_stock(hosts(engine), OWNER, [], 3, session).values()
    assert found.containers == ("d",)
