"""The question before what a user would miss is changed."""

from __future__ import annotations

from shipit.errors import UsageError
from shipit.pipeline.approve import approve_plan
from shipit.pipeline.changing import changing_targets
from shipit.pipeline.run import Run
from shipit.release import Plan


def confirm_plan(run: Run, plan: Plan) -> None:
    """Have it approved, and ask where a target or the environment is protected, and before what destroys.

    What was approved is not asked about again. Raises: UsageError for a no.
    """
    approved = approve_plan(run, plan)
    if "" in approved:
        return
    targets = {target.name: target for target in run.targets}
    changing = changing_targets(run.targets, plan)
    names = [own.target for own in plan.targets if own.target in changing]
    reasons = [f"{name} is protected" for name in names if targets[name].config.protected and name not in approved]
    if run.project.protected:
        reasons.append(f"the environment {run.project.environment} is protected")
    reasons += [
        f"{own.target}: {step.summary}"
        for own in plan.targets
        for step in own.steps
        if step.destroys and own.target not in approved
    ]
    if reasons and not run.confirm(plan, reasons):
        raise not_confirmed("; ".join(reasons))


def not_confirmed(what: str) -> UsageError:
    """The error for a no, and where nobody could be asked."""
    return UsageError(f"not confirmed: {what}", hint="answer yes, or pass --yes where nobody can be asked")
