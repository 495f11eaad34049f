"""What the commands do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from shipit.cli.ending import ending
from shipit.cli.running import Options, load, running, targets_run
from shipit.cli.say import result, result_json
from shipit.errors import UsageError
from shipit.targets.kinds import KindModels

if TYPE_CHECKING:
    from shipit.config.project import Project
from shipit.printable import printable_line


def run_build(images: Sequence[str], options: Options) -> None:
    with ending(options.verbose, options.output):
        from shipit.pipeline.images import build_images
        from shipit.release import ImageUse

        project, environ = load(options)
        for name in images:
            if name not in project.images:
                raise UsageError(
                    f"there is no image {name!r}", hint=f"images here: {', '.join(project.images) or 'none'}"
                )
        with running(project, environ, options, ()) as run:
            chosen = {
                name: config
                for name, config in project.images.items()
                if (name in images) or (not images and not config.use)
            }
            if not chosen:
                raise UsageError(
                    "there is nothing to build", where=str(project.file), hint="add image: or images: to it"
                )
            # Without a repository: a build asks only the registries of its bases.
            uses = [
                ImageUse(name, "", "oci", config.build.platforms[0] if config.build else "linux/amd64")
                for name, config in chosen.items()
            ]
            built = build_images(run, uses)
        for use in uses:
            result(f"{use.image}  {built[use.image, use.platform].config_digest}")


def with_every_repository(project: Project) -> Project:
    """The project with a target that publishes each image that has a repository; itself where the file has targets."""
    names = [name for name, image in project.images.items() if image.repository]
    if project.targets or project.left_out:
        return project
    if not names:
        hint = "add repository: to an image, or targets: to the file"
        raise UsageError("there is nothing to push", where=project.file.name, hint=hint)
    return replace(project, targets={"registry": KindModels()["registry"].model_validate({"images": names})})


def run_push(options: Options) -> None:
    with ending(options.verbose, options.output), targets_run(options, changed=with_every_repository) as run:
        from shipit.pipeline.flow import push

        preparation = push(run)
        if options.output != "json":
            for item in preparation.uses.values():
                result(item.image.pinned)


def run_plan(options: Options, exit_code: bool) -> None:
    with ending(options.verbose, options.output):
        from shipit.pipeline.flow import plan
        from shipit.pipeline.plan_text import render_plan

        with targets_run(options, plan_to_stdout=True) as run:
            preparation = plan(run)
        if options.output != "json":
            result(render_plan(preparation.plan, run.redactor))
        if exit_code and preparation.plan.changes:
            raise typer.Exit(3)


def run_deploy(options: Options) -> None:
    with ending(options.verbose, options.output):
        from shipit.pipeline.flow import deploy

        with targets_run(options) as run:
            code = deploy(run)
        raise typer.Exit(code)


def run_status(options: Options) -> None:
    with ending(options.verbose, options.output), targets_run(options) as run:
        from shipit.pipeline.parallel import together
        from shipit.pipeline.prepare import observe_target

        observed = together(
            {target.name: partial(observe_target, run, target) for target in run.targets},
            run.clock,
        )
        rows: list[dict[str, Any]] = []
        for target in run.targets:
            lines = run.redactor.lines(target.describe(observed[target.name]))
            rows.append(
                {
                    "target": target.name,
                    "kind": target.place.kind,
                    "place": run.redactor.text(target.place.identity),
                    "runs": list(lines),
                }
            )
        if options.output == "json":
            result_json(rows)
            return
        for row in rows:
            result(printable_line(f"{row['target']}  {row['place']}"))
            for line in row["runs"] or ["nothing runs there"]:
                result(printable_line(f"  {line}"))
