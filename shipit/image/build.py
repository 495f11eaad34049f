"""Choosing who builds, and why: the native builder where it can, an engine where it must."""

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
    """Build one image with the builder that `options.builder` names, or that `auto` chooses.

    `ready` is told each layer that was not in the store before, once the image's config is checked. `earlier` gives the configs of images
    that were published before: what they tell of the same base need not be read from its layers.
    Raises: BuildError at the Dockerfile's line, or where nothing here can build it.
    """
    dockerfile = read_dockerfile(options.dockerfile, options.context)
    choice = choose_builder(dockerfile, options, tools.engine)
    if choice.way == "native":
        try:
            builder = NativeBuilder(name, dockerfile, options, tools.store, tools.source, ready, earlier, tools.check)
            return builder.build()._replace(builder=str(choice))
        except NeedsEngine as need:
            # What its Dockerfile did not show: triggers of a base, layers or files of another kind.
            if options.builder != "auto" or not tools.engine().is_reachable():
                raise
            asked = replace(options, builder="buildx" if options.cache else "engine")
            choice = choose_builder(dockerfile, asked, tools.engine)._replace(reason=f"{need.what}, at {need.where}")
    from shipit.image.engine.build import build_by_engine

    return build_by_engine(name, choice, dockerfile, options, tools)


def keep_cache(options: BuildOptions, engine: Engine) -> None:
    """Keep in a registry what the build that was just done has made. Raises: BuildError."""
    from shipit.image.engine.builders import export_cache

    export_cache(engine, read_dockerfile(options.dockerfile, options.context), options)


def read_dockerfile(path: Path, context: Path) -> Dockerfile:
    """The Dockerfile at a path, whatever is in it; its name in messages is relative to the context.

    Raises: BuildError when it can't be read.
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
