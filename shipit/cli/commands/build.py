"""`shipit build`."""

from __future__ import annotations

from typing import Annotated

import typer

from shipit.cli.completion import complete_images
from shipit.cli.exits import exit_on_error
from shipit.cli.options import ProjectOptions
from shipit.cli.printing import check_written, result
from shipit.cli.runs import load, running
from shipit.errors import UsageError

HELP = "Prints the config digest of each image. Nothing is pushed."
EXAMPLES = ("shipit build", "shipit build web")


def run(
    options: ProjectOptions,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE",
            help="Images of deploy.yml. Default: all that are built.",
            show_default=False,
            autocompletion=complete_images,
        ),
    ] = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.delivery.images import build_images, planned_image
        from shipit.events import ImagesBuilt
        from shipit.release import ImageUse

        project, environ = load(options)
        for name in images or ():
            if name not in project.images:
                raise UsageError(
                    f"there is no image {name!r}", hint=f"images here: {', '.join(project.images) or 'none'}"
                )
        with running(project, environ, options, ()) as run:
            chosen = {
                name: config
                for name, config in project.images.items()
                if (name in (images or ())) or (not images and not config.use)
            }
            if not chosen:
                raise UsageError(
                    "there is nothing to build", where=str(project.file), hint="add image: or images: to it"
                )
            # Without a repository: a build asks only the registries of its bases.
            uses = [ImageUse(name, "", "oci", config.platform) for name, config in chosen.items()]
            built = build_images(run.delivery, uses)
            run.emit(ImagesBuilt(tuple(planned_image(project, use, built[use.image, use.platform]) for use in uses)))
        if options.output == "json":
            check_written()
            return
        for use in uses:
            result(f"{use.image}  {built[use.image, use.platform].config_digest}")
