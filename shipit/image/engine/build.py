"""Builds an image with an engine, from its bases to its layers in the store."""

from __future__ import annotations

from hashlib import sha256

from shipit.digest import Digest
from shipit.docker.client import Engine
from shipit.errors import BuildError
from shipit.events import Emit, Warned
from shipit.image.build_tools import BuildTools
from shipit.image.choice import TITLES, Choice, instead_of_buildkit
from shipit.image.config import parse_config
from shipit.image.dockerfile.parse import Dockerfile
from shipit.image.engine.bases import final_base, pull_bases, registry_layers
from shipit.image.engine.builders import ContextRefused, build_by_buildx, build_by_request
from shipit.image.engine.export import export_image
from shipit.image.image import BuiltImage
from shipit.image.options import BuildOptions
from shipit.platforms import normal_platform, parse_platform


def build_by_engine(
    name: str, choice: Choice, dockerfile: Dockerfile, options: BuildOptions, tools: BuildTools
) -> BuiltImage:
    """Build with an engine in the chosen way, and export the result into the store.

    Raises: BuildError at the Dockerfile's line.
    """
    engine, store, source = tools.engine(), tools.store, tools.source
    bases = pull_bases(dockerfile, options, source, engine, tools.logins)
    memo = Digest.of(engine.title.encode())
    if choice.way == "buildkit" and store.recall("no-buildkit", memo):
        choice = instead_of_buildkit(engine)
    if choice.way == "buildx" and options.times == "commit":
        tools.emit(Warned("", "docker buildx uses the file times on disk: times: commit has no effect"))
    try:
        image = _build_in_engine(choice, engine, name, dockerfile, options, tools.emit)
    except ContextRefused:
        store.note("no-buildkit", memo, True)
        choice = instead_of_buildkit(engine)
        tools.emit(Warned("", f"{engine.title} does not build over HTTP; {TITLES[choice.way]} is used instead"))
        image = _build_in_engine(choice, engine, name, dockerfile, options, tools.emit)
    built = export_image(
        engine,
        name,
        image,
        options.platform,
        store,
        registry_layers(final_base(dockerfile, options, bases), source, engine),
    )
    _check_platform(built, dockerfile)
    has_cache = choice.way == "buildx" and bool(options.cache)
    return built._replace(builder=str(choice), has_cache=has_cache, engine_name=image)


def _build_in_engine(
    choice: Choice, engine: Engine, name: str, dockerfile: Dockerfile, options: BuildOptions, emit: Emit
) -> str:
    """Build in the engine. The image's name is the same for each build, so that the engine keeps the build cache."""
    key = sha256(f"{options.context}\n{options.dockerfile}".encode()).hexdigest()[:8]
    tag = f"shipit-build:{name}-{options.platform.replace('/', '-')}-{key}"
    if choice.way == "buildx":
        return build_by_buildx(engine, name, tag, dockerfile, options, emit)
    return build_by_request(engine, name, tag, dockerfile, options, emit, buildkit=choice.way == "buildkit")


def _check_platform(built: BuiltImage, dockerfile: Dockerfile) -> None:
    """Check that the engine built for the requested platform: its copy of the base may be for another."""
    config = parse_config(built.config)
    own = normal_platform(config.os, config.architecture)
    if own.architecture in {platform.architecture for platform in parse_platform(built.platform).runs}:
        return
    first = [i for i in dockerfile.instructions if i.keyword == "FROM"][-1:]
    raise BuildError(
        f"the base is for {own}, not for {built.platform}",
        where=dockerfile.where(first[0]) if first else dockerfile.name,
        hint=f"docker pull --platform {built.platform} it, or set build: platforms:",
    )
