"""`shipit prune`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from shipit.cli.completion import complete_images
from shipit.cli.exits import can_ask, confirm, exit_on_error
from shipit.cli.options import ProjectOptions, YesOption
from shipit.cli.printing import check_written, result, result_lines
from shipit.cli.runs import load, running
from shipit.config.find import find_file
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.config.process_environment import ProcessEnvironment
    from shipit.pipeline.run import Run
    from shipit.release import Plan, Pruning
    from shipit.targets.base import Target

HELP = """Deletes images from the repositories of deploy.yml, beyond the newest N. Kept is also what runs in any target of any environment,
what the next deploy's tags name, what an index names, what has a tag that is not the name of a commit, and what has no known time. Shows
what would be deleted, asks, and looks again before it deletes. Nothing is deleted unless every target could be read. What runs in places
that deploy.yml does not have is not known: choose N so that they, and rollbacks, find their images. --cache
empties the local cache, which keeps itself within a bound anyway."""
EXAMPLES = ("shipit prune --keep 20", "shipit prune web --keep 5 --yes", "shipit prune --cache")


def run(
    options: ProjectOptions,
    keep: Annotated[
        int | None, typer.Option("--keep", metavar="N", min=1, help="How many of the newest images stay.")
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE",
            help="Images of deploy.yml. Default: all that are built and have a repository.",
            show_default=False,
            autocompletion=complete_images,
        ),
    ] = None,
    cache: Annotated[bool, typer.Option("--cache", help="Empty the local cache instead.")] = False,
    yes: YesOption = False,
) -> None:
    with exit_on_error(options.verbose, options.output):
        if cache:
            if keep is not None or images:
                raise UsageError("--cache takes neither --keep nor images")
            from shipit.cli.cache import empty_cache

            empty_cache(options, is_sure=yes)
            return
        if keep is None:
            raise UsageError("how many images stay is missing", hint="shipit prune --keep 20, or shipit prune --cache")
        from shipit.pipeline.prune import prune

        project, environ = load(options, for_deploy=False)
        names = images or [name for name, config in project.images.items() if config.repository]
        for name in names:
            if name not in project.images or project.images[name].repository is None:
                raise UsageError(f"there is no image {name!r} with a repository")
        if not names:
            raise UsageError("no image has a repository", where=str(project.file), hint="add repository: to an image")
        with running(project, environ, options, list(project.targets), is_live=False) as run:
            run.read_near_secrets()
            run.confirm = _asking(run, options.output, is_sure=yes)
            show = partial(_show, run, options.output)
            count = prune(run, names, _all_targets(run, options, environ), keep, show)
        if options.output == "json":
            check_written()
        elif not count:
            result("nothing to delete")


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
