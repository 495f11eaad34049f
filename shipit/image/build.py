"""Builds an image with the builder that is chosen for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from shipit.errors import BuildError, NeedsEngine
from shipit.files import Missing, Unreadable, read_file
from shipit.image.build_tools import BuildTools
from shipit.image.choice import choose_builder
from shipit.image.dockerfile.detect import check_is_dockerfile
from shipit.image.dockerfile.parse import Dockerfile, parse_dockerfile
from shipit.image.image import BuiltImage, Layer
from shipit.image.native.builder import NativeBuilder
from shipit.image.options import BuildOptions

if TYPE_CHECKING:
    from shipit.docker.client import Engine


def build_image(
    name: str,
    options: BuildOptions,
    tools: BuildTools,
    ready: Callable[[Layer], None] = lambda layer: None,
    earlier: Callable[[], Iterable[bytes]] = tuple,
) -> BuiltImage:
    """Build one image with the builder in `options.builder`, or for `auto` with the one that fits.

    `ready` is called with each layer that is new in the store, after the image's config passed `tools.check`. `earlier`
    returns configs of images that were published before; their facts about the same base save reading its layers.
    Raises: BuildError at the Dockerfile's line, or when no builder is available.
    """
    dockerfile = read_dockerfile(options.dockerfile, options.context)
    choice = choose_builder(dockerfile, options, tools.engine)
    if choice.way == "native":
        try:
            builder = NativeBuilder(name, dockerfile, options, tools.store, tools.source, ready, earlier, tools.check)
            return builder.build()._replace(builder=str(choice))
        except NeedsEngine as need:
            # Not visible in the Dockerfile: triggers of a base, or kinds of layers and files that only an engine reads.
            if options.builder != "auto" or not tools.engine().is_reachable():
                raise
            asked = replace(options, builder="buildx" if options.cache else "engine")
            choice = choose_builder(dockerfile, asked, tools.engine)._replace(reason=f"{need.what}, at {need.where}")
    from shipit.image.engine.build import build_by_engine

    return build_by_engine(name, choice, dockerfile, options, tools)


def keep_cache(options: BuildOptions, engine: Engine) -> None:
    """Export the build cache of the last build to a registry. Raises: BuildError."""
    from shipit.image.engine.builders import export_cache

    export_cache(engine, read_dockerfile(options.dockerfile, options.context), options)


def read_dockerfile(path: Path, context: Path) -> Dockerfile:
    """Parse the Dockerfile at a path; messages name it relative to the context.

    Raises: BuildError when it is missing, cannot be read, or is a different kind of file.
    """
    shown = str(path.relative_to(context)) if path.is_relative_to(context) else str(path)
    try:
        data = read_file(path)
    except Missing:
        raise BuildError(
            "there is no Dockerfile", where=str(path), hint="write one, or name it with build: dockerfile:"
        ) from None
    except Unreadable as error:
        raise BuildError(f"the Dockerfile can't be read: {error.reason}", where=str(path)) from None
    check_is_dockerfile(data, shown)
    return parse_dockerfile(data, shown)
