"""What of the stock of a kind is old: containers, kept files and specs that no release to return to has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import EngineAddress
from shipit.past_release import PastRelease
from shipit.record import to_json
from shipit.targets.compose import stock as compose
from shipit.targets.compose.history import Record as ComposeRecord
from shipit.targets.compose.kept import FILE, FILE_ID
from shipit.targets.compose.observed import ComposeObserved, Wanted
from shipit.targets.docker import stock as docker
from shipit.targets.docker.plan_back import Kept, Record
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.owner import IMAGES, RECORD, RUN, SERVICE, Owner
from shipit.targets.session import Clients, Session
from tests.targets.answering_host import answering_host

OWNER = Owner("shop", "production", "hosts")
HEALTHY = [PastRelease(f"run{number}", "healthy") for number in range(4)]


def volume(name: str, **labels: str) -> dict[str, Any]:
    return {"Name": name, "Labels": {**OWNER.labels, **labels}}


def container(name: str, service: str, state: str = "exited", **more: Any) -> dict[str, Any]:
    labels = {**OWNER.labels, **({SERVICE: service} if service else {RUN: "web"})}
    return {"Id": name, "Names": [f"/{name}"], "State": state, "Labels": labels, "ImageID": name, **more}


def answers(rows: list[dict[str, Any]], volumes: list[dict[str, Any]]) -> dict[str, Any]:
    empty: dict[str, Any] = {f"GET /{path}": [] for path in ("images/json", "services", "configs", "networks")}
    return {**empty, "GET /containers/json": rows, "GET /volumes": {"Volumes": volumes}, "GET /system/df": {}}


@pytest.mark.parametrize(
    ("more", "old"),
    [([], ("once", "web-0", "web-x")), ([volume("newer", **{RECORD: '{"format": "of tomorrow"}'})], ("once",))],
    ids=["all known", "a record of another version"],
)
def test_stopped_containers_stay_that_a_release_or_shipit_start_needs(
    tmp_path: Path, more: list[dict[str, Any]], old: tuple[str, ...]
) -> None:
    records = [
        Record(past, {"engine": (Kept("web", 1, f"web-{number}"),)}, number) for number, past in enumerate(HEALTHY)
    ]
    volumes = [volume(f"r{one.sequence}", **{RECORD: json.dumps(to_json(one))}) for one in records]
    rows = [container(f"web-{number}", "web", "running" if number == 3 else "exited") for number in range(4)]
    rows += [container("web-x", "web"), container("job-1", "job"), container("once", "", Created=1)]
    rows += [container("just-now", "", Created=2**40), {**container("other", "web"), "Labels": {}}]
    with answering_host(tmp_path, answers(rows, [*volumes, *more])):
        clock = Clock()
        environment = ProcessEnvironment({}, tmp_path, tmp_path)
        clients = Clients(clock)
        session = Session(environment, clock, lambda event: None, str, clock.now() + 120, clients)
        try:
            address = EngineAddress(f"unix://{tmp_path / 'docker.sock'}")
            found = docker.read_stock(Hosts({"engine": address}), OWNER, (), 2, session)["engine"]
        finally:
            clients.close()
    assert found.containers == old
    assert found.spared[1] == 8 - 1 - len(old)
    assert any("can't be read by this version" in note for note in found.notes) == bool(more)


@pytest.mark.parametrize(
    ("more", "old"), [([], ("f0", "f4", "sent")), ([volume("newer", **{RECORD: "?"})], ())], ids=["known", "unknown"]
)
def test_files_stay_that_a_kept_release_or_what_runs_needs(
    tmp_path: Path, more: list[dict[str, Any]], old: tuple[str, ...]
) -> None:
    records = [ComposeRecord(past, f"id{number}", number) for number, past in enumerate(HEALTHY)]
    volumes = [volume(f"r{one.sequence}", **{RECORD: json.dumps(to_json(one))}) for one in records]
    volumes += [volume(f"f{number}", **{FILE: "x", FILE_ID: f"id{number}", IMAGES: "a"}) for number in range(6)]
    volumes += [volume("sent", **{IMAGES: "b"}), *more]
    # Nothing but the file of what runs says so: its record is gone.
    observed = ComposeObserved(files=(Wanted("id5"),))
    assert observed.current and observed.current.file == "id5"
    with answering_host(tmp_path, answers([], volumes)) as (client, _):
        found = compose.read_stock(client, "shop-production", OWNER, (), 2, observed, 0.0)["engine"]
    assert found.kept == old and found.containers == ()
