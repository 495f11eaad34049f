"""The bases of a build by an engine: pulled into it when necessary, and their layers as the registry has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from shipit.digest import Digest
from shipit.docker.client import Engine
from shipit.docker.engine_image import EngineImage
from shipit.errors import BuildError, RemoteError, ShipitError
from shipit.image.build_tools import Logins
from shipit.image.dockerfile.parse import Dockerfile
from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.dockerfile.split_stages import split_stages
from shipit.image.dockerfile.stages import needed_stages
from shipit.image.image import BlobSource, Layer
from shipit.image.options import BuildOptions
from shipit.platforms import parse_platform
from shipit.reference import ImageRef, parse_reference


class NeededBase(NamedTuple):
    """An image that a build needs: as written, parsed, its platform, and the first FROM that names it."""

    image: str
    ref: ImageRef
    platform: str
    where: str


def pull_bases(
    dockerfile: Dockerfile,
    options: BuildOptions,
    source: BlobSource,
    engine: Engine,
    logins: Logins,
) -> list[NeededBase]:
    """Make the engine pull the bases that it can't pull by itself: from a mirror, or with credentials.

    Raises: BuildError at the FROM line.
    """
    bases = base_images(dockerfile, replace(options, build_platform=engine.platform))
    for base in bases:
        found = engine.inspect(base.image)
        if found is not None and _fits(found, base.platform):
            continue
        try:
            _pull(base, found is not None, source, engine, logins)
        except ShipitError as error:
            hint = error.hint or "check its name and tag, and that it may be pulled"
            raise BuildError(f"the base {base.image}: {error.what}", where=base.where, hint=hint) from None
    return bases


def _fits(found: EngineImage, platform: str) -> bool:
    return found.platform in parse_platform(platform).runs


def _pull(base: NeededBase, is_other: bool, source: BlobSource, engine: Engine, logins: Logins) -> None:
    """Make the engine pull one base. `is_other`: it has the base for another platform."""
    ref = base.ref
    try:
        source.resolve(ref, base.platform)
    except RemoteError as error:
        # The engine may reach registries that this machine does not.
        if error.status == 404:
            raise
    asked = source.pulled_from(ref)
    login = logins(asked)
    if asked == ref and login is None and not is_other:
        return
    engine.pull(asked, base.platform, login)
    if asked != ref and not ref.digest:
        engine.tag(str(asked), ref.name, ref.tag or "latest")


def base_images(dockerfile: Dockerfile, options: BuildOptions) -> list[NeededBase]:
    """The images that the target stage and the stages it needs build on, each once; empty for an invalid Dockerfile.

    For those the engine pulls the bases by itself, since it may support more.
    """
    try:
        stages = split_stages(dockerfile, options, Lexer(dockerfile.escape))
        needed = needed_stages(stages, stages.target_number(options.stage))
    except BuildError:
        return []
    found: dict[tuple[str, str], NeededBase] = {}
    for block in needed:
        if block.base is None and block.image != "scratch":
            platform = block.platform or options.platform
            where = stages.where(block.head)
            found.setdefault(
                (block.image, platform), NeededBase(block.image, parse_reference(block.image), platform, where)
            )
    return list(found.values())


def final_base(dockerfile: Dockerfile, options: BuildOptions, bases: Iterable[NeededBase]) -> NeededBase | None:
    """The image whose layers are in the result, through all stages that the target builds on. None for scratch."""
    try:
        stages = split_stages(dockerfile, options, Lexer(dockerfile.escape))
        block = stages.blocks[stages.target_number(options.stage)]
    except BuildError:
        return None
    while block.base is not None:
        block = stages.blocks[block.base]
    named = (block.image, block.platform or options.platform)
    return next((base for base in bases if (base.image, base.platform) == named), None)


def registry_layers(base: NeededBase | None, source: BlobSource, engine: Engine) -> dict[Digest, Layer]:
    """diff_id -> layer of the base as its registry has it, so that it is mounted instead of compressed and uploaded."""
    if base is None:
        return {}
    found, pinned = engine.inspect(base.image), base.ref
    if found is not None and found.repo_digests:
        pinned = ImageRef(base.ref.registry, base.ref.repository, None, found.repo_digests[0])
    try:
        return {layer.diff_id: layer for layer in source.resolve(pinned, base.platform).layers}
    except ShipitError:
        return {}
