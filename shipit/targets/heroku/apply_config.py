"""Setting config vars, and restoring those of an earlier release."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from shipit.errors import DeployFailed
from shipit.events import Event
from shipit.release import Step
from shipit.targets.heroku.changes import Changes
from shipit.targets.heroku.descriptions import sets_variables
from shipit.targets.heroku.observed import OWNED, parse_owned
from shipit.targets.heroku.reading import AppAnswers
from shipit.targets.heroku.retry import retry_read, write_once
from shipit.targets.heroku.steps import RestoreConfig, SetConfig

Values = Mapping[str, str | None]


def set_config(changes: Changes, step: SetConfig) -> Iterator[Event]:
    """Set what deploy.yml has, and remove what shipit set before.

    Raises: DeployFailed when a value is not the one that the plan was made with, or a name is not shipit's to remove.
    """
    now = changes.read(step, "config")
    planned = changes.session.planned_values({**step.variables, **step.secrets}, changes.name)
    wanted = {*changes.session.env, *changes.session.secrets}
    if kept := sorted(wanted.intersection(step.removed)):
        raise _foreign(changes, step, f"removes {', '.join(kept)}, which deploy.yml has")
    _check_own(changes, step, now, step.removed)
    taken = ",".join(step.owned or ())
    _check_own(changes, step, now, parse_owned({OWNED: taken}) - wanted)
    owned = {OWNED: taken or None} if step.owned is not None else {}
    yield from _write(changes, now, {**planned, **dict.fromkeys(step.removed), **owned})


def restore_config(changes: Changes, step: RestoreConfig) -> Iterator[Event]:
    """Set config vars to their values at `step.version`, as Heroku keeps them.

    Raises: DeployFailed when Heroku's value is not the one that was observed then, or a name is not shipit's to remove.
    """
    session, now = changes.session, changes.read(step, "config")
    removed = {name for name, mark in step.marks.items() if mark is None}
    _check_own(changes, step, now, removed - {OWNED, *session.env, *session.secrets})
    marks = {name: session.mark(now.config[name]) if name in now.config else None for name in step.marks}
    if marks == step.marks:
        return
    known: Mapping[str, str] = {}
    if any(step.marks.values()):
        known = retry_read(changes.client, lambda: changes.client.release_config(step.version))
    # A value that is not of `env` is, or was, a secret.
    session.environment.redactor.add(known[name] for name in step.marks if name in known and name not in session.env)
    yield from _write(changes, now, {name: _value(changes, step, name, known) for name in step.marks})


def _check_own(changes: Changes, step: Step, now: AppAnswers, names: Iterable[str]) -> None:
    """Raises: DeployFailed for a name of a config var that the app has and that shipit has not set."""
    foreign = sorted(set(names).intersection(now.config) - parse_owned(now.config))
    if foreign:
        raise _foreign(changes, step, f"is for {', '.join(foreign)}, which shipit has not set")


def _foreign(changes: Changes, step: Step, what: str) -> DeployFailed:
    return DeployFailed(f"the step {step.id!r} {what}", where=changes.name, hint="make a new plan")


def _value(changes: Changes, step: RestoreConfig, name: str, known: Mapping[str, str]) -> str | None:
    mark = step.marks[name]
    if mark is None:
        return None
    if name not in known or changes.session.mark(known[name]) != mark:
        what = f"Heroku's value of {name} at v{step.version} is not the value that was observed before the deploy"
        hint = f"heroku config --app {changes.client.app}, and set {name}"
        raise DeployFailed(what, where=changes.name, hint=hint)
    return known[name]


def _write(changes: Changes, now: AppAnswers, values: Values) -> Iterator[Event]:
    """One request for the values that differ; none when up to date."""
    differing = _differing(values, now.config)
    if not differing:
        return
    client = changes.client
    write_once(client, lambda: client.set_config(differing), lambda: not _differing(differing, client.config_vars()))
    yield from changes.follow_command(now, lambda release: sets_variables(release, differing))


def _differing(values: Values, now: Mapping[str, str]) -> dict[str, str | None]:
    return {name: value for name, value in values.items() if now.get(name) != value}
