"""Saved plans of a run: makes one of a plan, and checks that the plan of now still does the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shipit.config.process_environment import ProcessEnvironment
from shipit.envelope import rfc3339
from shipit.errors import ShipitError, UsageError
from shipit.history.kept_key import kept_key
from shipit.history.saved_plan import SavedPlan, SavedTarget
from shipit.pipeline.approve import approve_plan
from shipit.pipeline.moved import compared_step, find_moved
from shipit.pipeline.prepare import Preparation
from shipit.pipeline.run import Run
from shipit.release import Plan, TargetPlan, published
from shipit.targets.base import Target

if TYPE_CHECKING:
    from shipit.pipeline.change import Change

_MOST_LINES = 50


def plan_key(shared: str | None, environment: ProcessEnvironment) -> bytes:
    """The key that signs saved plans: the one that several machines share, or one that this machine keeps. Raises: UsageError."""
    if shared is not None:
        return shared.encode("utf-8", "surrogatepass")
    file = environment.cache_dir / "keys" / "plans"
    if (key := kept_key(file)) is None:
        hint = "make the folder writable, or set SHIPIT_PLAN_KEY"
        raise UsageError("the key that signs saved plans can't be kept", where=str(file), hint=hint)
    return key


def promise(run: Run, preparation: Preparation, lasts_s: float) -> SavedPlan:
    """The plan as it is saved: redacted, and with a keyed hash of each step before that."""
    targets = tuple(_target(run, preparation.targets[own.target], preparation, own) for own in preparation.plan.targets)
    return _saved(run, preparation.plan, targets, lasts_s)


def promise_return(run: Run, changes: Sequence[Change], plan: Plan, lasts_s: float) -> SavedPlan:
    """The same of a rollback. Its values are those of the releases that it returns to."""
    targets = tuple(_returned(run, item, own) for item, own in zip(changes, plan.targets, strict=True))
    return _saved(run, plan, targets, lasts_s)


def _saved(run: Run, plan: Plan, targets: tuple[SavedTarget, ...], lasts_s: float) -> SavedPlan:
    project, now_s = run.project, run.clock.wall_s()
    shown, until_s = run.redactor.value(plan), now_s + lasts_s
    commit = project.git.sha or ""
    return SavedPlan(project.app, project.environment, commit, rfc3339(now_s), rfc3339(until_s), shown, targets)


def check_current(run: Run, saved: SavedPlan) -> None:
    """Check that a saved plan is for this run, and still good, before anything is built. Raises: UsageError."""
    project = run.project
    _check_command(run, saved)
    for word, wanted, found in (
        ("app", project.app, saved.app),
        ("environment", project.environment, saved.environment),
    ):
        if wanted != found:
            other = f"add -e {found}" if word == "environment" else _make_anew(run, saved)
            raise UsageError(f"the saved plan is for the {word} {found}, not {wanted}", hint=other)
    names, planned = {target.name for target in run.targets}, {target.name for target in saved.targets}
    if names != planned:
        said = ", ".join(sorted(planned))
        raise UsageError(f"the saved plan is for {said}, not {', '.join(sorted(names))}", hint="name the same targets")
    check_not_expired(run, saved)


def check_not_expired(run: Run, saved: SavedPlan) -> None:
    """Check that a saved plan is still good at this time. Raises: UsageError."""
    if rfc3339(run.clock.wall_s()) > saved.expires_at:
        what = f"the saved plan expired at {saved.expires_at}; nothing was changed"
        raise UsageError(what, hint=_make_anew(run, saved))


def _check_command(run: Run, saved: SavedPlan) -> None:
    """Refuse the plan of another command, or of a promotion from another environment. Raises: UsageError."""
    planned, own, source = _command(saved), run.command, _source(saved)
    if planned == own and source == (run.source.promotion.environment if run.source else ""):
        return
    names = {"deploy": "a deploy", "promote": "a promotion", "rollback": "a rollback"}
    said = f"{names[planned]} from {source}" if source else f"{names[planned]}, not for {names[own]}"
    option = f" --from {source}" if source else ""
    raise UsageError(f"the saved plan is for {said}", hint=f"shipit {planned}{option} --plan FILE")


def _source(saved: SavedPlan) -> str:
    """The environment that a saved plan promotes from; empty for one that promotes nothing."""
    return saved.plan.promotion.environment if saved.plan.promotion else ""


def _command(saved: SavedPlan) -> str:
    """The command that a saved plan is for."""
    if saved.plan.promotion:
        return "promote"
    return "rollback" if any(own.returns_to for own in saved.plan.targets) else "deploy"


def _make_anew(run: Run, saved: SavedPlan) -> str:
    """The hint with the command that makes such a plan again."""
    return f"make a new one: {_plan_command(run, saved)} --save FILE"


def _plan_command(run: Run, saved: SavedPlan) -> str:
    """The command that makes such a plan again."""
    if run.command == "rollback":
        return "shipit rollback"
    source = _source(saved)
    return f"shipit plan{f' --from {source}' if source else ''}"


def check_kept(run: Run, saved: SavedPlan, preparation: Preparation) -> None:
    """Check that a deploy would do what the saved plan says, before the first change. Raises: ShipitError with what moved."""
    _check_same(run, saved, promise(run, preparation, 0))


def check_return_kept(run: Run, saved: SavedPlan, changes: Sequence[Change], plan: Plan) -> None:
    """The same for a rollback, and have it approved. Raises: ShipitError."""
    _check_same(run, saved, promise_return(run, changes, plan, 0))
    approve_plan(run, plan, is_saved=True)


def _check_same(run: Run, saved: SavedPlan, now: SavedPlan) -> None:
    # The build, or another run that held the lock, may have taken its time.
    check_not_expired(run, saved)
    if moved := find_moved(saved, now):
        more = (f"and {len(moved) - _MOST_LINES} more",) if len(moved) > _MOST_LINES else ()
        made = f" of commit {saved.commit[:12]}" if saved.commit else ""
        what = f"the saved plan{made}, made at {saved.made_at}, does not hold any more; nothing was changed"
        hint = f"make a new plan, and look at it: {_plan_command(run, saved)} --save FILE"
        raise ShipitError(what, hint=hint, detail=(*moved[:_MOST_LINES], *more))


def _target(run: Run, target: Target, preparation: Preparation, own: TargetPlan) -> SavedTarget:
    images = tuple(published(image) for image in preparation.releases[target.name].images)
    marks = {name: run.mark(target, mark) for name, mark in run.marks(target).items()}
    return SavedTarget(target.name, _settings(run, target), images, marks, _steps(run, target, own))


def _returned(run: Run, item: Change, own: TargetPlan) -> SavedTarget:
    images = item.returns_to.images if item.returns_to else ()
    return SavedTarget(own.target, _settings(run, item.target), images, {}, _steps(run, item.target, own), item.leaves)


def _settings(run: Run, target: Target) -> str:
    """A keyed hash of what deploy.yml says of a target, and of what is asked or run around its change."""
    rules = [run.project.protected, run.project.require_clean, run.project.hooks.model_dump(mode="json")]
    rules += [run.project.approve.model_dump(mode="json")] if run.project.approve else []
    rules += ["rollback: all"] if run.project.rolls_back_all else []
    rules += ["keep_rolled_back"] if run.project.keeps_rolled_back else []
    rules += [{"max_parallel": run.project.max_parallel}] if run.project.max_parallel else []
    return run.mark(target, [target.config.model_dump(mode="json"), rules])


def _steps(run: Run, target: Target, own: TargetPlan) -> tuple[str, ...]:
    return tuple(run.mark(target, compared_step(step)) for step in own.steps)
