"""Applying one step of one target: the place is checked first, and every event is emitted."""

from __future__ import annotations

from shipit.config.project import Project
from shipit.errors import UsageError
from shipit.events import StepApplied, StepDone, StepFailed, StepId, StepStarted
from shipit.release import Facts, Place, Step
from shipit.targets.base import Target, guards
from shipit.targets.session import Session


def apply_step(target: Target, step: Step, place: Place, session: Session, project: Project | None = None) -> Facts:
    """Check the tree and the place again, then apply a step; the facts that it reported.

    `project` says whether its tree has to be clean; None for a rollback, which needs no clean tree.
    """
    facts: Facts = {}
    step_id, started = StepId("apply", step.id, target.name), session.clock.now()
    session.emit(StepStarted(step_id, step.summary))
    try:
        if project is not None:
            check_clean(project)
        if guards(target):
            target.guard(place, session)
        for event in target.apply(step, session):
            facts = event.facts if isinstance(event, StepApplied) else facts
            session.emit(event)
    except Exception as error:
        session.emit(StepFailed(step_id, step.summary, str(error), session.clock.now() - started))
        raise
    session.emit(StepDone(step_id, step.summary, session.clock.now() - started))
    return facts


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
