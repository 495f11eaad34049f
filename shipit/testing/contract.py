"""What every kind of target must do: a class of tests, to be subclassed with a fixture `case` that gives a Case."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import cast

from shipit.config.model import TargetConfig
from shipit.delivery.publish_stage import publish_all
from shipit.errors import RemoteError
from shipit.events import Event, LogLine, StepDone, StepStarted, TargetFinished
from shipit.past_release import PastRelease
from shipit.pipeline.borrowed_lock import Lender
from shipit.pipeline.change import Change, change
from shipit.pipeline.destroy import destroy
from shipit.pipeline.flow import deploy
from shipit.pipeline.lock_keepers import read_holder
from shipit.pipeline.prepare import prepare
from shipit.pipeline.run import Run
from shipit.pipeline.verdict import await_verdict
from shipit.record import from_json, to_json
from shipit.release import Destruction, Place, Plan, Release, Rendered, Seen, State, Status, Step, Verdict
from shipit.targets.base import Target, previews, reverts
from shipit.targets.history import has_history, records_releases, returns
from shipit.targets.kind import METHODS, Kind
from shipit.targets.locks import Holder, Locks, LockState, locks
from shipit.targets.log_query import LogQuery
from shipit.targets.log_times import parse_log_time
from shipit.targets.orders import RestartOrder, ScaleOrder, StopOrder
from shipit.targets.remote import Command, Remote
from shipit.targets.session import Session
from shipit.targets.verbs import (
    destroys,
    executes,
    forwards,
    has_logs,
    pins_logs,
    renders,
    restarts,
    runs_once,
    scales,
    stops,
)
from shipit.testing.case import SECRET, Case
from shipit.testing.exchange import first_line_of, output_of


class _Keeper:
    """The target whose lock is borrowed, in memory."""

    name, kind = "keeper", Kind(("keeper",), "", "", capabilities=frozenset(["locks"]))
    config = TargetConfig()
    place = Place("keeper", "keeper")

    def __init__(self) -> None:
        self.state, self.swaps = LockState(), 0

    def lock_name(self) -> str:
        return "lock in memory"

    def read_lock(self, session: Session) -> LockState:
        return self.state

    def swap_lock(self, before: LockState, holder: Holder | None, session: Session) -> LockState | None:
        if before.version != self.state.version:
            return None
        self.swaps += 1
        self.state = LockState(holder, str(self.swaps))
        return self.state


class TargetContract:
    """`class TestNomad(TargetContract)` with a pytest fixture `case` runs every test on a place of the kind."""

    def test_a_target_has_the_methods_of_the_capabilities_that_its_kind_declares(self, case: Case) -> None:
        [target] = case.make().targets
        has = {name for name, methods in METHODS.items() if all(hasattr(target, method) for method in methods)}
        assert has == target.kind.capabilities

    def test_what_passes_between_processes_comes_back_from_json_equal(self, case: Case) -> None:
        assert deploy(case.make("first")) == 0
        run = case.make("second")
        [target] = run.targets
        preparation = prepare(run)
        release, observed = preparation.releases[target.name], preparation.observed[target.name]
        verdict = target.judge(release, observed, Seen(0, 0, 0))
        for kind, value in (
            (Release, release),
            (type(observed), observed),
            (Plan, preparation.plan),
            (Verdict, verdict),
            (Status, target.describe(observed)),
        ):
            text = json.dumps(to_json(value))
            assert from_json(kind, json.loads(text)) == value
            assert SECRET not in text

    def test_planning_changes_no_later_plan_and_apply_needs_no_plan(self, case: Case) -> None:
        run = case.make()
        [target] = run.targets
        preparation = prepare(run)
        release, observed = preparation.releases[target.name], preparation.observed[target.name]
        publish_all(run.delivery, preparation.uses.values())
        other = case.make()
        other.read_secrets()
        fresh = other.targets[0]
        assert fresh.plan(release, observed) == fresh.plan(release, observed) == target.plan(release, observed)
        # Another target, which planned nothing, applies them.
        untouched = case.make()
        untouched.read_secrets()
        for step in preparation.plan.targets[0].steps:
            list(untouched.targets[0].apply(step, untouched.session(untouched.targets[0], release)))
        assert prepare(case.make()).plan.targets[0].steps == ()

    def test_a_place_that_never_saw_the_release_is_not_healthy(self, case: Case) -> None:
        run = case.make()
        target = run.targets[0]
        preparation = prepare(run)
        verdict = target.judge(preparation.releases[target.name], preparation.observed[target.name], Seen(0, 0, 0))
        assert verdict.state is not State.HEALTHY

    def test_looking_and_planning_write_nothing(self, case: Case) -> None:
        run = case.make()
        before = case.writes()
        preparation = prepare(run)
        assert case.writes() == before
        assert preparation.plan.changes > 0

    def test_a_preview_writes_nothing_and_gives_the_same_plan_again(self, case: Case) -> None:
        run = case.make()
        [target] = run.targets
        if not previews(target):
            return
        preparation = prepare(run)
        release, observed = preparation.releases[target.name], target.observe(run.session(target))
        before = case.writes()
        first, second = (target.preview(release, observed, run.session(target), is_deploy=True) for _ in range(2))
        assert case.writes() == before
        assert target.plan(release, first) == target.plan(release, second) == preparation.plan.targets[0].steps
        text = json.dumps(to_json(first))
        assert from_json(type(first), json.loads(text)) == first
        assert SECRET not in text

    def test_plans_are_pure_json_and_hold_no_secret(self, case: Case) -> None:
        run = case.make()
        target = run.targets[0]
        preparation = prepare(run)
        release, observed = preparation.releases[target.name], preparation.observed[target.name]
        steps = target.plan(release, observed)
        assert steps == target.plan(release, observed)
        assert bool(steps) == case.has_steps
        assert len({step.id for step in steps}) == len(steps)
        for step in steps:
            text = json.dumps(to_json(step))
            assert from_json(Step, json.loads(text)) == step
            assert SECRET not in text
        if renders(target):
            rendered = target.render(release, observed)
            text = json.dumps(to_json(rendered))
            assert from_json(Rendered, json.loads(text)) == rendered == target.render(release, observed)
            assert rendered.parts and SECRET not in text

    def test_after_a_deploy_the_plan_is_empty_and_stays_so(self, case: Case) -> None:
        before = case.writes()
        assert deploy(case.make()) == 0
        after = case.writes()
        assert after != before, "the writes of a deploy are counted"
        assert prepare(case.make()).plan.changes == 0
        assert deploy(case.make()) == 0
        assert case.writes() == after, "a deploy with nothing to do writes nothing"

    def test_a_deploy_holds_a_lock_while_it_changes_the_place(self, case: Case) -> None:
        """Its own, or where its kind keeps none that of another target."""
        keeper, other, found = _Keeper(), case.make(), list[Holder | None]()

        def told(event: Event) -> None:
            if isinstance(event, StepStarted) and event.step.action in ("apply", "push"):
                found.append(read_holder(other, other.targets[0]))

        run = case.make(told=told)
        for one in (run, other):
            one.lender = Lender("keeper", lambda: cast("Locks", keeper))
        assert deploy(run) == 0
        assert found and all(holder is not None and holder.run == run.id for holder in found), found
        assert bool(keeper.swaps) is not locks(run.targets[0])
        assert read_holder(other, other.targets[0]) is None

    def test_every_step_is_safe_to_repeat(self, case: Case) -> None:
        run = case.make()
        target = run.targets[0]
        preparation = prepare(run)
        publish_all(run.delivery, preparation.uses.values())
        for step in preparation.plan.targets[0].steps:
            first, second = (list(target.apply(step, run.session(target))) for _ in range(2))
            assert all(isinstance(event, Event) for event in [*first, *second])
        assert deploy(case.make()) == 0
        assert prepare(case.make()).plan.changes == 0

    def test_every_step_applies_from_its_json_in_a_fresh_process(self, case: Case) -> None:
        run = case.make()
        preparation = prepare(run)
        publish_all(run.delivery, preparation.uses.values())
        [target] = run.targets
        release = preparation.releases[target.name]
        for step in preparation.plan.targets[0].steps:
            assert case.apply([step], release) == ""
        assert prepare(case.make()).plan.targets[0].steps == ()
        assert deploy(case.make()) == 0

    def test_every_step_of_a_rollback_applies_from_its_json_in_a_fresh_process(self, case: Case) -> None:
        assert deploy(case.make("first")) == 0
        run = case.make("second")
        [target] = run.targets
        if not reverts(target):
            return
        preparation = prepare(run)
        release, before = preparation.releases[target.name], preparation.observed[target.name]
        assert deploy(case.make("second")) == 0
        later = case.make("second")
        steps = target.plan_rollback(release, before, target.observe(later.session(target)), {})
        assert steps
        assert SECRET not in json.dumps(to_json(steps))
        for step in steps:
            assert case.apply([step], release) == ""
        assert prepare(case.make("first")).plan.targets[0].steps == ()
        assert deploy(case.make("first")) == 0

    def test_a_number_of_instances_is_set_at_once_and_judged(self, case: Case) -> None:
        assert deploy(case.make()) == 0
        run = case.make()
        [target] = run.targets
        if not scales(target):
            return
        order = ScaleOrder({target.workloads()[0]: 2})
        release, before = prepare(run).releases[target.name], target.observe(run.session(target))
        steps = target.plan_scale(order, before)
        assert steps == target.plan_scale(order, before) and steps
        verdict = target.judge_scale(order, before, Seen(0, 0, 0))
        assert verdict.state is State.FAILED and verdict.superseded_by, "a place with another number is not as ordered"
        assert case.apply(steps, release) == ""
        again = case.make()
        assert change(again, "scale", [_scaled(again.targets[0], order)]) == 0
        after = case.writes()
        once_more = case.make()
        assert change(once_more, "scale", [_scaled(once_more.targets[0], order)]) == 0
        assert case.writes() == after, "the number is there already"

    def test_what_runs_is_restarted_and_judged(self, case: Case) -> None:
        assert deploy(case.make()) == 0
        run = case.make()
        [target] = run.targets
        if not restarts(target):
            return
        order = RestartOrder((target.workloads()[0],), "2026-01-31T12:00:00.000001Z")
        release, before = prepare(run).releases[target.name], target.observe(run.session(target))
        verdict = target.judge_restart(order, before, Seen(0, 0, 0, before, before))
        assert verdict.state is not State.HEALTHY, "nothing was restarted yet"
        steps = target.plan_restart(order, before)
        assert steps == target.plan_restart(order, before) and steps
        text = json.dumps(to_json(steps))
        assert [from_json(Step, row) for row in json.loads(text)] == list(steps) and SECRET not in text
        assert case.apply(steps, release) == ""
        again = case.make()
        [own] = again.targets
        assert restarts(own)
        done = Change(own, partial(own.plan_restart, order), partial(own.judge_restart, order))
        assert change(again, "restart", [done]) == 0
        assert prepare(case.make()).plan.changes == 0, "a restart is no change for the next deploy"
        _stop_and_start(case)

    def test_what_runs_can_be_described_and_reached(self, case: Case) -> None:
        assert deploy(case.make()) == 0
        run = case.make()
        [target] = run.targets
        status = target.describe(target.observe(run.session(target)))
        assert status.units
        text = json.dumps(to_json(status))
        assert from_json(Status, json.loads(text)) == status
        assert SECRET not in text
        if executes(target):
            session = run.session(target)
            with closing(target.execute(target.workloads()[0], Command(("cat",), has_input=True), session)) as remote:
                remote.give(b"given\n")
                remote.end_input()
                assert output_of(remote, session.clock) == b"given\n"
                assert remote.result() == 0
        if forwards(target):
            ports = target.ports(target.workloads()[0], run.session(target))
            ports.check(case.port)
            request = b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
            assert first_line_of(ports, case.port, request, run.clock).startswith(b"HTTP/1.")

    def test_a_kind_that_declares_logs_gives_the_lines_of_each_workload_in_order(self, case: Case) -> None:
        assert deploy(case.make()) == 0
        run = case.make()
        [target] = run.targets
        if not has_logs(target):
            return
        session = run.session(target)
        for workload in target.workloads():
            lines = list(target.logs(workload, LogQuery(), session))
            assert all((line.target, line.workload) == (target.name, workload) for line in lines)
            assert [line.written_at for line in lines] == sorted(line.written_at for line in lines)
            assert all(parse_log_time(line.written_at) == line.written_at for line in lines)
            assert all(from_json(LogLine, json.loads(json.dumps(to_json(line)))) == line for line in lines)
            last = list(target.logs(workload, LogQuery(tail=1), session))
            assert len(last) == len({line.instance for line in lines}), "one of each instance"
            assert list(target.logs(workload, LogQuery(tail=0), session)) == []
            following = target.logs(workload, LogQuery(follow=True, tail=1), session)
            assert {next(following) for _ in last} <= set(lines)
            following.close()  # type: ignore[attr-defined]
            if pins_logs(target) and (pinned := target.pinned_logs([workload])) is not None:
                text = json.dumps(pinned)
                assert SECRET not in text
                reopen = target.kind.load_reopen_logs()
                [again] = reopen(json.loads(text), run.environment, run.clock, run.emit, LogQuery())
                assert set(lines) <= set(again()), "without deploy.yml the same lines"

    def test_what_somebody_else_replaces_while_we_watch_is_a_failure_and_tags_stay(self, case: Case) -> None:
        assert deploy(case.make("first")) == 0
        first = _latest(case)
        assert deploy(case.make("second")) == 0
        second = _latest(case)
        finished = _deploy_while(case, "third", case.replace)
        assert finished.state == "failed"
        assert case.who in finished.reason, finished.reason
        assert _latest(case) == (second if case.has_steps else first), "a tag never names what failed"
        assert deploy(case.make("third")) == 0, "the next run converges"
        assert prepare(case.make("third")).plan.changes == 0

    def test_a_variable_that_somebody_else_changes_while_we_watch_is_a_failure(self, case: Case) -> None:
        if case.reset is None:
            return
        assert deploy(case.make("first")) == 0
        before = _latest(case)
        finished = _deploy_while(case, "second", case.reset)
        assert finished.state == "failed"
        assert case.who in finished.reason, finished.reason
        assert _latest(case) == before
        assert deploy(case.make("second")) == 0, "the next run converges"

    def test_a_variable_that_left_deploy_yml_leaves_the_place(self, case: Case) -> None:
        if case.reset is None:
            return
        assert deploy(case.make(variable="EXTRA")) == 0
        assert "EXTRA" in json.dumps(to_json(prepare(case.make()).plan)), "the plan names what it removes"
        assert deploy(case.make()) == 0
        assert prepare(case.make()).plan.changes == 0
        assert prepare(case.make(variable="EXTRA")).plan.changes > 0, "the place does not have it any more"

    def test_what_was_deployed_can_be_destroyed_and_a_second_time_there_is_nothing(self, case: Case) -> None:
        assert deploy(case.make()) == 0
        run = case.make()
        [target] = run.targets
        if not destroys(target):
            return
        wanted = Destruction()
        steps = target.plan_destroy(target.inventory(run.session(target)), wanted)
        assert bool(steps) == case.has_steps
        assert SECRET not in json.dumps(to_json(steps))
        assert from_json(tuple[Step, ...], json.loads(json.dumps(to_json(steps)))) == steps
        assert destroy(case.make(), wanted, is_selected=True) == 0
        after = case.writes()
        assert target.plan_destroy(target.inventory(run.session(target)), wanted) == ()
        assert destroy(case.make(), wanted, is_selected=True) == 0
        assert case.writes() == after, "there is nothing to remove"
        assert deploy(case.make()) == 0, "it can be deployed again"

    def test_an_object_that_left_deploy_yml_is_removed_and_the_plan_says_so(self, case: Case) -> None:
        if case.more is None:
            return
        text = case.deploy_yml
        case.deploy_yml = case.more(text)
        assert deploy(case.make()) == 0
        case.deploy_yml = text
        own = prepare(case.make()).plan.targets[0]
        assert case.left and any(case.left in line for line in (*(step.summary for step in own.steps), *own.notes))
        assert deploy(case.make()) == 0
        assert prepare(case.make()).plan.changes == 0
        case.deploy_yml = case.more(text)
        assert prepare(case.make()).plan.changes > 0, "the place does not have it any more"

    def test_a_release_that_is_recorded_twice_is_one_record(self, case: Case) -> None:
        run = case.make()
        [target] = run.targets
        if not records_releases(target):
            return
        preparation, session = prepare(run), run.session(target)
        release, observed = preparation.releases[target.name], preparation.observed[target.name]
        begun = PastRelease("00000000abcd", "begun", run="00000000abcd", released_at="2026-01-31T12:00:00Z", by="a@b")
        target.record_release(begun, release, observed, session)
        assert deploy(case.make()) == 0
        ended = begun._replace(state="healthy", elapsed_s=1.5, changes=("set web",))
        target.record_release(ended, release, observed, session)
        target.record_release(ended, release, observed, session)
        found = [past for past in target.past_releases(10, session) if past.version == begun.version]
        assert [(past.state, past.run, past.by, past.changes) for past in found] == [
            ("healthy", begun.run, begun.by, ended.changes)
        ]
        assert SECRET not in json.dumps(to_json(found))
        assert prepare(case.make()).plan.targets[0].steps == (), "a record is no change for the next deploy"

    def test_a_place_returns_to_an_earlier_release_with_the_values_of_then(self, case: Case) -> None:
        assert deploy(case.make("first")) == 0
        run = case.make("first")
        [target] = run.targets
        if not returns(target):
            return
        first = _recorded(run, "first")
        usual = case.variables
        case.variables = {**usual, "TOKEN": "canary-rotated-4711"}
        assert deploy(case.make("second")) == 0
        second = case.make("second")
        release = prepare(second).releases[target.name]
        _recorded(second, "second")
        [target] = second.targets
        assert returns(target)
        session = second.session(target, is_planning=False)
        [past] = [past for past in target.past_releases(20, session) if past.version == first.version]
        recalled = target.recall(past, session)
        assert from_json(type(recalled), json.loads(json.dumps(to_json(recalled)))) == recalled
        session = replace(session, recalled=recalled)
        before = target.observe(second.session(target, recalled=recalled))
        steps = target.plan_return(recalled, before)
        assert all(isinstance(note, str) for note in target.return_notes(recalled, before))
        assert steps and steps == target.plan_return(recalled, before)
        assert not any(secret in json.dumps(to_json([recalled, steps])) for secret in (SECRET, "canary-rotated-4711"))
        assert case.apply(steps, release, past) == ""
        again = case.make("second").targets[0]
        assert returns(again)
        verdict = await_verdict(again, partial(again.judge_return, recalled), session, before, before)
        assert again.plan_return(recalled, verdict.observed) == (), "it is there"
        case.variables = usual
        assert prepare(case.make("first")).plan.targets[0].steps == (), "images and values are those of the first"

    def test_a_one_off_command_has_its_output_its_input_and_its_exit_code(self, case: Case) -> None:
        [target] = case.make().targets
        if not runs_once(target):
            return
        assert deploy(case.make()) == 0
        name, session = target.workloads()[0], case.make().session(target)
        words = ("cat",) if case.has_input else ("echo", "given")
        remote = target.run_once(name, Command(words, has_input=case.has_input), session, "")
        try:
            if case.has_input:
                remote.give(b"given\n")
                remote.end_input()
            else:
                assert _is_refused(remote, b"given\n"), "input is never dropped in silence"
            assert output_of(remote, session.clock).endswith(b"given\n")
            assert remote.result() == 0
        finally:
            remote.close()
        assert prepare(case.make()).plan.changes == 0, "it leaves nothing that a deploy would change"


def _stop_and_start(case: Case) -> None:
    """What runs is stopped, and started again as it was, where the kind does that."""
    run = case.make()
    [target] = run.targets
    if not stops(target):
        return
    order = StopOrder((target.workloads()[0],))
    before = target.observe(run.session(target))
    steps = target.plan_stop(order, before)
    assert steps and steps == target.plan_stop(order, before)
    assert target.judge_stop(order, before, Seen(0, 0, 0)).state is not State.HEALTHY
    text = json.dumps(to_json(steps))
    assert [from_json(Step, row) for row in json.loads(text)] == list(steps) and SECRET not in text
    assert (
        change(run, "stop", [Change(target, partial(target.plan_stop, order), partial(target.judge_stop, order))]) == 0
    )
    again = case.make()
    [own] = again.targets
    assert stops(own)
    assert own.plan_stop(order, own.observe(again.session(own))) == (), "it is stopped"
    assert change(again, "start", [Change(own, partial(own.plan_start, order), partial(own.judge_start, order))]) == 0
    assert prepare(case.make()).plan.changes == 0, "it runs as it was deployed"


def _is_refused(remote: Remote, data: bytes) -> bool:
    try:
        remote.give(data)
    except RemoteError:
        return True
    return False


def _recorded(run: Run, version: str) -> PastRelease:
    """The release that runs, as its place tells it; it is recorded first where the kind keeps records."""
    [target] = run.targets
    preparation, session = prepare(run), run.session(target, is_planning=False)
    release, observed = preparation.releases[target.name], preparation.observed[target.name]
    assert has_history(target)
    if records_releases(target):
        target.record_release(PastRelease(version, "healthy"), release, observed, replace(session, release=release))
    return next(past for past in target.past_releases(20, session) if past.is_current)


def _latest(case: Case) -> str:
    return case.latest() if case.latest is not None else ""


def _deploy_while(case: Case, note: str, meddle: Callable[[], None]) -> TargetFinished:
    """How a deploy of a changed image ends when somebody else meddles as soon as it has done its last step."""
    events: list[Event] = []
    action = "apply" if case.has_steps else "push"
    is_done = False

    def note_and_meddle(event: Event) -> None:
        nonlocal is_done
        events.append(event)
        if isinstance(event, StepDone) and event.step.action == action and not is_done:
            is_done = True
            meddle()

    assert deploy(case.make(note, note_and_meddle)) == 1
    assert is_done
    [finished] = [event for event in events if isinstance(event, TargetFinished)]
    return finished


def _scaled(target: Target, order: ScaleOrder) -> Change:
    assert scales(target)
    return Change(target, partial(target.plan_scale, order), partial(target.judge_scale, order))
