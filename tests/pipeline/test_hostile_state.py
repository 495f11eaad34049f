"""The shared state as somebody else may have written it: a warning for who reads it, an error for who writes, and no lock that is lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import ShipitError
from shipit.events import Warned
from shipit.history.state_files import StateFiles
from shipit.history.state_store import StateStore
from shipit.past_run import PastRun
from shipit.pipeline.flow import deploy
from shipit.pipeline.lock_errors import Locked
from shipit.pipeline.lock_keepers import read_locks
from shipit.pipeline.marks import file_name
from shipit.pipeline.releases import read_own_runs
from shipit.pipeline.state_registry import StateRegistry
from shipit.record import to_json
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.report.history_text import render_run, render_runs
from shipit.targets.locks import LEASE_S, Holder
from tests.pipeline.test_state import Machine

RUNS = "runs/shop/production.json"
RUN: dict[str, Any] = to_json(
    PastRun("0123456789ab", "deploy", "shop", "production", "2026-01-01T00:00:00.000Z", "done")
)
BAD_IMAGE = {"name": "web", "platform": "", "reference": "r/x@sha256:1", "config_digest": "sha256:../../etc/passwd"}
TARGET = {"name": "one", "place": "p", "state": "healthy"}
# What is no object of runs.
WHOLE = [
    b"", b"\0", b"\xff\xfe", b"[1]", b"{}", b"null", b'{"format": 2, "runs": []}', b'{"format": 1, "runs": {}}',
    b'{"format": 1, "runs": ' + b"[" * 100_000, b'{"format": 1, "runs": [NaN]}', b'{"format": [], "runs": []}',
    b'{"format": 1, "runs": [' + b"9" * 10_000 + b"]}", b" " * (2 * 1024 * 1024),
]  # fmt: skip
# What is no run, in an object that has another one.
ROWS: list[Any] = [
    5, None, [], {}, {**RUN, "run": 7}, {**RUN, "state": "great"}, {**RUN, "later": 1}, {**RUN, "changes": "many"},
    {**RUN, "exit_code": 1.5}, {**RUN, "targets": [5]}, {**RUN, "targets": {"a": 1}},
    {**RUN, "targets": [{**TARGET, "images": [BAD_IMAGE]}]}, {**RUN, "started_at": None},
]  # fmt: skip
HOSTILE_TEXT = "\x1b]0;owned\x07\r\n::error::\u202e\x9b31m"
LOCKS = [
    *WHOLE[:6],
    *WHOLE[9:10],
    b'{"holder": 5}',
    b'{"holder": []}',
    b'{"holder": {"run": 5}}',
    b'{"holder": {"run": "a", "more": 1}}',
]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with EmbeddedRegistry() as server:
        yield Machine(tmp_path / "a", server, InMemoryPlace())


@pytest.fixture(params=["folder", "registry"])
def put(request: pytest.FixtureRequest, machine: Machine) -> Callable[[bytes], None]:
    """Writes the object of runs to a folder, or to the repository of the image."""
    if request.param == "registry":
        machine.state = "registry"

    def write(data: bytes) -> None:
        store: StateStore | None = machine.run().state
        assert store is not None and isinstance(store, StateRegistry) == (request.param == "registry")
        assert store.swap(RUNS, data, "")

    return write


def said(machine: Machine) -> list[str]:
    return [event.message for event in machine.events if isinstance(event, Warned)]


@pytest.mark.parametrize("data", WHOLE, ids=lambda data: ascii(data[:24]))
def test_an_object_that_holds_no_runs_is_a_warning_for_who_reads_and_an_error_for_who_writes(
    machine: Machine, put: Callable[[bytes], None], data: bytes
) -> None:
    put(data)
    run = machine.run()
    assert read_own_runs(run) == ()
    [text] = said(machine)
    assert run.state is not None
    place = run.state.title.split()[-1]
    assert text.startswith("runs of other machines are left out: ") and place in text and text.isprintable(), text
    with pytest.raises(ShipitError) as caught:
        deploy(machine.run())
    assert place in str(caught.value) and machine.place.writes == []


def test_a_row_that_is_no_run_is_left_out_and_told(machine: Machine, put: Callable[[bytes], None]) -> None:
    put(json.dumps({"format": 1, "runs": [*ROWS, RUN]}).encode())
    run = machine.run()
    assert [past.run for past in read_own_runs(run)] == [RUN["run"]]
    assert run.state is not None
    what = f"{run.state.title}: {RUNS}: {len(ROWS)} runs can't be read by this version of shipit and left out"
    assert said(machine) == [what]
    assert deploy(machine.run()) == 0
    assert len(read_own_runs(machine.run())) == 2 and said(machine) == []


def test_control_characters_of_a_run_reach_no_terminal(machine: Machine, put: Callable[[bytes], None]) -> None:
    texts = dict.fromkeys(("command", "commit", "branch", "summary", "by", "promoted_from", "ended_at"), HOSTILE_TEXT)
    target = dict.fromkeys(("name", "place", "state", "reason", "version", "rolled_back_to"), HOSTILE_TEXT)
    put(json.dumps({"format": 1, "runs": [{**RUN, **texts, "targets": [target]}]}).encode())
    found = read_own_runs(machine.run())
    assert len(found) == 1
    shown = "\n".join([*render_runs(found, time.time()), *(line for past in found for line in render_run(past))])
    assert not any((ord(sign) < 32 and sign != "\n") or sign in "\u202e\x9b" for sign in shown), ascii(shown)


@pytest.mark.parametrize("data", LOCKS, ids=lambda data: ascii(data[:24]))
def test_a_lock_that_names_no_holder_is_held_until_its_time_is_over(machine: Machine, data: bytes) -> None:
    [target] = machine.run().targets
    state = StateFiles(Path(machine.state))
    name = f"locks/{file_name(target.place)}.json"
    assert state.swap(name, data, "")
    assert read_locks(machine.run()) == {"one": Holder("unknown")}
    with pytest.raises(Locked, match="it is locked by run unknown"):
        deploy(machine.run())
    then_s = time.time() - LEASE_S - 60
    os.utime(Path(machine.state, name), (then_s, then_s))
    assert deploy(machine.run()) == 0
