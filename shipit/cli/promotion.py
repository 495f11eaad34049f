"""The two environments of a promotion: the one that is read, and the project that its images are released in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from shipit.cli.exits import cancelling
from shipit.cli.named_targets import named_targets
from shipit.cli.options import ImageOptions, PlanOptions, TargetOptions
from shipit.cli.reporters import Silent, Warnings
from shipit.cli.runs import load, no_targets, targets_run
from shipit.clock import Clock
from shipit.errors import UsageError
from shipit.targets.kinds import create_target

if TYPE_CHECKING:
    from shipit.config.project import Project
    from shipit.pipeline.promotion_source import ReadSource
    from shipit.pipeline.run import Run

Options = TypeVar("Options", bound=TargetOptions)


def destination(options: Options, to: str | None, source: str) -> Options:
    """The options for the environment that is promoted to. Raises: UsageError."""
    from shipit.config.overlay import PRODUCTION

    if to == "":
        raise UsageError("--to should be an environment", hint="without --to, it is production")
    if to is not None and options.environment is not None and to != options.environment:
        raise UsageError(f"--to {to} and --environment {options.environment!r} differ", hint="give only --to")
    chosen = to if to is not None else options.environment
    environment = chosen if chosen is not None else PRODUCTION
    if environment == source.partition("/")[0]:
        raise UsageError(f"--from and --to are both {environment}", hint="choose two different environments")
    return replace(options, environment=environment)


@contextmanager
def reading_source(options: TargetOptions, source: str, *, takes_unhealthy: bool) -> Iterator[ReadSource]:
    """Read what the environment of `source`, ENV or ENV/TARGET, runs. Within the block it can be read again.

    `options` are those of the destination: errors in its deploy.yml are raised before a place is read.
    Raises: UsageError when the source can't be promoted; ShipitError.
    """
    from shipit.pipeline.promotion_source import read_source
    from shipit.pipeline.run import Run

    name, _, only = source.partition("/")
    _check_destination(options)
    project, environ = load(replace(options, environment=name, as_user=None, as_group=None), for_deploy=False)
    project = options.acting(project, is_needed=False)
    if not project.targets:
        raise no_targets(project)
    clock = Clock()
    targets = [
        create_target(target, project.targets[target], project, environ)
        for target in _names(project, only, options.selected)
    ]
    with Run(project, targets, environ, clock, Warnings()) as run, cancelling(clock):
        read = read_source(run, takes_unhealthy=takes_unhealthy)
        # Its warnings were told: when it is read again, the reporter of the promotion has the terminal.
        run.tell = Silent()
        yield read


def _check_destination(options: TargetOptions) -> None:
    """Raises: ConfigErrors, UsageError."""
    project, _ = load(options)
    if not project.targets:
        raise no_targets(project)
    named_targets(project, options.selected)


def _names(project: Project, only: str, selected: tuple[str, ...]) -> tuple[str, ...]:
    """The targets to read: the one that is named, or those that are promoted where the environment has all of them."""
    from shipit.pipeline.graph import select_targets

    if only:
        return select_targets(project.named([only]), project.targets)
    asked = project.named(selected)
    return select_targets(asked if all(name in project.targets for name in asked) else (), project.targets)


@contextmanager
def promoting(
    options: PlanOptions, images: ImageOptions, source: str | None, *, takes_unhealthy: bool, plan_file: str | None
) -> Iterator[Run]:
    """The run of a plan, which is saved to `plan_file`: of a promotion from `source`, or else of a deploy.

    Raises: UsageError, ShipitError.
    """
    if source is None:
        if takes_unhealthy:
            raise UsageError("--unhealthy is for the plan of a promotion", hint="add --from ENV")
        with targets_run(options, shows_plan=False, changed=images.given, plan_file=plan_file) as run:
            yield run
        return
    if images.image or images.no_build:
        raise UsageError(
            "--from takes the images of an environment, so --image and --no-build can't be given", hint="remove them"
        )
    options = destination(options, None, source)
    with (
        reading_source(options, source, takes_unhealthy=takes_unhealthy) as read,
        targets_run(options, shows_plan=False, changed=promoted(read), source=read, plan_file=plan_file) as run,
    ):
        check_complete(run, read)
        yield run


def promoted(source: ReadSource) -> Callable[[Project], Project]:
    """A function that replaces the images of a project by those of the source."""

    def change(project: Project) -> Project:
        from shipit.config.promoted_images import with_promoted

        return with_promoted(project, {image.name: image for image in source.promotion.images})

    return change


def check_complete(run: Run, source: ReadSource) -> None:
    """Check that the source runs every image that the targets need. Raises: UsageError."""
    from shipit.pipeline.promotion_images import check_images

    needed = [(target.name, use.image) for target in run.targets for use in target.images()]
    own = [name for name, image in run.project.images.items() if image.use]
    check_images(source.promotion.environment, source.promotion.images, needed, own)
