"""`shipit build`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from shipit.cli.completion import complete_images
from shipit.cli.declared import argument
from shipit.cli.exits import exit_on_error
from shipit.cli.options import OUTPUTS, STDOUT, BuildOptions
from shipit.cli.printing import check_written, note, result
from shipit.cli.runs import load, running
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.config.image import ImageConfig
    from shipit.config.project import Project
    from shipit.image.image import BuiltImage
    from shipit.image.saved import NamedImage
    from shipit.pipeline.run import Run
    from shipit.release import LoadedImage

HELP = """Prints the config digest of each image. Nothing is pushed. With --load the local Docker engine has the images afterwards,
under the names that they get in a registry: docker run NAME:TAG. Only layers that the engine lacks are sent to it. --engine names
another engine, also on another machine. With --save they are written to one tar, which docker load, skopeo
(oci-archive: and docker-archive:) and crane read. --output takes a format as everywhere, or a file whose name ends in .tar or has a
slash, which means the same as --save."""
EXAMPLES = (
    "shipit build",
    "shipit build web --load",
    "shipit build --load --engine ssh://deploy@web1",
    "shipit build --save shop.tar",
    "shipit build --output - | docker load",
)


def run(
    options: BuildOptions,
    images: Annotated[
        list[str] | None,
        argument(
            metavar="IMAGE",
            help="Images of deploy.yml. Default: all that are built.",
            show_default=False,
            completes=complete_images,
        ),
    ] = None,
) -> None:
    with exit_on_error(options.verbose, options.output if options.output in OUTPUTS else "auto"):
        from shipit.cli.archive_file import split_output
        from shipit.delivery.images import build_images, planned_image
        from shipit.events import ImagesBuilt
        from shipit.release import ImageUse

        options = split_output(options)
        if options.engine is not None and not options.load:
            raise UsageError("--engine names an engine to load into", hint="add --load")
        project, environ = load(options)
        chosen = _chosen(project, images or [])
        with running(project, environ, options, ()) as run:
            # Without a repository: a build asks only the registries of its bases.
            uses = [ImageUse(name, "", "oci", config.platform) for name, config in chosen.items()]
            built = build_images(run.delivery, uses)
            named, loaded = _copied(run, options, [built[use.image, use.platform] for use in uses])
            planned = tuple(planned_image(project, use, built[use.image, use.platform]) for use in uses)
            names = tuple(name for _, names in named for name in names)
            run.emit(ImagesBuilt(planned, names, options.save or "", loaded))
        if options.output == "json":
            check_written()
            return
        # Standard output holds the tar then.
        show = note if options.save == STDOUT else result
        for use in uses:
            show(f"{use.image}  {built[use.image, use.platform].config_digest}")


def _chosen(project: Project, images: list[str]) -> dict[str, ImageConfig]:
    """The images to build: those that are named, or all that have a build. Raises: UsageError."""
    for name in images:
        if name not in project.images:
            raise UsageError(f"there is no image {name!r}", hint=f"images here: {', '.join(project.images) or 'none'}")
    chosen = {
        name: config for name, config in project.images.items() if (name in images) or (not images and not config.use)
    }
    if not chosen:
        raise UsageError("there is nothing to build", where=str(project.file), hint="add image: or images: to it")
    return chosen


def _copied(
    run: Run, options: BuildOptions, built: list[BuiltImage]
) -> tuple[list[NamedImage], tuple[LoadedImage, ...]]:
    """The images with their names, saved and loaded as the options say; empty when they say neither."""
    if not options.load and options.save is None:
        return [], ()
    from shipit.cli.archive_file import archive_writer
    from shipit.delivery.local_copies import load_images, named_image, save_images

    named = [named_image(run.project, image) for image in built]
    if options.save is not None:
        with archive_writer(options.save) as write:
            save_images(run.delivery, named, options.save, write)
    loaded = load_images(run.delivery, named, options.engine or "") if options.load else ()
    return named, loaded
