"""Choosing who builds, and why: the native builder where it can, an engine where it must."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from shipit.errors import BuildError
from shipit.events import Emit, Warned
from shipit.image.choice import TITLES, Choice, choose_builder, instead_of_buildkit
from shipit.image.dockerfile import Dockerfile, parse_dockerfile
from shipit.image.engine.bases import Logins, bring_bases, known_layers
from shipit.image.engine.builders import ContextRefused, build_by_buildx, build_by_request
from shipit.image.engine.client import Engine
from shipit.image.engine.export import export_image
from shipit.image.image import BlobSource, BuiltImage, Layer
from shipit.image.native import NativeBuilder
from shipit.image.options import BuildOptions
from shipit.image.store import ContentStore


@dataclass(frozen=True)
class BuildTools:
    """What builds work with. `logins` gives user, password and identity token for an engine that has to pull a base."""

    store: ContentStore
    source: BlobSource
    engine: Engine
    emit: Emit
    logins: Logins = lambda ref: None


def build_image(
    name: str, options: BuildOptions, tools: BuildTools, ready: Callable[[Layer], None] = lambda layer: None
) -> BuiltImage:
    """Build one image with the builder that `options.builder` names, or that `auto` chooses.

    `ready` is told each layer that was not in the store before, as soon as it is.
    Raises: BuildError at the Dockerfile's line, or where nothing here can build it.
    """
    dockerfile = read_dockerfile(options.dockerfile, options.context)
    choice = choose_builder(dockerfile, options, tools.engine)
    if choice.way == "native":
        builder = NativeBuilder(name, dockerfile, options, tools.store, tools.source, ready)
        return replace(builder.build(), builder=str(choice))
    return _built_by_engine(name, choice, dockerfile, options, tools)


def _built_by_engine(
    name: str, choice: Choice, dockerfile: Dockerfile, options: BuildOptions, tools: BuildTools
) -> BuiltImage:
    engine, store, source = tools.engine, tools.store, tools.source
    bases = bring_bases(dockerfile, options, source, engine, tools.logins)
    memo = sha256(engine.title.encode()).hexdigest()
    if choice.way == "buildkit" and store.recall("no-buildkit", memo):
        choice = instead_of_buildkit(engine)
    try:
        image = _built(choice, engine, name, dockerfile, options, tools.emit)
    except ContextRefused:
        store.note("no-buildkit", memo, True)
        choice = instead_of_buildkit(engine)
        tools.emit(Warned("", f"{engine.title} takes no build over HTTP; {TITLES[choice.way]} builds instead"))
        image = _built(choice, engine, name, dockerfile, options, tools.emit)
    built = export_image(engine, name, image, options.platform, store, known_layers(bases, source, options, engine))
    _check_platform(built, dockerfile)
    return replace(built, builder=str(choice))


def _built(choice: Choice, engine: Engine, name: str, dockerfile: Dockerfile, options: BuildOptions, emit: Emit) -> str:
    """Build in the engine, under one name per image and project: without it the engine would forget its cache."""
    key = sha256(f"{options.context}\n{options.dockerfile}".encode()).hexdigest()[:8]
    tag = f"shipit-build:{name}-{options.platform.replace('/', '-')}-{key}"
    if choice.way == "buildx":
        return build_by_buildx(engine, name, tag, dockerfile, options, emit)
    return build_by_request(engine, name, tag, dockerfile, options, emit, buildkit=choice.way == "buildkit")


def _check_platform(built: BuiltImage, dockerfile: Dockerfile) -> None:
    """That the engine built for the platform asked for: it may have had the base for another."""
    config = json.loads(built.config)
    own = f"{config.get('os', 'linux')}/{config.get('architecture', '')}"
    if built.platform.startswith(own):
        return
    first = [i for i in dockerfile.instructions if i.keyword == "FROM"][-1:]
    raise BuildError(
        f"the base is for {own}, not for {built.platform}",
        where=dockerfile.where(first[0]) if first else dockerfile.name,
        hint=f"docker pull --platform {built.platform} it, or set build: platforms:",
    )


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
