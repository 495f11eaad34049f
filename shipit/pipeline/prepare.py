"""Everything before the first write: observe and build at once, then plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from shipit.clock import Deadline
from shipit.config.check import release_without
from shipit.errors import ConfigErrors, Interrupted, ShipitError
from shipit.events import StatusRead
from shipit.parallel import GRACE_S, Failures, together
from shipit.pipeline.graph import run_order
from shipit.pipeline.hook_text import hook_lines
from shipit.pipeline.lock_notes import lock_notes
from shipit.pipeline.telling import tell_warnings
from shipit.release import ImageUse, Plan, Release, Status, Step, TagMove, TargetPlan, Upload
from shipit.targets.base import Target, checks_access, checks_images, checks_login, notes, previews, reissues
from shipit.threads import Workers, result_of

if TYPE_CHECKING:
    from shipit.delivery.background_uploads import BuildKey
    from shipit.delivery.images import Prepared
    from shipit.image.image import BuiltImage
    from shipit.pipeline.run import Run

T = TypeVar("T")


class Preparation(NamedTuple):
    """The observed places, the releases that targets should run, and the plan; by target name in the order they run.

    `looked_s` is when each target was observed, on the run's clock. `left` are the targets that were rolled back and stay so
    -> why.
    """

    plan: Plan
    targets: Mapping[str, Target]
    observed: Mapping[str, Any]
    releases: Mapping[str, Release]
    uses: Mapping[ImageUse, Prepared]
    looked_s: Mapping[str, float] = {}
    left: Mapping[str, str] = {}


def prepare(run: Run, *, is_push: bool = False, is_deploy: bool = False) -> Preparation:
    """Observe every target and build every image in parallel, read what registries have, and plan.

    A missing login is told before anything else; a place that can't be read, or where a deploy may not write, and a registry
    that needs a login for a push, before an engine is asked to build.
    Raises: every failure of these at once; nothing was written then.
    """
    from shipit.delivery.images import build_images, prepare_uses

    together({target.name: partial(_check_login, run, target) for target in run.targets}, run.clock)
    run.read_secrets(may_skip=not is_deploy)
    by_name = {target.name: target for target in run.targets}
    order = run_order({name: target.config.needs for name, target in by_name.items()})
    targets = {name: by_name[name] for name in order}
    uses = [use for target in targets.values() for use in target.images()]

    if is_push:
        run.delivery.access.begin(use.repository for use in uses if use.publish)

    def build_and_look() -> tuple[Mapping[BuildKey, BuiltImage], dict[ImageUse, Prepared]]:
        built = build_images(run.delivery, uses)
        _check(targets, built)
        return built, prepare_uses(run.delivery, uses, built)

    calls: dict[str, Callable[[], Any]] = {
        f"target {name}": partial(_timed, run, target, is_deploy) for name, target in targets.items()
    }
    results, (built, prepared) = _side_by_side(run, calls, build_and_look)
    observed = {name: results[f"target {name}"][1] for name in targets}
    used = {name: _uses(target, observed[name], built) for name, target in targets.items()}
    other = [use for uses_of in used.values() for use in uses_of if use not in prepared]
    if other:
        prepared = prepare_uses(run.delivery, [use for uses_of in used.values() for use in uses_of], built)
    run.delivery.access.require(use.repository for use, item in prepared.items() if not item.is_published)
    releases = {name: _release(run, target, used[name], prepared) for name, target in targets.items()}
    if is_deploy or not is_push:
        observed |= _previews(run, targets, releases, observed, is_deploy)
    plan = _plan(run, targets, used, observed, releases, prepared)
    if plan.changes:
        plan = plan._replace(hooks=tuple(hook_lines(run.project.hooks, _acting(run))))
    looked = {name: results[f"target {name}"][0] for name in targets}
    return Preparation(plan, targets, observed, releases, prepared, looked)


def _acting(run: Run) -> str:
    """The command whose plan this is: that of `shipit plan` is a deploy's, or a promotion's."""
    if run.command in ("deploy", "promote", "push"):
        return run.command
    return "promote" if run.source else "deploy"


def check_release_command(run: Run) -> None:
    """Raises: ConfigErrors for each target of the run that can't run the release command of deploy.yml."""
    if run.project.release is None:
        return
    mistakes = release_without({target.name: target.config for target in run.targets}, run.project.source)
    if mistakes:
        raise ConfigErrors(mistakes)


def _check_login(run: Run, target: Target) -> None:
    if checks_login(target):
        target.check_login(run.environment, run.clients)


def _side_by_side(
    run: Run, looks: Mapping[str, Callable[[], Any]], build: Callable[[], T]
) -> tuple[Mapping[str, Any], T]:
    """The results of observing and of building, in parallel. When observing fails, the build is cancelled.

    An engine is asked to build when every place has been read: a build that takes long is not started for nothing.
    """
    run.delivery.may_build.clear()
    workers = Workers("build", 1)
    building = workers.submit(build)
    try:
        looked = together(looks, run.clock)
        run.delivery.may_build.set()
        return looked, result_of(building, Deadline(run.clock), "the images")
    except ShipitError as error:
        run.give_up()
        other = building.exception() if building.done() and not building.cancelled() else None
        if isinstance(other, ShipitError) and other is not error and not isinstance(other, Interrupted):
            raise Failures((*(error.errors if isinstance(error, Failures) else (error,)), other)) from None
        raise
    finally:
        workers.close(GRACE_S)


def observe_target(run: Run, target: Target, *, is_planning: bool = True) -> Any:
    """Observe the place of one target; without `is_planning`, for no plan of a deploy."""
    return target.observe(run.session(target, is_planning=is_planning))


