"""`shipit prune`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated

from shipit.cli.completion import complete_stock
from shipit.cli.declared import argument, option
from shipit.cli.exits import can_ask, confirm, exit_on_error
from shipit.cli.options import ProjectOptions, WaitOption, YesOption, target_options, wait_of
from shipit.cli.printing import check_written, result_lines
from shipit.cli.runs import load, running, targets_run
from shipit.config.find import find_file
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.config.process_environment import ProcessEnvironment
    from shipit.pipeline.run import Run
    from shipit.release import Plan, Pruning
    from shipit.targets.base import Target

HELP = """Deletes what nobody needs. It shows what that is, asks, and looks again before it deletes. Without --keep: on the engines of Docker, Compose and
Swarm targets, stopped containers, images and networks that shipit made for them, and that neither a container of anybody nor a rollback (keep: of the
target) needs. With --keep N: images from the repositories of deploy.yml, beyond the newest N. Kept is also what runs in any target of any environment,
what a rollback of one of them needs (of its newest 50 releases), what the next deploy's tags name, what an index names, what has a tag that is not the name of a commit, and what has no known time.
Nothing is deleted unless every target could be read. What runs in places
that deploy.yml does not have is not known: choose N so that they find their images. --cache
empties the local cache, which keeps itself within a bound anyway."""
EXAMPLES = (
    "shipit prune",
    "shipit prune hosts -e staging --yes",
    "shipit prune --keep 20",
    "shipit prune web --keep 5 --yes",
    "shipit prune --cache",
)


def run(
    options: ProjectOptions,
    keep: Annotated[
        int | None, option("--keep", metavar="N", min=1, help="How many of the newest images stay.")
    ] = None,
    names: Annotated[
        list[str] | None,
        argument(
            metavar="NAME",
            help="Targets; with --keep, images that are built and have a repository. Default: all.",
            show_default=False,
            completes=complete_stock,
        ),
    ] = None,
    cache: Annotated[bool, option("--cache", help="Empty the local cache instead.")] = False,
    yes: YesOption = False,
    wait: WaitOption = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        wait_s = wait_of(wait)
        if cache:
            if keep is not None or names:
                raise UsageError("--cache takes neither --keep nor names")
            from shipit.cli.cache import empty_cache

            empty_cache(options, is_sure=yes)
            return
        if keep is not None:
            _prune_repositories(options, names or (), keep, wait_s, is_sure=yes)
            return
        raise SystemExit(_prune_places(options, names or (), wait_s, is_sure=yes))


def _prune_places(options: ProjectOptions, names: Sequence[str], wait_s: float, *, is_sure: bool) -> int:
    from shipit.pipeline.prune_places import prune_places

    project, _ = load(options, for_deploy=False)
    places = {*project.targets, *project.groups, *project.left_out}
    if own := [name for name in names if name in project.images and name not in places]:
        raise UsageError(f"how many images of {own[0]} stay is missing", hint=f"shipit prune {own[0]} --keep 20")
    with targets_run(
        target_options(options, names), for_deploy=False, keeps_journal=True, yes=is_sure, verb="Prune"
    ) as run:
        run.wait_s = wait_s
        return prune_places(run, is_selected=bool(names))


def _prune_repositories(
    options: ProjectOptions, images: Sequence[str], keep: int, wait_s: float, *, is_sure: bool
) -> None:
    from shipit.pipeline.prune import prune

    project, environ = load(options, for_deploy=False)
    names = list(images) or [name for name, config in project.images.items() if config.repository]
    for name in names:
        if name not in project.images or project.images[name].repository is None:
            hint = (
                "the number of kept releases of a target is its keep: in deploy.yml" if name in project.targets else ""
            )
            raise UsageError(f"there is no image {name!r} with a repository", hint=hint)
    if not names:
        raise UsageError("no image has a repository", where=str(project.file), hint="add repository: to an image")
    with running(project, environ, options, list(project.targets), is_live=False, keeps_journal=True) as run:
        run.wait_s = wait_s
        run.read_near_secrets()
        run.confirm = _asking(run, options.output, is_sure=is_sure)
        show = partial(_show, run, options.output)
        prune(run, names, _all_targets(run, options, environ), keep, show)
    check_written()


def _show(run: Run, output: str, planned: Sequence[Pruning]) -> None:
    from shipit.report.images_text import render_pruning

    for own in planned if output != "json" else ():
        result_lines(render_pruning(own, run.clock.wall_s()))


def _all_targets(run: Run, options: ProjectOptions, environ: ProcessEnvironment) -> dict[str, Target]:
    """The targets of every environment: name, or ENVIRONMENT:NAME, -> target. Raises: ConfigErrors for any of them."""
    from shipit.config.load import load_project
    from shipit.config.written import environments_of
    from shipit.targets.kinds import KindModels, create_target

    found = {target.name: target for target in run.targets}
    # The same place may run more in another environment.
    seen = [(run.project.app, target.name, target.place, target.config) for target in run.targets]
    file = find_file(environ, options.file)
    for environment in (None, *environments_of(file, environ)):
        project = load_project(file, environ, KindModels(), selected=environment, for_deploy=False)
        project = options.acting(project, is_needed=False)
        for name, config in project.targets.items():
            target = create_target(name, config, project, environ)
            if (own := (project.app, name, target.place, config)) not in seen:
                seen.append(own)
                found[f"{project.environment}:{name}"] = target
    return found


def _asking(run: Run, output: str, *, is_sure: bool) -> Callable[[Plan, Sequence[str]], bool]:
    def ask(plan: Plan, reasons: Sequence[str]) -> bool:
        if is_sure or not can_ask():
            return is_sure
        with getattr(run.tell, "paused", nullcontext)():
            return confirm(run.redactor.text(f"{'; '.join(reasons)}. Delete?"))

    return ask
