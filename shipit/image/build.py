"""Choosing who builds: the native builder where it can, an engine where it must."""

from __future__ import annotations

from pathlib import Path

from shipit.errors import BuildError
from shipit.events import Emit
from shipit.image.dockerfile import Dockerfile, Instruction, parse_dockerfile
from shipit.image.engine import Engine
from shipit.image.image import BlobSource, BuiltImage
from shipit.image.native import COPY_FLAGS, NativeBuilder
from shipit.image.options import BuildOptions
from shipit.image.store import ContentStore


def build_image(
    name: str, options: BuildOptions, store: ContentStore, source: BlobSource, engine: Engine, emit: Emit
) -> BuiltImage:
    """Build one image with the builder that `options.builder` names, or that `auto` chooses.

    Raises: BuildError at the Dockerfile's line, or where nothing here can build it.
    """
    dockerfile = read_dockerfile(options.dockerfile, options.context)
    needs_engine = first_not_native(dockerfile)
    if options.builder == "engine" or (options.builder == "auto" and needs_engine):
        if engine.answers():
            return engine.build(name, options, store, emit)
        if needs_engine is None:
            raise BuildError("no Docker engine answers", where=engine.host, hint="start it, or leave builder: auto")
        raise BuildError(
            f"{needs_engine.keyword} needs an engine, and none answers at {engine.host}",
            where=dockerfile.where(needs_engine),
            hint="start Docker, or set DOCKER_HOST to an engine that runs; shipit builds without one only what has no RUN",
        )
    return NativeBuilder(name, dockerfile, options, store, source).build()


def read_dockerfile(path: Path, context: Path) -> Dockerfile:
    """The Dockerfile at a path; its name in messages is relative to the context.

    Raises: BuildError when it is missing or does not parse.
    """
    shown = str(path.relative_to(context)) if path.is_relative_to(context) else str(path)
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise BuildError(
            "there is no Dockerfile", where=str(path), hint="write one, or name it with build: dockerfile:"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"the Dockerfile can't be read: {error}", where=str(path)) from None
    return parse_dockerfile(text, shown)


def first_not_native(dockerfile: Dockerfile) -> Instruction | None:
    """The first instruction that the native builder can't do; None when it can do all."""
    for instruction in dockerfile.instructions:
        if instruction.keyword == "RUN":
            return instruction
        if instruction.keyword in ("COPY", "ADD"):
            foreign = {name for name, _ in instruction.flags} - COPY_FLAGS
            remote = instruction.keyword == "ADD" and any(
                word.startswith(("http://", "https://", "git@")) for word in instruction.text.split()
            )
            if foreign or remote:
                return instruction
    return None
