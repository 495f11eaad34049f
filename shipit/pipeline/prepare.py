"""Everything before the first write: observe and build at once, then plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from shipit.image.image import BuiltImage
from shipit.pipeline.early import BuildKey
from shipit.pipeline.graph import run_order
from shipit.pipeline.images import Prepared, build_images, counted, human_bytes, prepare_uses
from shipit.pipeline.parallel import together
from shipit.pipeline.run import Run
from shipit.release import ImageUse, Plan, Release, TargetPlan, short
from shipit.targets.base import Checks, Target


class Preparation(NamedTuple):
    """What is, what should be, and the way between, by target name in the order they run."""

    plan: Plan
    targets: Mapping[str, Target]
    observed: Mapping[str, Any]
    releases: Mapping[str, Release]
    uses: Mapping[ImageUse, Prepared]


def prepare(run: Run) -> Preparation:
    """Observe every target and build every image side by side, look what registries have, and plan.

    Raises: every failure of these at once; nothing was written then.
    """
    run.resolve_secrets()
    by_name = {target.name: target for target in run.targets}
    order = run_order({name: target.config.needs for name, target in by_name.items()})
    targets = {name: by_name[name] for name in order}
    uses = [use for target in targets.values() for use in target.images()]

    def build_and_look() -> dict[ImageUse, Prepared]:
        built = build_images(run, uses)
        _check(targets, built)
        return prepare_uses(run, uses, built)

    calls: dict[str, Callable[[], Any]] = {
        f"target {name}": partial(observe_target, run, target) for name, target in targets.items()
    }
    results = together({**calls, "images": build_and_look}, run.clock)
    prepared: dict[ImageUse, Prepared] = results["images"]
    observed = {name: results[f"target {name}"] for name in targets}
    releases = {name: _release(run, target, prepared) for name, target in targets.items()}
    plan = _plan(run, targets, observed, releases, prepared)
    return Preparation(plan, targets, observed, releases, prepared)


def observe_target(run: Run, target: Target) -> Any:
    """Read one target's place."""
    return target.observe(run.context(target))


def _check(targets: Mapping[str, Target], built: Mapping[BuildKey, BuiltImage]) -> None:
    for target in targets.values():
        if isinstance(target, Checks):
            target.check({use: built[use.image, use.platform].with_command(use.command) for use in target.images()})


def _release(run: Run, target: Target, prepared: Mapping[ImageUse, Prepared]) -> Release:
    images = {use: prepared[use].image for use in target.images()}
    return Release(run.project.app, run.project.environment, images, run.marks(target))


def _plan(
    run: Run,
    targets: Mapping[str, Target],
    observed: Mapping[str, Any],
    releases: Mapping[str, Release],
    prepared: Mapping[ImageUse, Prepared],
) -> Plan:
    said: set[ImageUse] = set()
    plans = []
    for name, target in targets.items():
        mine = [use for use in target.images() if use not in said]
        said |= set(mine)
        publish = tuple(_publish_line(prepared[use]) for use in mine if not prepared[use].is_published)
        plans.append(TargetPlan(name, target.place, publish, tuple(target.plan(releases[name], observed[name]))))
    images = {
        item.use.image: f"{item.use.image}  {short(item.built.config_digest)}  {item.built.builder}"
        for item in prepared.values()
    }
    tags = tuple(f"{item.image.repository}:{tag}" for item in prepared.values() for tag in item.moving_tags)
    return Plan(
        run.project.app, run.project.environment, tuple(images.values()), tuple(plans), tuple(dict.fromkeys(tags))
    )


def _publish_line(item: Prepared) -> str:
    tags = f", tag {', '.join(item.new_tags)}" if item.new_tags else ""
    if item.missing.is_published:
        return f"tag {item.image.repository}: {', '.join(item.new_tags)}"
    count = len(item.missing.layers)
    layers = f"{counted(count, 'layer')}, {human_bytes(item.missing.size_bytes)}" if count else "manifest only"
    return f"push {item.image.repository}@{short(item.image.manifest_digest)}  {layers}{tags}"
