"""Saved plans of a run: makes one of a plan, and checks that the plan of now still does the same."""

from __future__ import annotations

from shipit.config.process_environment import ProcessEnvironment
from shipit.envelope import rfc3339
from shipit.errors import ShipitError, UsageError
from shipit.history.kept_key import kept_key
from shipit.history.saved_plan import SavedPlan, SavedTarget
from shipit.pipeline.moved import compared_step, find_moved
from shipit.pipeline.prepare import Preparation
from shipit.pipeline.run import Run
from shipit.release import TargetPlan, published
from shipit.targets.base import Target

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
    project, now_s = run.project, run.clock.wall_s()
    targets = tuple(_target(run, preparation.targets[own.target], preparation, own) for own in preparation.plan.targets)
    plan = run.redactor.value(preparation.plan)
    commit = project.git.sha or ""
    return SavedPlan(project.app, project.environment, commit, rfc3339(now_s), rfc3339(now_s + lasts_s), plan, targets)


def check_current(run: Run, saved: SavedPlan) -> None:
    """Check that a saved plan is for this run, and still good, before anything is built. Raises: UsageError."""
    project, hint = run.project, "make a new one: shipit plan --save FILE"
    _check_command(run, saved)
    for word, wanted, found in (
        ("app", project.app, saved.app),
        ("environment", project.environment, saved.environment),
    ):
        if wanted != found:
            other = f"add -e {found}" if word == "environment" else hint
            raise UsageError(f"the saved plan is for the {word} {found}, not {wanted}", hint=other)
    names, planned = {target.name for target in run.targets}, {target.name for target in saved.targets}
    if names != planned:
        said = ", ".join(sorted(planned))
        raise UsageError(f"the saved plan is for {said}, not {', '.join(sorted(names))}", hint="name the same targets")
    now_s = run.clock.wall_s()
    if rfc3339(now_s) > saved.expires_at:
        raise UsageError(f"the saved plan expired at {saved.expires_at}", hint=hint)


def _check_command(run: Run, saved: SavedPlan) -> None:
    """Refuse the plan of a promotion for a deploy, and the plan of a deploy for a promotion. Raises: UsageError."""
    planned = saved.plan.promotion
    if planned and not run.source:
        hint = f"shipit promote --from {planned.environment} --plan FILE"
        raise UsageError(f"the saved plan is for a promotion from {planned.environment}", hint=hint)
    if run.source and not planned:
        raise UsageError("the saved plan is for a deploy, not for a promotion", hint="shipit deploy --plan FILE")


def check_kept(run: Run, saved: SavedPlan, preparation: Preparation) -> None:
    """Check that a deploy would do what the saved plan says, before the first change. Raises: ShipitError with what moved."""
    if moved := find_moved(saved, promise(run, preparation, 0)):
        more = (f"and {len(moved) - _MOST_LINES} more",) if len(moved) > _MOST_LINES else ()
        made = f" of commit {saved.commit[:12]}" if saved.commit else ""
        what = f"the saved plan{made}, made at {saved.made_at}, does not hold any more; nothing was changed"
        source = f" --from {saved.plan.promotion.environment}" if saved.plan.promotion else ""
        hint = f"make a new plan, and look at it: shipit plan{source} --save FILE"
        raise ShipitError(what, hint=hint, detail=(*moved[:_MOST_LINES], *more))


def _target(run: Run, target: Target, preparation: Preparation, own: TargetPlan) -> SavedTarget:
    images = tuple(published(image) for image in preparation.releases[target.name].images)
    rules = [run.project.protected, run.project.require_clean, run.project.hooks.model_dump(mode="json")]
    rules += [run.project.approve.model_dump(mode="json")] if run.project.approve else []
    settings = run.mark(target, [target.config.model_dump(mode="json"), rules])
    marks = {name: run.mark(target, mark) for name, mark in run.marks(target).items()}
    return SavedTarget(
        target.name, settings, images, marks, tuple(run.mark(target, compared_step(step)) for step in own.steps)
    )
