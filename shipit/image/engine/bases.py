"""The bases of a build that an engine does: brought to it where it can't get them, and known to us by their layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from shipit.digest import Digest
from shipit.docker.client import Engine, EngineImage
from shipit.errors import BuildError, RemoteError, ShipitError
from shipit.image.build_tools import Logins
from shipit.image.dockerfile.parse import Dockerfile
from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.dockerfile.stages import needed_stages, split_stages
from shipit.image.image import BlobSource, Layer
from shipit.image.options import BuildOptions
from shipit.platforms import parse_platform
from shipit.reference import ImageRef, parse_reference


class Base(NamedTuple):
    """An image that a build needs, as it is written, for a platform, and the FROM that names it first."""

    image: str
    ref: ImageRef
    platform: str
    where: str


def bring_bases(
    dockerfile: Dockerfile,
    options: BuildOptions,
    source: BlobSource,
    engine: Engine,
    logins: Logins,
) -> list[Base]:
    """Let the engine have the bases that it can't get by itself: from a mirror, or with a login.

    Raises: BuildError at the FROM line.
    """
    bases = base_images(dockerfile, replace(options, build_platform=engine.platform))
    for base in bases:
        found = engine.inspect(base.image)
        if found is not None and _fits(found, base.platform):
            continue
        try:
            _bring(base, found is not None, source, engine, logins)
        except ShipitError as error:
            hint = error.hint or "check its name and tag, and that it may be pulled"
            raise BuildError(f"the base {base.image}: {error.what}", where=base.where, hint=hint) from None
    return bases


def _fits(found: EngineImage, platform: str) -> bool:
    return found.platform in parse_platform(platform).runs


def _bring(base: Base, is_other: bool, source: BlobSource, engine: Engine, logins: Logins) -> None:
    """Bring one base. `is_other` is whether the engine has it for another platform."""
    ref = base.ref
    try:
        source.resolve(ref, base.platform)
    except RemoteError as error:
        # A registry that only the engine reaches is the engine's to ask.
        if error.status == 404:
            raise
    asked = source.pulled_from(ref)
    login = logins(asked)
    if asked == ref and login is None and not is_other:
        return
    engine.pull(asked, base.platform, login)
    if asked != ref and not ref.digest:
        engine.tag(str(asked), ref.name, ref.tag or "latest")


def base_images(dockerfile: Dockerfile, options: BuildOptions) -> list[Base]:
    """The images that the wanted stage and those it needs are built on, each once; none where we can't tell.

    Then the engine, which may know more, gets them by itself.
    """
    try:
        stages = split_stages(dockerfile, options, Lexer(dockerfile.escape))
        needed = needed_stages(stages, stages.target_number(options.stage))
    except BuildError:
        return []
    found: dict[tuple[str, str], Base] = {}
    for block in needed:
        if block.base is None and block.image != "scratch":
            platform = block.platform or options.platform
            where = stages.where(block.head)
            found.setdefault((block.image, platform), Base(block.image, parse_reference(block.image), platform, where))
    return list(found.values())


def final_base(dockerfile: Dockerfile, options: BuildOptions, bases: Iterable[Base]) -> Base | None:
    """The image that the wanted stage goes back to: only its layers are part of what is built. None for scratch."""
    try:
        stages = split_stages(dockerfile, options, Lexer(dockerfile.escape))
        block = stages.blocks[stages.target_number(options.stage)]
    except BuildError:
        return None
    while block.base is not None:
        block = stages.blocks[block.base]
    named = (block.image, block.platform or options.platform)
    return next((base for base in bases if (base.image, base.platform) == named), None)


def known_layers(base: Base | None, source: BlobSource, engine: Engine) -> dict[Digest, Layer]:
    """Layers of the base as its registry has them, so that they can be mounted instead of compressed and sent."""
    if base is None:
        return {}
    found, pinned = engine.inspect(base.image), base.ref
    if found is not None and found.repo_digests:
        pinned = ImageRef(base.ref.registry, base.ref.repository, None, found.repo_digests[0])
    try:
        return {layer.diff_id: layer for layer in source.resolve(pinned, base.platform).layers}
    except ShipitError:
        return {}
