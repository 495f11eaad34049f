"""A plan as text for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.pipeline.images import counted
from shipit.printable import cut_text, printable_line
from shipit.redact import Redactor
from shipit.release import Plan, TargetPlan

_MOST_DETAIL = 160


def render_plan(made: Plan, redactor: Redactor) -> str:
    """The plan: images, then each target with its place and steps, then tags that move last, then a count.

    Its free text is redacted first, and cut then; names are not changed.
    """
    plan = redactor.value(made)
    lines = [f"{plan.app} -> {plan.environment}", ""]
    lines += [f"image  {line}" for line in plan.images]
    for target in plan.targets:
        lines += ["", f"{target.target}  {target.place.identity}", *_target(target)]
    if plan.tags:
        lines += ["", "when all are healthy", *(f"  > move {tag}" for tag in plan.tags)]
    count = plan.changes
    lines += ["", counted(count, "change") if count else "up to date: nothing to change"]
    return "\n".join(printable_line(line) for line in lines)


def _target(target: TargetPlan) -> Iterator[str]:
    for line in target.publish:
        yield f"  + {line}"
    for step in target.steps:
        sign = "!" if step.destroys else "+" if step.summary.startswith("create") else "~"
        yield f"  {sign} {step.summary}"
        yield from (f"      {cut_text(line, _MOST_DETAIL)}" for line in step.detail)
    if target.is_empty:
        yield "  = up to date"
    yield from (f"  . {line}" for line in target.notes)
