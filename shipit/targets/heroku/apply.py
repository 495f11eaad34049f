"""Applies the steps of an app. Each reads the app again before it writes, and skips what is done already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from shipit.errors import DeployFailed, Interrupted, RemoteError, ShipitError
from shipit.events import Event
from shipit.release import Step
from shipit.targets.heroku.apply_config import restore_config, set_config
from shipit.targets.heroku.apply_images import release_images, remove_process, roll_back
from shipit.targets.heroku.changes import Changes
from shipit.targets.heroku.follow import ReleaseFailed
from shipit.targets.heroku.judge import as_many_up, outage
from shipit.targets.heroku.observed import HerokuObserved
from shipit.targets.heroku.reading import observed_of, read_app
from shipit.targets.heroku.restart import restart
from shipit.targets.heroku.retry import write_once
from shipit.targets.heroku.steps import (
    DeleteApp,
    DeployStep,
    ReleaseImages,
    RemoveProcess,
    Restart,
    RestoreConfig,
    RollBack,
    Scale,
    SetConfig,
)

# How long undoing may take, also when the deadline has passed.
UNDO_S = 120.0


def apply_step(changes: Changes, step: Step) -> Iterator[Event]:
    """Do one step. When its release command fails, undo what the deploy changed, and raise.

    Raises: ReleaseFailed and other ShipitErrors.
    """
    try:
        yield from _apply(changes, step)
    except ReleaseFailed as error:
        if isinstance(step, DeployStep):
            yield from _undo(changes, step, error)
        raise


def _apply(changes: Changes, step: Step) -> Iterator[Event]:
    match step:
        case SetConfig():
            yield from set_config(changes, step)
        case RestoreConfig():
            yield from restore_config(changes, step)
        case RemoveProcess():
            yield from remove_process(changes, step)
        case ReleaseImages():
            yield from release_images(changes, step)
        case RollBack():
            yield from roll_back(changes, step)
        case Restart():
            yield from restart(changes, step)
        case Scale():
            changes.read(step)
            write_once(changes.client, lambda: changes.client.scale(step.processes), lambda: False)
        case DeleteApp():
            _delete_app(changes, step)
        case _:
            what = f"the step {step.id!r} is of the type {step.type}, which Heroku does not have"
            raise DeployFailed(what, where=changes.name, hint="make a new plan")


def _delete_app(changes: Changes, step: DeleteApp) -> None:
    """Delete the app; one that is not there is fine, because an answer may have been lost."""
    try:
        changes.read(step)
        write_once(changes.client, changes.client.delete_app, lambda: False)
    except RemoteError as error:
        if error.status != 404:
            raise


def _undo(changes: Changes, step: DeployStep, error: ReleaseFailed) -> Iterator[Event]:
    """Apply what undoes the deploy so far, and add to the error what was undone and what runs now."""
    session = changes.session
    longer = replace(session, deadline_s=max(session.deadline_s, session.clock.now() + UNDO_S))
    changes = changes.within(longer)
    try:
        for back in step.on_failure:
            yield from _apply(changes, back)
        if step.on_failure:
            error.what += f"; so this was done: {', '.join(back.summary for back in step.on_failure)}"
        now = _observe(changes)
        error.hint += as_many_up(now, step.before)
        error.down = outage(now, step.before)
    except Interrupted:
        raise
    except ShipitError as second:
        error.what += f"; undoing what was changed failed, too: {second}"


def _observe(changes: Changes) -> HerokuObserved:
    return observed_of(read_app(changes.client, "dynos"), changes.session.mark)
