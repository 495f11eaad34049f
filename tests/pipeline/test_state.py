"""`state:`: what machines share about a place that keeps no lock and no verdicts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shipit.config.process_environment import ProcessEnvironment
from shipit.envelope import Reporters
from shipit.errors import UsageError
from shipit.events import Event, TargetFinished, Warned
from shipit.history.state_files import StateFiles
from shipit.history.state_key import NAME as KEY_NAME
from shipit.history.state_runs import MOST_RUNS, StateRuns, add_run, read_state_runs
from shipit.history.state_store import StateError
from shipit.past_run import PastRun, PastTarget
from shipit.pipeline.flow import deploy
from shipit.pipeline.lock_errors import Locked
from shipit.pipeline.lock_keepers import read_locks
from shipit.pipeline.locks import RunLocks
from shipit.pipeline.releases import read_own_runs
from shipit.pipeline.return_to_release import rollback
from shipit.pipeline.run import Run
from shipit.pipeline.shared_key import make_key
from shipit.pipeline.state_lock import StateLock
from shipit.pipeline.unlock import break_lock
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import ImageUse, State, Verdict
from shipit.targets.locks import LEASE_S, Holder, LockState, NoLock
from shipit.targets.session import Session
from tests import runs
from tests.pipeline.lock_race import check_one_gets_it


class WithoutLock(MemoryTarget):
    """A target whose place keeps no lock."""

    def read_lock(self, session: Session) -> LockState:
        raise NoLock("", where=self.name)


class Machine:
    """A machine with a checkout and a home of its own. All deploy to one place, and mount one folder."""

    def __init__(self, folder: Path, registry: EmbeddedRegistry, place: InMemoryPlace, state: str = "") -> None:
        folder.mkdir()
        self.folder, self.registry, self.place = folder, registry, place
        self.state = state or str(folder.parent / "state")
        self.events: list[Event] = []

    def run(self, *, is_untrusted: bool = False) -> Run:
        environment = runs.environment(self.folder)
        if is_untrusted:
            environment = ProcessEnvironment(
                environment.variables, environment.home, environment.cwd, is_untrusted=True
            )
        text = f"app: shop\nstate: {self.state}\nimage: {self.registry.host}/shop\n"
        loaded = runs.project(self.folder, text, environment)
        use = ImageUse("shop", f"{self.registry.host}/shop", "oci", "linux/amd64", None, ("latest",))
        target = WithoutLock("one", self.place, [use], MemoryConfig.model_validate({"settle": "0s"}))
        self.events.clear()
        run = runs.run(loaded, environment, self.events, targets=lambda _: [target])
        if (state := run.state) is not None:
            run.state_runs = StateRuns(state, lambda: f"somebody@{self.folder.name}")
            run.tell = Reporters(_Told(self.events), run.state_runs)
        return run


class _Told:
    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def __call__(self, envelope: object) -> None:
        self._events.append(envelope.event)  # type: ignore[attr-defined]

    def close(self) -> None:
        pass


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    place = InMemoryPlace()
    with EmbeddedRegistry() as server:
        yield Machine(tmp_path / "a", server, place), Machine(tmp_path / "b", server, place)


def aged(machine: Machine, seconds: float) -> None:
    """The locks were renewed so long ago."""
    for path in Path(machine.state, "locks").glob("*.json"):
        then_s = time.time() - seconds
        os.utime(path, (then_s, then_s))


def test_one_machine_deploys_at_a_time(machines: tuple[Machine, Machine]) -> None:
    first, second = (machine.run() for machine in machines)
    held = RunLocks(first)
    first.announce("deploy")
    held.take(first.targets)
    with pytest.raises(Locked, match=f"it is locked by deploy {first.id}"):
        deploy(second)
    found = read_locks(second)["one"]
    assert found is not None and found.run == first.id
    assert machines[1].place.writes == []
    held.give_back()
    assert read_locks(machines[1].run()) == {"one": None}
    assert deploy(machines[1].run()) == 0


def test_a_lock_that_nobody_renews_is_free_and_one_that_is_broken_stops_its_run(
    machines: tuple[Machine, Machine],
) -> None:
    first, second = (machine.run() for machine in machines)
    keepers = [StateLock(run.targets[0], run.state) for run in (first, second) if run.state]
    session = first.session(first.targets[0])
    taken = keepers[0].swap_lock(LockState(), Holder("0123456789ab", "deploy"), session)
    assert taken is not None and not keepers[1].read_lock(session).is_free
    aged(machines[0], 1)
    assert not keepers[1].read_lock(session).is_free
    aged(machines[0], LEASE_S + 5)
    late = keepers[1].read_lock(session)
    assert late.is_free and late.holder == Holder("0123456789ab", "deploy")
    assert keepers[1].swap_lock(late, Holder("ba9876543210", "deploy"), session) is not None
    assert keepers[0].swap_lock(taken, Holder("0123456789ab", "deploy"), session) is None, "it slept, and lost it"
    break_lock(second, second.targets[0], Holder("ba9876543210"))
    assert read_locks(first) == {"one": None}


def test_of_two_machines_that_take_a_lock_at_once_one_gets_it_a_hundred_times(
    machines: tuple[Machine, Machine],
) -> None:
    both = [machine.run() for machine in machines]
    for run in both:
        run.announce("deploy")
    check_one_gets_it(both)


def test_another_machine_knows_the_runs_and_their_verdicts(machines: tuple[Machine, Machine]) -> None:
    run = machines[0].run()
    assert deploy(run) == 0
    [past] = read_own_runs(machines[1].run())
    assert (past.run, past.command, past.state, past.by) == (run.id, "deploy", "done", "somebody@a")
    [target] = past.targets
    assert (target.name, target.state, target.place) == ("one", "healthy", run.targets[0].place.identity)
    assert [image.name for image in target.images] == ["shop"]
    assert deploy(machines[1].run()) == 0
    assert len(read_own_runs(machines[1].run())) == 1, "an unchanged deploy writes nothing"


def test_a_run_is_known_before_its_first_change(machines: tuple[Machine, Machine]) -> None:
    run = machines[0].run()
    run.announce("deploy")
    run.begin_changes()
    [past] = read_own_runs(machines[1].run())
    assert (past.run, past.state, past.ended_at) == (run.id, "lost", "")


def test_a_state_that_can_not_be_written_ends_the_deploy_before_its_first_change(
    machines: tuple[Machine, Machine],
) -> None:
    Path(machines[0].state).write_text("no folder")
    with pytest.raises(StateError, match="the state can't be read or written: "):
        deploy(machines[0].run())
    assert machines[0].place.writes == []


def test_a_state_that_fails_later_is_a_warning(machines: tuple[Machine, Machine]) -> None:
    run = machines[0].run()
    state = Path(machines[0].state)

    def lose(event: Event) -> None:
        if type(event).__name__ == "StepStarted" and (state / "runs/shop").is_dir():
            (state / "runs/shop").rename(state / "gone")
            (state / "runs/shop").write_text("no folder")

    runs.react(run, lose)
    assert deploy(run) == 0
    said = [event.message for event in machines[0].events if isinstance(event, Warned)]
    assert any(text.startswith("other machines do not know all of this run: ") for text in said), said


def test_a_state_that_fails_for_a_while_and_has_the_whole_run_at_the_end_is_no_warning(
    machines: tuple[Machine, Machine],
) -> None:
    run = machines[0].run()
    assert run.state_runs is not None
    run.announce("deploy")
    run.begin_changes()
    kept, away = Path(machines[0].state, "runs/shop"), Path(machines[0].state, "away")
    ended = TargetFinished("one", "healthy", 1.0, Verdict(State.HEALTHY, "as ordered"))
    kept.rename(away)
    kept.write_text("no folder")
    run.emit(ended)
    assert "can't be read or written" in run.state_runs.failure
    kept.unlink()
    away.rename(kept)
    run.emit(ended)
    run.finish(0, "1 of 1 targets healthy")
    assert [event for event in machines[0].events if isinstance(event, Warned)] == []
    [past] = read_own_runs(machines[1].run())
    assert past.state == "done"


def test_what_is_no_record_of_runs_is_a_warning_for_who_reads_it(machines: tuple[Machine, Machine]) -> None:
    state = StateFiles(Path(machines[0].state))
    assert state.swap("runs/shop/production.json", b"[1]", "")
    assert read_own_runs(machines[0].run()) == ()
    [said] = [event.message for event in machines[0].events if isinstance(event, Warned)]
    assert said.startswith("runs of other machines are left out: ") and "can read" in said
    with pytest.raises(StateError) as caught:
        deploy(machines[0].run())
    assert caught.value.where.endswith(": runs/shop/production.json") and "delete it" in caught.value.hint
    assert machines[0].place.writes == []


def test_the_newest_runs_stay(tmp_path: Path) -> None:
    store = StateFiles(tmp_path)
    for number in range(MOST_RUNS + 3):
        at = f"2026-01-01T00:{number:02}:00.000Z"
        add_run(store, PastRun(f"{number:012}", "deploy", "shop", "production", at, "done"))
    found = read_state_runs(store, "shop", "production")
    assert [int(past.run) for past in found] == list(range(MOST_RUNS + 2, 2, -1))
    add_run(store, found[0]._replace(state="failed"))
    again = read_state_runs(store, "shop", "production")
    assert [past.state for past in again[:2]] == ["failed", "done"] and len(again) == MOST_RUNS
    assert read_state_runs(store, "shop", "staging") == ()


def test_the_run_that_is_written_stays_where_others_say_that_they_are_newer(tmp_path: Path) -> None:
    store = StateFiles(tmp_path)
    for number in range(MOST_RUNS):
        add_run(store, PastRun(f"{number}", "deploy", "shop", "production", f"2999-01-01T00:{number:02}:00Z", "done"))
    add_run(store, PastRun("own", "deploy", "shop", "production", "2026-01-01T00:00:00Z", "done"))
    found = [past.run for past in read_state_runs(store, "shop", "production")]
    assert len(found) == MOST_RUNS and found[-1] == "own"


def test_a_run_of_many_targets_with_long_reasons_can_be_read_again(tmp_path: Path) -> None:
    store = StateFiles(tmp_path)
    targets = tuple(PastTarget(f"t{number}", "place", "failed", "reason " * 1000) for number in range(600))
    add_run(store, PastRun("own", "deploy", "shop", "production", "2026-01-01T00:00:00Z", "failed", targets=targets))
    [found] = read_state_runs(store, "shop", "production")
    assert [(target.name, target.state) for target in found.targets] == [(own.name, own.state) for own in targets]
    assert all(own.reason.startswith("reason") for own in found.targets)


class _Ignoring:
    """A store that takes every write, as servers do that do not know conditional writes."""

    title = "s3://old-server/shop"

    def __init__(self, folder: Path) -> None:
        self._files = StateFiles(folder)
        self.read, self.now_s = self._files.read, self._files.now_s

    keeps_locks = True

    def swap(self, name: str, data: bytes, version: str) -> str | None:
        found = self.read(name)
        return self._files.swap(name, data, found.version if found else "")


def test_a_store_that_ignores_conditions_keeps_no_lock(machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    run = machines[0].run()
    keeper = StateLock(run.targets[0], _Ignoring(tmp_path / "old"))
    with pytest.raises(NoLock, match="s3://old-server/shop overwrites an object although its version is another one"):
        keeper.swap_lock(LockState(), Holder("0123456789ab"), run.session(run.targets[0]))


def test_the_state_is_outside_of_the_project(machines: tuple[Machine, Machine]) -> None:
    machines[0].state = str(machines[0].folder / "state")
    with pytest.raises(UsageError, match="the state should be outside of the folder"):
        machines[0].run()


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN", "GOOGLE_BEARER_TOKEN"])
def test_the_credentials_of_a_bucket_are_redacted(tmp_path: Path, name: str) -> None:
    environment = runs.environment(tmp_path, **{name: "canary-4711-of-the-bucket"})
    loaded = runs.project(tmp_path, "app: shop\nstate: s3://company-deploys/shop\n", environment)
    run = runs.run(loaded, environment, [])
    assert run.state is not None
    assert "canary-4711" not in run.redactor.text("the key is canary-4711-of-the-bucket")


def test_a_file_that_nobody_trusts_reaches_no_state(machines: tuple[Machine, Machine]) -> None:
    run = machines[0].run(is_untrusted=True)
    assert run.state is None and read_own_runs(run) == ()


def marked(run: Run) -> str:
    return run.mark(run.targets[0], "a value")


def warnings(machine: Machine) -> list[str]:
    return [event.message for event in machine.events if isinstance(event, Warned)]


@pytest.mark.parametrize("command", [deploy, rollback])
def test_values_have_the_same_marks_with_and_without_a_saved_plan(
    machines: tuple[Machine, Machine], command: Callable[[Run], int]
) -> None:
    first = machines[0].run()
    assert deploy(first) == 0 and not Path(machines[0].state, KEY_NAME).exists(), "only a saved plan makes the key"
    second = machines[0].run()
    saved = machines[1].run()
    make_key(saved)
    reads = list[str]()
    store = second.state
    assert isinstance(store, StateFiles) and marked(second) != marked(saved)
    read = store.read
    store.read = lambda name: reads.append(name) or read(name)  # type: ignore[func-returns-value,method-assign]
    with suppress(UsageError):  # There is no earlier release to return to.
        command(second)
    assert marked(second) == marked(saved) and reads.count(KEY_NAME) == 1
    key = Path(machines[0].state, KEY_NAME).read_text()
    assert key not in second.redactor.text(f"the key is {key}") and warnings(machines[0]) == []


def test_an_unchanged_deploy_goes_on_where_the_key_in_the_state_can_not_be_read(
    machines: tuple[Machine, Machine],
) -> None:
    assert deploy(machines[0].run()) == 0
    key = Path(machines[0].state, KEY_NAME)
    key.mkdir(parents=True)
    run = machines[0].run()
    local = marked(run)
    assert deploy(run) == 0 and marked(run) == local
    [said] = warnings(machines[0])
    assert said.startswith("hashes of values are made with the key of this machine, ") and str(key) in said
    key.rmdir()
    key.write_text("no key")
    assert deploy(machines[0].run()) == 0
    assert "it is no key of saved plans" in warnings(machines[0])[0]
