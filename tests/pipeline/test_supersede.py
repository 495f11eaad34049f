"""`deploy --supersede`: a deploy of an older commit that holds a lock stops at its next step, and the newer one goes on."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.errors import ShipitError
from shipit.events import Event, RunFinished, StepStarted, TargetFinished, Waiting
from shipit.pipeline.flow import deploy
from shipit.pipeline.lock_errors import Locked, Superseded, described
from shipit.pipeline.lock_keepers import own_holder
from shipit.pipeline.lock_wait import await_free
from shipit.pipeline.run import Run
from shipit.pipeline.supersede import supersede
from shipit.pipeline.unlock import break_lock
from shipit.record import to_json
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import ImageUse
from shipit.targets.locks import Holder, LockState
from shipit.targets.session import Session
from tests import runs
from tests.http.scripted import Start, answer
from tests.waits import SOON_S, wait_until


class Bench:
    def __init__(self, folder: Path, registry: EmbeddedRegistry) -> None:
        folder.mkdir()
        self.folder, self.registry = folder, registry
        self.places = {name: InMemoryPlace() for name in ("one", "two")}
        self.git("init", "-q", "-b", "main")
        self.commits = [self.commit(f"{number}") for number in range(2)]

    def git(self, *words: str) -> str:
        command = ["git", "-C", str(self.folder), "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, text: str) -> str:
        (self.folder / "hello.txt").write_text(text)
        self.git("add", "hello.txt")
        self.git("commit", "-q", "-m", text)
        return self.git("rev-parse", "HEAD")

    def run(self, events: list[Event], commit: str, clock: Clock, **config: object) -> Run:
        """A run in a clone of its own, at a commit."""
        folder = self.folder.with_name(f"{self.folder.name}-{commit}")
        if not folder.exists():
            subprocess.run(["git", "clone", "-q", str(self.folder), str(folder)], check=True)
            subprocess.run(["git", "-C", str(folder), "checkout", "-q", commit], check=True, capture_output=True)
        environment = runs.environment(folder)
        loaded = runs.project(folder, f"app: shop\nimage: {self.registry.host}/shop\n", environment)
        use = ImageUse("shop", f"{self.registry.host}/shop", "oci", "linux/amd64", None, ("latest",))
        made = [
            MemoryTarget(name, place, [use], MemoryConfig.model_validate({"settle": "0s", "needs": needs, **config}))
            for (name, place), needs in zip(self.places.items(), ([], ["one"]), strict=True)
        ]
        run = runs.run(loaded, environment, events, targets=lambda _: made, clock=clock)
        assert run.project.git.sha == commit
        return run

    def hold(self, name: str, holder: Holder, renewed_s: float) -> None:
        self.places[name].lock.update(holder=to_json(holder), version="1", renewed_s=renewed_s)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with EmbeddedRegistry() as server:
        yield Bench(tmp_path / "shop", server)


@pytest.mark.slow
def test_an_older_deploy_stops_before_its_next_step_and_the_newer_one_goes_on(bench: Bench) -> None:
    told: dict[str, list[Event]] = {"old": [], "new": []}
    older, newer = (bench.run(told[name], commit, Clock()) for name, commit in zip(told, bench.commits, strict=True))
    codes: dict[str, Any] = {}

    def take_over(event: Event) -> None:
        """The older one is between its targets: it waits here until it was asked to stop."""
        if not (isinstance(event, TargetFinished) and event.target == "one"):
            return
        threads.append(threading.Thread(target=lambda: codes.update(new=deploy(newer, supersedes=True))))
        threads[0].start()
        wait_until("the request", lambda: older.superseded_by, within_s=SOON_S)

    threads: list[threading.Thread] = []
    runs.react(older, take_over)
    codes["old"] = deploy(older)
    older.close()
    threads[0].join()
    assert codes == {"old": 4, "new": 0}
    by = f"deploy {newer.id} of commit {bench.commits[1][:12]}"
    end = next(event for event in told["old"] if isinstance(event, RunFinished))
    assert end.summary.startswith(f"superseded by {by}")
    two = next(event for event in told["old"] if isinstance(event, TargetFinished) and event.target == "two")
    assert two.reason.startswith(f"superseded by {by}") and not two.is_rolled_back
    stops = [event for event in told["old"] if isinstance(event, StepStarted) and event.step.target == "two"]
    assert len(stops) <= 1
    assert bench.places["one"].writes == ["set", "set"] and bench.places["two"].writes == ["set"]
    waited = [event.reason for event in told["new"] if isinstance(event, Waiting)]
    assert any(text.startswith(f"asked to stop: deploy {older.id}") for text in waited)


@pytest.mark.slow
def test_an_older_deploy_stops_in_its_check_and_is_not_rolled_back(bench: Bench, serve: Start) -> None:
    server = serve(*[[answer(b"", "503 Service Unavailable")]] * 100)
    told: list[Event] = []
    older = bench.run(told, bench.commits[0], Clock(), pending="60s", on_failure="rollback", check=f"{server.url}/")
    newer = bench.run([], bench.commits[1], Clock())
    codes: dict[str, int] = {}
    first = threading.Thread(target=lambda: codes.update(old=deploy(older)))
    first.start()
    wait_until("it checks", lambda: server.connections, within_s=SOON_S)
    began_s = time.monotonic()
    codes["new"] = deploy(newer, supersedes=True)
    first.join()
    assert codes == {"old": 4, "new": 0} and time.monotonic() - began_s < 40
    one = next(event for event in told if isinstance(event, TargetFinished))
    assert one.reason.startswith(f"superseded by deploy {newer.id}") and not one.is_rolled_back
    assert "rolling back failed" not in one.reason
    older.close()


def test_only_a_deploy_of_an_older_commit_is_superseded(bench: Bench) -> None:
    clock = runs.FakeClock()
    old, new = bench.commits
    cases = {
        Holder("0123456789ab", "deploy", commit=new): f"its commit {new[:12]} is not older than ours",
        Holder("0123456789ab", "scale", commit=old): "it is no deploy of a commit",
        Holder("0123456789ab", "deploy"): "it is no deploy of a commit",
        Holder(
            "0123456789ab", "deploy", commit=old, targets=("one", "other")
        ): "it changes other, which this run does not",
        Holder("0123456789ab", "deploy", commit="c0ffee00" * 5): "this clone does not have its commit c0ffee00c0ff",
    }
    for holder, why in cases.items():
        run = bench.run([], new, clock)
        bench.hold("one", holder, clock.wall_s())
        with pytest.raises(Locked, match=f"which is not superseded: {why}"):
            supersede(run, 0)
        assert bench.places["one"].lock["holder"]["superseded_by"] == ""


def test_an_older_deploy_that_waits_ends_where_a_newer_one_supersedes(bench: Bench) -> None:
    clock = runs.FakeClock()
    newer = bench.run([], bench.commits[1], clock)
    newer.supersedes = True
    newer.announce("deploy")
    holder = own_holder(newer)
    older = bench.run([], bench.commits[0], clock)
    older.announce("deploy")
    bench.hold("one", holder, clock.wall_s())
    with pytest.raises(Superseded) as caught:
        await_free(older, 60)
    assert caught.value.exit_code == 4 and caught.value.what == f"superseded by {described(holder)}"
    again = bench.run([], bench.commits[1], clock)
    again.announce("deploy")
    with pytest.raises(Locked):
        await_free(again, 5)
    bench.hold("one", holder._replace(targets=("one",)), clock.wall_s())
    with pytest.raises(Locked):
        # The newer deploy does not change all that this one would.
        await_free(older, 5)


class _Renewed(MemoryTarget):
    """A target whose lock is another one at each write."""

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        return None


def test_a_lock_that_can_never_be_written_is_an_error(bench: Bench) -> None:
    clock, holder = runs.FakeClock(), Holder("0123456789ab", "deploy", commit=bench.commits[0])
    run = bench.run([], bench.commits[1], clock)
    target = _Renewed("one", bench.places["one"], [], MemoryConfig.model_validate({"settle": "0s"}))
    run.targets = [target]
    bench.hold("one", holder, clock.wall_s())
    with pytest.raises(Locked, match=r"which is not superseded: the .* changes with each try to write it"):
        supersede(run, 0)
    with pytest.raises(ShipitError, match="it is locked by deploy 0123456789ab"):
        break_lock(run, target, holder)


def test_a_lock_that_is_not_renewed_any_more_needs_no_request(bench: Bench) -> None:
    clock = runs.FakeClock()
    run = bench.run([], bench.commits[1], clock)
    bench.hold("one", Holder("0123456789ab", "deploy", commit=bench.commits[0]), clock.wall_s() - 60)
    assert deploy(run, supersedes=True) == 0
