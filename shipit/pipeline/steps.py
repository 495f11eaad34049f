"""Applying the steps of one target: the place is checked before each, and every event is emitted."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shipit.config.project import Project
from shipit.errors import DeployFailed, Interrupted, RemoteError, ShipitError, UsageError
from shipit.events import StepApplied, StepDone, StepFailed, StepId, StepStarted
from shipit.parallel import settle
from shipit.pipeline.verdict import DIAGNOSE_S
from shipit.release import Facts, Place, State, Step, Verdict
from shipit.targets.base import Target, applies_in_waves, diagnoses, guards
from shipit.targets.session import Session

# How many steps of a wave are applied at the same time. Connections are kept for as many.
AT_ONCE = 16
_GUARDED_S = 1.0


def apply_steps(
    target: Target,
    steps: Sequence[Step],
    place: Place,
    session: Session,
    applied: dict[str, Facts],
    project: Project | None = None,
) -> None:
    """Apply steps in their order; those of a wave in parallel. `project` is that of `apply_step`.

    The facts of each step are added to `applied`, by its id, also when another one fails. After a failure no step begins.
    Raises: the error of the first step in the plan that failed; before it, one that tells of a change by somebody else,
    and before that, an interruption or an internal error.
    """
    for wave in target.waves(steps) if applies_in_waves(target) else [(step,) for step in steps]:
        if len(wave) == 1:
            applied[wave[0].id] = apply_step(target, wave[0], place, session, project)
        else:
            _apply_wave(target, wave, place, session, applied, project)


def _apply_wave(
    target: Target,
    wave: Sequence[Step],
    place: Place,
    session: Session,
    applied: dict[str, Facts],
    project: Project | None,
) -> None:
    waiting, errors, guard = deque(enumerate(wave)), dict[int, Exception](), _Guard(target, place, session, project)

    def work() -> None:
        while not errors:
            try:
                number, step = waiting.popleft()
            except IndexError:
                return
            try:
                applied[step.id] = _apply(target, step, guard, session)
            except Exception as error:
                errors[number] = error

    settle(dict.fromkeys(range(min(AT_ONCE, len(wave))), work), session.clock)
    if errors:
        raise _first(errors)


def _first(errors: Mapping[int, Exception]) -> Exception:
    """The error to tell of those of a wave. `errors`: place of a step in the wave -> its error."""
    in_order = [errors[number] for number in sorted(errors)]
    others = [error for error in in_order if not isinstance(error, ShipitError) or isinstance(error, Interrupted)]
    superseded = [error for error in in_order if isinstance(error, DeployFailed) and error.superseded_by]
    return [*others, *superseded, *in_order][0]


def apply_step(target: Target, step: Step, place: Place, session: Session, project: Project | None = None) -> Facts:
    """Check the tree and the place again, then apply a step; the facts that it reported.

    `project` says whether its tree has to be clean; None for a rollback, which needs no clean tree.
    """
    return _apply(target, step, _Guard(target, place, session, project), session)


class _Guard:
    """Checks the tree, and that the target still leads to the place of the plan: for a wave at most once a second."""

    def __init__(self, target: Target, place: Place, session: Session, project: Project | None) -> None:
        self._target, self._place, self._session, self._project = target, place, session, project
        self._checked_s = float("-inf")

    def check(self) -> None:
        now_s = self._session.clock.now()
        if now_s - self._checked_s < _GUARDED_S:
            return
        if self._project is not None:
            check_clean(self._project)
        if guards(self._target):
            self._target.guard(self._place, self._session)
        self._checked_s = now_s


def _apply(target: Target, step: Step, guard: _Guard, session: Session) -> Facts:
    facts: Facts = {}
    step_id, started = StepId("apply", step.id, target.name), session.clock.now()
    session.emit(StepStarted(step_id, step.summary))
    try:
        guard.check()
        _check_lock(target, session)
        for event in target.apply(step, session):
            facts = event.facts if isinstance(event, StepApplied) else facts
            session.emit(event)
    except Exception as error:
        session.emit(StepFailed(step_id, step.summary, str(error), session.clock.now() - started))
        raise
    session.emit(StepDone(step_id, step.summary, session.clock.now() - started))
    return facts


def _check_lock(target: Target, session: Session) -> None:
    """Raises: as `fence`. Where the place does not answer, with what the kind can still read there."""
    try:
        session.fence()
    except RemoteError as error:
        if diagnoses(target):
            look = replace(session, deadline_s=session.clock.now() + DIAGNOSE_S)
            told = target.diagnose(Verdict(State.FAILED, str(error)), look)
            error.detail = (*error.detail, *told.detail)
        raise


def check_clean(project: Project) -> None:
    """Raises: UsageError where the environment wants a clean git tree, and it is not, or nobody can tell."""
    if not project.require_clean:
        return
    changes = project.git.changes()
    wants = f"the environment {project.environment} wants a clean git tree"
    if changes is None:
        raise UsageError(f"{wants}, and git can't tell", where=str(project.root), hint="run it in a git tree, with git")
    if changes:
        raise UsageError(f"{wants}, and {changes[0][3:]} is changed", hint="commit or stash what is changed")
