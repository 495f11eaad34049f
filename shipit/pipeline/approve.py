"""Approvals: what has `approve` in deploy.yml is changed only after a person, a token, or a saved plan has approved it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shipit.config.approve import ApproveConfig
from shipit.errors import UsageError
from shipit.events import Approved
from shipit.pipeline.changing import changing_targets
from shipit.pipeline.run import Run
from shipit.release import Plan

TOKEN = "SHIPIT_APPROVAL"


class Needed(NamedTuple):
    """An approval that a plan needs. `target` is empty for that of the environment; `name` is what a person types."""

    target: str
    name: str
    config: ApproveConfig


def needed_approvals(run: Run, plan: Plan) -> Iterator[Needed]:
    """The approvals that a plan needs: of the environment, and of each target that it changes."""
    environment = run.project.approve
    if environment and environment.enabled:
        yield Needed("", run.project.environment, environment)
    configs = {target.name: target.config.approve for target in run.targets}
    changing = changing_targets(run.targets, plan)
    for own in plan.targets:
        config = configs.get(own.target)
        if config and config.enabled and own.target in changing:
            yield Needed(own.target, own.target, config)


def needs_approval(run: Run) -> bool:
    """True when a change of the environment or of one of its targets may need an approval."""
    every = (run.project.approve, *(target.config.approve for target in run.targets))
    return any(config is not None and config.enabled for config in every)


def approve_plan(run: Run, plan: Plan, *, is_saved: bool = False) -> frozenset[str]:
    """Have a plan approved: what was approved, by its name. Raises: UsageError where an approval is missing.

    A plan that `is_saved` is approved where it was signed with a key of several machines: who has that may approve.
    """
    found = []
    for needed in needed_approvals(run, plan):
        how = _approval(run, plan, needed, is_saved=is_saved)
        if not how:
            raise _missing(run, needed)
        run.emit(Approved(needed.target, needed.name, how))
        found.append(needed.name if needed.target else "")
    return frozenset(found)


def _approval(run: Run, plan: Plan, needed: Needed, *, is_saved: bool) -> str:
    """The way in which it was approved; empty where it was not."""
    key, pinned = run.environment.plan_key, needed.config.plan_key_sha256
    if is_saved and key and (pinned is None or _has_digest(key, pinned)):
        return "by the saved plan, which SHIPIT_PLAN_KEY signed"
    if _has_digest(run.environment.approval, needed.config.token_sha256):
        return f"by the token in {TOKEN}"
    return "by its name, typed at a terminal" if run.approve(plan, needed.name) else ""


def _has_digest(text: str | None, digest: str | None) -> bool:
    if text is None or digest is None:
        return False
    # Only a run with a token or key needs them.
    import hashlib
    import hmac

    return hmac.compare_digest(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), digest)


def _missing(run: Run, needed: Needed) -> UsageError:
    what = f"the target {needed.name}" if needed.target else f"the environment {needed.name}"
    other = "deploy a plan that was saved with SHIPIT_PLAN_KEY"
    if needed.config.token_sha256 is None:
        said, hint = "", f"type its name at a terminal, or {other}"
    else:
        said = f"; {TOKEN} is not its token" if run.environment.approval else ""
        hint = f"type its name at a terminal, set {TOKEN} to its token, or {other}"
    return UsageError(f"not approved: {what} is changed only with an approval{said}; nothing was changed", hint=hint)
