"""The differences between a saved plan and the plan of now, one line each. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from shipit.history.saved_plan import SavedPlan, SavedTarget
from shipit.pipeline.choose_release import BRINGS_BACK
from shipit.printable import counted, cut_text
from shipit.record import to_json
from shipit.release import Plan, Promotion, Step, TargetPlan, Upload

_MOST_SHOWN, _MOST_FIELDS = 60, 5


def compared_step(step: Step) -> dict[str, Any]:
    """The fields of a step that a saved plan is compared by, as JSON."""
    return {name: value for name, value in to_json(step).items() if name not in type(step).unstable}


def find_moved(saved: SavedPlan, now: SavedPlan) -> tuple[str, ...]:
    """The differences between a saved plan and the plan of now, for people; empty where they would do the same."""
    names, names_now = ([target.name for target in plan.targets] for plan in (saved, now))
    if names != names_now:
        return (f"the targets were {', '.join(names)}, and are {', '.join(names_now)}",)
    lines = [*_source(saved.plan.promotion, now.plan.promotion), *_images(saved.plan, now.plan)]
    for target, target_now, own, own_now in zip(
        saved.targets, now.targets, saved.plan.targets, now.plan.targets, strict=True
    ):
        found = [*_target(target, target_now), *_place(own, own_now), *_steps(target, target_now, own, own_now)]
        found += [note for note in own_now.notes if note.startswith(BRINGS_BACK) and note not in own.notes]
        lines += [f"{target.name}: {line}" for line in found]
    return (*lines, *_tags(saved.plan, now.plan))


def _source(saved: Promotion | None, now: Promotion | None) -> Iterator[str]:
    """The differences at the source of a promotion. Another release of the same images, as one of config vars, is none."""
    before, after = ({one.target: one for one in found.releases} if found else {} for found in (saved, now))
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if one is None or other is None or one.images != other.images:
            was, is_now = (found.version if found else "nothing" for found in (one, other))
            yield f"the source {name} ran {was}, and runs {is_now}"
        elif other.doubts and not one.doubts:
            yield f"the source {name} was healthy: {'; '.join(other.doubts)}"


def _images(saved: Plan, now: Plan) -> Iterator[str]:
    before, after = ({image.name: image for image in plan.images} for plan in (saved, now))
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            yield f"the image {name} {'is new' if one is None else 'is not used any more'}"
        elif (one.config_digest, one.platform) != (other.config_digest, other.platform):
            was, is_now = (f"{found.config_digest.short} for {found.platform}" for found in (one, other))
            yield f"the image {name} was {was}, and is {is_now}"
        elif one.insecure_host != other.insecure_host:
            yield f"the registry of the image {name} is used over {'plain HTTP' if other.insecure_host else 'HTTPS'}"


def _target(saved: SavedTarget, now: SavedTarget) -> Iterator[str]:
    if saved.settings != now.settings:
        yield "what deploy.yml says of it changed"
    if saved.running != now.running:
        yield f"it ran {saved.running or 'nothing'}, and runs {now.running or 'nothing'}"
    before, after = ({(image.name, image.reference) for image in target.images} for target in (saved, now))
    for name, reference in sorted(after - before):
        was = ", ".join(sorted(other for own, other in before if own == name)) or "not used"
        yield f"the image {name} was {was}, and is {reference}"
    for name in sorted({*saved.marks, *now.marks}):
        if saved.marks.get(name) != now.marks.get(name):
            word = "is gone" if name not in now.marks else "is new" if name not in saved.marks else "has another value"
            yield f"{name} {word}"


def _place(saved: TargetPlan, now: TargetPlan) -> Iterator[str]:
    if saved.place != now.place:
        yield f"it led to {saved.place.identity}, and leads to {now.place.identity}"
    before, after = ([_compared_upload(upload) for upload in own.uploads] for own in (saved, now))
    gone, new = [one for one in before if one not in after], [one for one in after if one not in before]
    for upload in gone:
        other = next((one for one in new if _push(one) == _push(upload)), None)
        if other is None:
            yield f"no longer needed: {_push(upload)}"
        else:
            new.remove(other)
            yield f"{_push(upload)}: {_upload_changes(upload, other)}"
    yield from (f"needed as well: {_push(upload)}" for upload in new)


def _compared_upload(upload: Upload) -> Upload:
    """Without what it still has to send, which changes by itself: other runs and images share blobs."""
    return upload._replace(layers=0, size_bytes=0)


def _push(upload: Upload) -> str:
    return f"the push of {upload.image} to {upload.repository}"


def _upload_changes(saved: Upload, now: Upload) -> str:
    found = []
    if saved.manifest_digest != now.manifest_digest:
        found.append(f"it was {saved.manifest_digest.short}, and is {now.manifest_digest.short}")
    if saved.tags != now.tags:
        was, is_now = (", ".join(tags[:_MOST_FIELDS]) or "none" for tags in (saved.tags, now.tags))
        found.append(f"its tags were {was}, and are {is_now}")
    if saved.has_manifest != now.has_manifest:
        found.append(f"its manifest is {'there already' if now.has_manifest else 'not there any more'}")
    return ", ".join(found)


def _steps(saved: SavedTarget, now: SavedTarget, own: TargetPlan, own_now: TargetPlan) -> Iterator[str]:
    before = {step.id: (step, mark) for step, mark in zip(own.steps, saved.steps, strict=True)}
    after = {step.id: (step, mark) for step, mark in zip(own_now.steps, now.steps, strict=True)}
    for step_id, (step, mark) in before.items():
        if step_id not in after:
            yield f"no longer needed: {step.summary}"
        elif after[step_id][1] != mark:
            yield f"{step.summary}: {_changes(step, after[step_id][0])}"
    yield from (f"needed as well: {step.summary}" for step_id, (step, _) in after.items() if step_id not in before)
    if list(before) != list(after) and set(before) == set(after):
        yield "the order of its steps changed"


def _changes(saved: Step, now: Step) -> str:
    """The differences between two steps as the lines of the plan have them; by their fields where no line differs."""
    before, after = ([" ".join(line.split()) for line in step.detail] for step in (saved, now))
    found = [] if saved.summary == now.summary else [f"it is {_shown(now.summary)!r} now"]
    found += [f"the line {_shown(line)!r} is gone" for line in before if line not in after]
    found += [f"the line {_shown(line)!r} is new" for line in after if line not in before]
    found = found or list(_differences(_shown_fields(saved), _shown_fields(now), ""))
    more = f", and {counted(len(found) - _MOST_FIELDS, 'more change')}" if len(found) > _MOST_FIELDS else ""
    return ", ".join(found[:_MOST_FIELDS]) + more or "a value that is not shown changed"


def _shown_fields(step: Step) -> dict[str, Any]:
    return {name: value for name, value in compared_step(step).items() if name not in type(step).hashes}


def _differences(saved: Any, now: Any, path: str) -> Iterator[str]:
    if isinstance(saved, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys((*saved, *now)):
            yield from _differences(saved.get(name), now.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(saved, list) and isinstance(now, list) and len(saved) == len(now):
        for index, (one, other) in enumerate(zip(saved, now, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif saved != now:
        yield f"{path} was {_shown(saved)}, and is {_shown(now)}"


def _shown(value: Any) -> str:
    return cut_text(value if isinstance(value, str) else json.dumps(value), _MOST_SHOWN)


def _tags(saved: Plan, now: Plan) -> Iterator[str]:
    before, after = ({(move.repository, move.tag): move for move in plan.tags} for plan in (saved, now))
    for repository, tag in dict.fromkeys((*before, *after)):
        one, other = before.get((repository, tag)), after.get((repository, tag))
        if one != other:
            yield f"the tag {repository}:{tag} {_moved_tag(one is None, other is None)}"


def _moved_tag(is_new: bool, is_gone: bool) -> str:
    return "has to move as well" if is_new else "no longer has to move" if is_gone else "names another image"
