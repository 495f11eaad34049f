"""Places that keep no lock take the one of another target of their environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.errors import RemoteError, UsageError
from shipit.events import Event, PlanMade, StepStarted, TargetFinished, Warned
from shipit.pipeline.borrowed_lock import Lender
from shipit.pipeline.doctor import examine
from shipit.pipeline.flow import deploy
from shipit.pipeline.lock_errors import Locked
from shipit.pipeline.lock_keepers import read_locks
from shipit.pipeline.lock_wait import pause_s
from shipit.pipeline.locks import RunLocks
from shipit.pipeline.run import Run
from shipit.pipeline.unlock import break_lock
from shipit.rehearsal.memory import KIND
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import FileTarget, MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import Finding, ImageUse
from shipit.targets.locks import LEASE_S, Holder, LockState, NoLock
from shipit.targets.session import Session
from tests import runs
from tests.pipeline.lock_race import check_one_gets_it


class WithoutLock(MemoryTarget):
    """A target whose kind keeps no lock, as those of Heroku."""

    kind = KIND._replace(capabilities=KIND.capabilities - {"locks"})


class Unreachable(MemoryTarget):
    """A target whose place does not answer."""

    def read_lock(self, session: Session) -> LockState:
        raise RemoteError("connection refused", where="GET cluster/leases", hint="look at the network")


class Forbidden(MemoryTarget):
    """A target whose lock this user may not write."""

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        raise NoLock("this user may not write Leases", hint="ask for the right")


class Machine:
    """A machine with a checkout of its own: `heroku` keeps no lock, `k8s` keeps one that every machine sees."""

    def __init__(self, folder: Path, registry: EmbeddedRegistry, app: InMemoryPlace, cluster: InMemoryPlace) -> None:
        folder.mkdir()
        self.folder, self.registry, self.app, self.cluster = folder, registry, app, cluster
        self.state = ""
        self.lender_class: type[MemoryTarget] = MemoryTarget
        self.events: list[Event] = []

    def run(self, *names: str) -> Run:
        environment = runs.environment(self.folder)
        text = f"app: shop\n{self.state}image: {self.registry.host}/shop\n"
        loaded = runs.project(self.folder, text, environment)
        use = ImageUse("shop", f"{self.registry.host}/shop", "oci", "linux/amd64", None, ("latest",))
        config = MemoryConfig.model_validate({"settle": "0s"})
        lender = self.lender_class("k8s", self.cluster, [use], config)
        made = {"heroku": WithoutLock("heroku", self.app, [use], config), "k8s": lender}
        self.events.clear()
        run = runs.run(
            loaded, environment, self.events, targets=lambda _: [made[name] for name in names or ("heroku",)]
        )
        run.lender = Lender("k8s", lambda: lender)
        return run

    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    def notes(self) -> tuple[str, ...]:
        [made] = [event for event in self.events if isinstance(event, PlanMade)]
        return made.plan.targets[0].notes


def applies(event: Event) -> bool:
    return isinstance(event, StepStarted) and event.step.action == "apply"


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    app, cluster = InMemoryPlace(), InMemoryPlace()
    with EmbeddedRegistry() as server:
        yield Machine(tmp_path / "a", server, app, cluster), Machine(tmp_path / "b", server, app, cluster)


def test_a_place_without_a_lock_is_locked_by_that_of_another_target(machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    run, held = first.run(), list[object]()
    runs.react(run, lambda event: held.append(first.cluster.lock.get("holder")) if applies(event) else None)
    assert deploy(run) == 0
    assert held and all(isinstance(holder, dict) and holder["run"] == run.id for holder in held)
    assert first.cluster.lock["holder"] is None and first.cluster.writes == []
    assert first.notes() == ("takes the lock of k8s: its own place keeps none",)
    row = dict(first.cluster.lock)
    assert deploy(second.run()) == 0 and dict(first.cluster.lock) == row, "an unchanged deploy takes no lock"
    holding = RunLocks(first.run("k8s"))
    holding.take(holding._run.targets)
    second.app.images.clear()
    with pytest.raises(Locked, match=r"it is locked by .*, by the lock of k8s"):
        deploy(second.run())
    holding.give_back()
    assert deploy(second.run()) == 0


def test_a_run_of_both_holds_one_lock_and_its_plan_says_nothing_of_it(machines: tuple[Machine, Machine]) -> None:
    first, _ = machines
    run = first.run("heroku", "k8s")
    assert deploy(run) == 0
    assert first.notes() == ()
    ends = [event.state for event in first.events if isinstance(event, TargetFinished)]
    assert ends == ["healthy", "healthy"] and first.cluster.lock["holder"] is None
    again = RunLocks(first.run("heroku", "k8s"))
    again.take(again._run.targets)
    # The lock is known by the name of the target whose it is.
    assert [lock._keeper.name for lock in again._each()] == ["k8s"]  # type: ignore[union-attr]
    again.give_back()
    # Taken once and given back once.
    assert first.cluster.lock["version"] == "4"


def test_a_run_that_lost_a_borrowed_lock_changes_nothing_more(machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    run = first.run()

    def sleep(event: Event) -> None:
        if applies(event):
            run.clock.sleep(60)
            taker = second.run("k8s")
            break_lock(taker, taker.targets[0], Holder(run.id))

    runs.react(run, sleep)
    assert deploy(run) == 1
    [ended] = [event for event in first.events if isinstance(event, TargetFinished)]
    assert (
        "the lock was lost: it was not renewed for 60 s, and another run had it" in ended.reason
        and first.app.writes == []
    )


def test_a_borrowed_lock_is_seen_and_broken_under_the_name_of_either_target(machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    holding, run = RunLocks(first.run()), second.run("heroku", "k8s")
    holding.take(holding._run.targets)
    found = read_locks(run)
    assert found["heroku"] is not None and found["heroku"] == found["k8s"]
    break_lock(run, run.targets[0], found["heroku"])
    assert read_locks(run) == {"heroku": None, "k8s": None}
    holding.give_back()


@pytest.mark.parametrize(
    ("lender", "why", "hint"),
    [
        (Unreachable, "can't be reached: GET cluster/leases: connection refused", "look at the network"),
        (Forbidden, "keeps none: this user may not write Leases", "ask for the right"),
    ],
)
def test_a_deploy_goes_on_with_a_warning_where_the_other_place_keeps_no_lock_now(
    machines: tuple[Machine, Machine], lender: type[MemoryTarget], why: str, hint: str
) -> None:
    first, _ = machines
    first.lender_class = lender
    assert deploy(first.run()) == 0
    assert first.warnings() == [
        f"its lock is that of k8s, which {why}: another machine may deploy at the same time; "
        f"to lock it, {hint}; or name a folder or a bucket for `state:`"
    ]
    refused = list[str]()
    assert read_locks(first.run(), lambda target, error: refused.append(error.what)) == {"heroku": None}
    assert refused == ([f"its lock is that of k8s, which {why}"] if lender is Unreachable else [])


def test_a_lender_that_can_not_be_made_is_a_warning(machines: tuple[Machine, Machine]) -> None:
    first, _ = machines
    run = first.run()

    def fail() -> MemoryTarget:
        raise UsageError("there is no context prod", hint="name one")

    run.lender = Lender("k8s", fail)
    assert deploy(run) == 0
    [said] = first.warnings()
    assert said.startswith("its lock is that of k8s, which can't be reached: there is no context prod: another machine")


def test_the_state_of_deploy_yml_comes_before_another_target(machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    first, _ = machines
    first.state, first.lender_class = f"state: {tmp_path / 'state'}\n", Unreachable
    assert deploy(first.run()) == 0
    assert first.warnings() == [] and first.notes() == () and not first.cluster.lock


def lock_finding(run: Run) -> Finding:
    return next(found for found in examine(run) if found.subject == "lock of heroku")


def test_doctor_says_whose_lock_it_is(machines: tuple[Machine, Machine]) -> None:
    first, _ = machines
    found = lock_finding(first.run())
    place = first.run("k8s").targets[0].place.identity
    assert found == Finding("ok", "lock of heroku", f"a deploy locks it by the lock of {place}, of the target k8s")
    first.lender_class = Unreachable
    found = lock_finding(first.run())
    assert found.level == "warning" and found.what == (
        "its lock is that of k8s, which can't be reached: GET cluster/leases: connection refused: "
        "deploys from this folder exclude each other, others are noticed by what they release"
    )
    run = first.run()
    run.lender = None
    assert lock_finding(run).what.startswith("the place keeps no lock: deploys from this folder exclude each other")


def test_of_two_runs_that_borrow_a_lock_at_once_one_gets_it_a_hundred_times(
    machines: tuple[Machine, Machine], tmp_path: Path
) -> None:
    both = [machine.run() for machine in machines]
    for run in both:
        run.lender = Lender("k8s", lambda: FileTarget("k8s", tmp_path / "place.json", [], MemoryConfig()))
    check_one_gets_it(both)


@pytest.mark.parametrize(
    ("idle_s", "pause"), [(0.0, 1.0), (13.5, 1.0), (LEASE_S - 0.5, 0.51), (LEASE_S, 0.01), (40, 0.01)]
)
def test_a_waiter_looks_again_when_the_lease_is_over(idle_s: float, pause: float) -> None:
    assert pause_s(idle_s) == pytest.approx(pause)
    seen = LockState(Holder("a"), "1", idle_s + pause)
    assert seen.is_free or idle_s + pause < LEASE_S
