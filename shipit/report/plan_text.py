"""A plan as text for people. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from shipit.printable import counted, cut_text, human_bytes, printable_line
from shipit.release import Plan, PlannedImage, PromotedRelease, Step, TargetPlan, Upload
from shipit.report.status_text import age

# The time of a change by somebody else, where what they set ends.
_SET_AT = re.compile(r" at (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z)(?=$|;)")
_MOST_DETAIL = 160
_DETAIL_LINES = 8


def render_plan(plan: Plan, *, full: bool = False, at: str = "") -> str:
    """The plan: images, then each target with its place and steps, then tags that are moved last, then a count.

    Of the detail of a step eight lines of 160 characters are shown, or all of it with `full`. `at` is the time of the plan, RFC 3339:
    times in it are then shown as ages. Its free text is redacted already.
    """
    lines = [f"{plan.app} -> {plan.environment}", *([""] if plan.images else [])]
    lines += [f"image  {line}" for line in image_lines(plan)]
    lines += [f"from  {line}" for line in promotion_lines(plan)]
    for target in plan.targets:
        lines += ["", f"{target.target}  {target.place.identity}", *target_lines(target, full=full, at=at)]
    if plan.tags:
        lines += ["", "when all are healthy", *tag_lines(plan)]
    if plan.hooks:
        lines += ["", "around all of it", *hook_lines(plan)]
    count = plan.changes
    lines += ["", counted(count, "change") if count else "up to date: nothing to change"]
    return "\n".join(printable_line(line) for line in lines)


def image_lines(plan: Plan) -> Iterator[str]:
    """The images of a plan."""
    return (line for image in plan.images for line in _image(image))


def promotion_lines(plan: Plan) -> Iterator[str]:
    """The releases that a promotion takes, and their images."""
    if plan.promotion is None:
        return
    for release in plan.promotion.releases:
        yield f"{plan.promotion.environment}/{release.target}  {_release(release)}"
        yield from (f"{release.target}  warning: {doubt}" for doubt in release.doubts)
    yield from (f"{image.name}  {image.reference}" for image in plan.promotion.images)


def _release(release: PromotedRelease) -> str:
    """`3f9c01ab22ee, commit c0ffee1, healthy since 2026-11-26 12:00 UTC`."""
    commit = f", commit {release.commit[:7]}" if release.commit else ""
    if release.healthy_at:
        return f"{release.version}{commit}, healthy since {_minute(release.healthy_at)}"
    since = f" {_minute(release.released_at)}" if release.released_at else ""
    healthy = "" if release.doubts else ", healthy now"
    return f"{release.version}{commit}, released{since}{healthy}"


def _minute(time: str) -> str:
    return f"{time[:16].replace('T', ' ')} UTC"


def tag_lines(plan: Plan) -> Iterator[str]:
    """The tags that a plan moves."""
    return (f"  > move {move.repository}:{move.tag}" for move in plan.tags)


def hook_lines(plan: Plan) -> Iterator[str]:
    """The hooks of the run."""
    return (f"  . {line}" for line in plan.hooks)


def _image(image: PlannedImage) -> Iterator[str]:
    yield f"{image.name}  {image.config_digest.short}  {image.builder}"
    if image.left_out:
        yield f"{image.name}  left out of its context: {image.left_out}"
    if image.insecure_host:
        yield f"{image.name}  insecure: {image.insecure_host} is asked over plain HTTP, and passwords go there in clear"


def target_lines(target: TargetPlan, *, full: bool, at: str = "") -> Iterator[str]:
    """What a target needs, as `render_plan` shows it."""
    for upload in target.uploads:
        yield f"  + {_upload(upload)}"
    for step in target.steps:
        yield f"  {_sign(step)} {step.summary}"
        yield from (f"      {_aged(line, at)}" for line in _detail(step.detail, full=full))
    if target.is_empty:
        yield "  = up to date"
    yield from (f"  . {_aged(line, at)}" for line in target.notes)


def _aged(line: str, at: str) -> str:
    """The line with how long ago instead of when somebody changed something."""
    if not at:
        return line
    now_s = datetime.fromisoformat(at).timestamp()
    return _SET_AT.sub(
        lambda found: f", {age(found['time'], now_s)} ago" if age(found["time"], now_s) else found[0], line
    )


def _sign(step: Step) -> str:
    if step.destroys:
        return "!"
    return {"create": "+", "delete": "-"}.get(step.effect, "~")


def _detail(lines: Sequence[str], *, full: bool) -> Iterator[str]:
    yield from lines if full else (cut_text(line, _MOST_DETAIL) for line in lines[:_DETAIL_LINES])
    if not full and len(lines) > _DETAIL_LINES:
        yield f"and {counted(len(lines) - _DETAIL_LINES, 'more line')}: shipit plan --full"


def _upload(upload: Upload) -> str:
    if upload.has_manifest:
        return f"tag {upload.repository}: {', '.join(upload.tags)}"
    layers = (
        f"{counted(upload.layers, 'layer')}, {human_bytes(upload.size_bytes)}" if upload.layers else "manifest only"
    )
    tags = f", tag {', '.join(upload.tags)}" if upload.tags else ""
    return f"push {upload.repository}@{upload.manifest_digest.short}  {layers}{tags}"
