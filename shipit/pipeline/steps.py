"""One step of one target: guarded, told from its beginning to its end."""

from __future__ import annotations

from shipit.config.project import Project
from shipit.errors import UsageError
from shipit.events import StepApplied, StepDone, StepFailed, StepStarted
from shipit.pipeline.run import Run
from shipit.release import Facts, Place, Step
from shipit.targets.base import Guards, Target
from shipit.targets.session import Session


def apply_step(
    run: Run, target: Target, step: Step, place: Place, session: Session, *, is_rollback: bool = False
) -> Facts:
    """Do a step after looking again at whether it may be done; what it reports. Rolling back needs no clean tree."""
    facts: Facts = {}
    name, started = f"{target.name} {step.id}", run.clock.now()
    run.emit(StepStarted(name, target.name, step.summary))
    try:
        if not is_rollback:
            check_clean(run.project)
        if isinstance(target, Guards):
            target.guard(place, session)
        for event in target.apply(step, session):
            facts = event.facts if isinstance(event, StepApplied) else facts
            run.emit(event)
    except Exception as error:
        run.emit(StepFailed(name, target.name, str(error), run.clock.now() - started, step.summary))
        raise
    run.emit(StepDone(name, target.name, step.summary, run.clock.now() - started))
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
