"""`shipit images`."""

from __future__ import annotations

from typing import Annotated

from shipit.cli.completion import complete_images
from shipit.cli.declared import argument
from shipit.cli.exits import exit_on_error
from shipit.cli.options import ProjectOptions
from shipit.cli.printing import check_written, result, result_lines
from shipit.cli.runs import load, running
from shipit.errors import UsageError

HELP = """Lists what the repositories hold of the images of deploy.yml, the newest first: tags, digest, commit, size, age, and the targets
where it runs. The commit is the label org.opencontainers.image.revision or a tag. The age is that of the image, or where the build gives
it none, as those of shipit, that of its commit in this git repository. At most 200 tags of a repository are read."""
EXAMPLES = ("shipit images", "shipit images web --output json")


def run(
    options: ProjectOptions,
    images: Annotated[
        list[str] | None,
        argument(
            metavar="IMAGE",
            help="Images of deploy.yml. Default: all that have a repository.",
            show_default=False,
            completes=complete_images,
        ),
    ] = None,
) -> None:
    with exit_on_error(options.verbose, options.output):
        from shipit.pipeline.images import list_images
        from shipit.report.images_text import render_repository

        project, environ = load(options, for_deploy=False)
        names = images or [name for name, config in project.images.items() if config.repository]
        for name in names:
            if name not in project.images:
                hint = f"images here: {', '.join(project.images) or 'none'}"
                raise UsageError(f"there is no image {name!r}", hint=hint)
            if project.images[name].repository is None:
                raise UsageError(f"image {name} has no repository", hint="add repository: to the image")
        if not names:
            raise UsageError("no image has a repository", where=str(project.file), hint="add repository: to an image")
        with running(project, environ, options, list(project.targets), is_live=False) as run:
            run.read_near_secrets()
            listed = list_images(run, names)
            if options.output == "json":
                check_written()
                return
            for at, repository in enumerate(run.redactor.value(listed.repositories)):
                if at:
                    result("")
                result_lines(render_repository(repository, run.clock.wall_s()))