def read_status(run: Run) -> tuple[Status, ...]:
    """Observe the chosen targets in parallel, and emit what runs there."""
    tell_warnings(run.project, run.emit)
    calls = {target.name: partial(observe_target, run, target, is_planning=False) for target in run.targets}
    observed = together(calls, run.clock)
    found = tuple(target.describe(observed[target.name]) for target in run.targets)
    run.emit(StatusRead(found))
    return found


def _timed(run: Run, target: Target, is_deploy: bool) -> tuple[float, Any]:
    at, session = run.clock.now(), run.session(target)
    observed = target.observe(session)
    if is_deploy and checks_access(target):
        target.check_access(session)
    return at, observed


def _uses(target: Target, observed: Any, built: Mapping[BuildKey, BuiltImage]) -> list[ImageUse]:
    """The images that a target uses; some need another id, depending on what was observed."""
    uses = list(target.images())
    if not reissues(target):
        return uses
    images = {use: built[use.image, use.platform].with_command(use.command) for use in uses}
    other = target.reissue(images, observed)
    return [other.get(use, use) for use in uses]


def _check(targets: Mapping[str, Target], built: Mapping[BuildKey, BuiltImage]) -> None:
    for target in targets.values():
        if checks_images(target):
            target.check({use: built[use.image, use.platform].with_command(use.command) for use in target.images()})


def _release(run: Run, target: Target, uses: Iterable[ImageUse], prepared: Mapping[ImageUse, Prepared]) -> Release:
    images = tuple(prepared[use].image for use in uses)
    return Release(run.project.app, run.project.environment, images, run.marks(target))


def _previews(
    run: Run,
    targets: Mapping[str, Target],
    releases: Mapping[str, Release],
    observed: Mapping[str, Any],
    is_deploy: bool,
) -> dict[str, Any]:
    """The observations of the targets that ask their place what a release would change."""
    calls: dict[str, Callable[[], Any]] = {
        name: partial(target.preview, releases[name], observed[name], run.session(target), is_deploy=is_deploy)
        for name, target in targets.items()
        if previews(target)
    }
    return together(calls, run.clock)


def _plan(
    run: Run,
    targets: Mapping[str, Target],
    used: Mapping[str, Sequence[ImageUse]],
    observed: Mapping[str, Any],
    releases: Mapping[str, Release],
    prepared: Mapping[ImageUse, Prepared],
) -> Plan:
    from shipit.delivery.images import planned_image

    said: set[ImageUse] = set()
    plans = []
    for name, target in targets.items():
        mine = [use for use in used[name] if use not in said]
        said |= set(mine)
        uploads = tuple(_upload(prepared[use]) for use in mine if not prepared[use].is_published)
        steps = tuple(target.plan(releases[name], observed[name]))
        said_too = tuple(target.notes(releases[name], observed[name])) if notes(target) else ()
        if uploads or steps:
            said_too += lock_notes(run, target)
            said_too += _approval_notes(run, target)
            said_too += tuple(hook_lines(target.config.hooks, _acting(run)))
            said_too += _check_notes(target) if target.config.check else ()
        wanted = _wanted(run, target, releases[name], steps) if run.project.keeps_rolled_back else ""
        plans.append(TargetPlan(name, target.place, uploads, steps, said_too, wanted=wanted))
    plans = _with_canary(plans, run.project.max_parallel)
    images = {item.use.image: planned_image(run.project, item.use, item.built) for item in prepared.values()}
    tags = [
        TagMove(item.image.repository, tag, now, item.image.manifest_digest)
        for item in prepared.values()
        for tag in item.moving_tags
        if (now := item.tags[tag])
    ]
    app, environment = run.project.app, run.project.environment
    return Plan(app, environment, tuple(images.values()), tuple(plans), tuple(dict.fromkeys(tags)))


def _wanted(run: Run, target: Target, release: Release, steps: Sequence[Step]) -> str:
    """A keyed hash of what a deploy would release at a target: its settings, its images and its steps.

    Empty without steps, and where one of them does not tell what it writes.
    """
    if not steps or not all(step.tells_all for step in steps):
        return ""
    images = [str(image.config_digest) for image in release.images]
    done = [_released(step) for step in steps]
    settings = target.config.model_dump(mode="json")
    return run.mark(target, [settings, run.marks(target), images, list(filter(None, done))])


def _released(step: Step) -> Mapping[str, Any]:
    """The fields of a step that say what it releases, as JSON; all of them where its kind does not say which."""
    from shipit.pipeline.moved import compared_step

    fields, names = compared_step(step), type(step).releases
    return fields if names is None else {name: value for name, value in fields.items() if name in names}


def _with_canary(plans: Sequence[TargetPlan], most: int | None) -> list[TargetPlan]:
    """The plans, with a note at the first target that changes where others wait for it."""
    changing = [own for own in plans if not own.is_empty]
    if not most or len(changing) < 2:
        return list(plans)
    note = f"is deployed first, alone; when it is healthy, the others follow, at most {most} at the same time"
    return [own._replace(notes=(*own.notes, note)) if own is changing[0] else own for own in plans]


def _approval_notes(run: Run, target: Target) -> tuple[str, ...]:
    every = (run.project.approve, target.config.approve)
    return ("is changed only with an approval",) if any(config and config.enabled for config in every) else ()


def _check_notes(target: Target) -> tuple[str, ...]:
    from shipit.pipeline.answers import describe_check

    return tuple(f"checked when it is healthy: {describe_check(check)}" for check in target.config.check)


def _upload(item: Prepared) -> Upload:
    """What a repository lacks of an image; only tags where the manifest is there."""
    missing = item.missing
    return Upload(
        item.use.image,
        item.image.repository,
        item.image.manifest_digest,
        len(missing.layers),
        missing.size_bytes,
        item.new_tags,
        has_manifest=missing.is_published,
    )
