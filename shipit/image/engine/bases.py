"""The bases of a build that an engine does: brought to it where it can't get them, and known to us by their layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shipit.digest import Digest, parse_digest
from shipit.errors import BuildError, RemoteError, ShipitError
from shipit.image.dockerfile import Dockerfile, Instruction
from shipit.image.engine.client import Engine
from shipit.image.expand import expand
from shipit.image.image import BlobSource, Layer
from shipit.image.options import BuildOptions
from shipit.image.stages import split_stages, stage_index, stage_names
from shipit.reference import ImageRef, parse_reference

# User, password and identity token for the registry of a reference, or None.
Logins = Callable[[ImageRef], tuple[str, str, str] | None]


def bring_bases(
    dockerfile: Dockerfile,
    options: BuildOptions,
    source: BlobSource,
    engine: Engine,
    logins: Logins,
) -> dict[str, ImageRef]:
    """Let the engine have the bases that it can't get by itself: from a mirror, or with a login. Base -> reference.

    Raises: BuildError at the FROM line.
    """
    bases: dict[str, ImageRef] = {}
    for instruction, image in base_images(dockerfile, options):
        ref = parse_reference(image)
        bases[image] = ref
        found = engine.inspect(image)
        if found is not None and _fits(found, options.platform):
            continue
        try:
            _bring(ref, found is not None, options, source, engine, logins)
        except ShipitError as error:
            hint = error.hint or "check its name and tag, and that it may be pulled"
            what, where = f"the base {image}: {error.what}", dockerfile.where(instruction)
            raise BuildError(what, where=where, hint=hint) from None
    return bases


def _fits(found: Mapping[str, Any], platform: str) -> bool:
    return platform.startswith(f"{found.get('Os', 'linux')}/{found.get('Architecture', '')}")


def _bring(
    ref: ImageRef, is_other: bool, options: BuildOptions, source: BlobSource, engine: Engine, logins: Logins
) -> None:
    """Bring one base. `is_other` is whether the engine has it for another platform."""
    try:
        source.resolve(ref, options.platform)
    except RemoteError as error:
        # A registry that only the engine reaches is the engine's to ask.
        if error.status == 404:
            raise
    asked = source.pulled_from(ref)
    login = logins(asked)
    if asked == ref and login is None and not is_other:
        return
    engine.pull(asked, options.platform, login)
    if asked != ref and not ref.digest:
        engine.tag(str(asked), ref.name, ref.tag or "latest")


def base_images(dockerfile: Dockerfile, options: BuildOptions) -> Iterator[tuple[Instruction, str]]:
    """The images that FROM lines name, expanded, each once; stages and scratch are none."""
    blocks, variables = split_stages(dockerfile, options)
    names, seen = set(stage_names(blocks)), set()
    for block in blocks:
        words = _expanded(block[0], variables, dockerfile).split()
        if words and words[0].lower() not in names and words[0] != "scratch" and words[0] not in seen:
            seen.add(words[0])
            yield block[0], words[0]


def final_base(dockerfile: Dockerfile, options: BuildOptions) -> str | None:
    """The image that the wanted stage goes back to: only its layers are part of what is built. None for scratch."""
    blocks, variables = split_stages(dockerfile, options)
    index = len(blocks) - 1
    if options.stage is not None:
        index = stage_index(blocks, options.stage, len(blocks))
    while index >= 0:
        image = (_expanded(blocks[index][0], variables, dockerfile).split() or ["scratch"])[0]
        if (index := stage_index(blocks, image, index)) < 0:
            return None if image == "scratch" else image
    return None


def known_layers(
    base: str | None, ref: ImageRef | None, source: BlobSource, options: BuildOptions, engine: Engine
) -> dict[Digest, Layer]:
    """Layers of the base as its registry has them, so that they can be mounted instead of compressed and sent."""
    if base is None or ref is None:
        return {}
    found = engine.inspect(base) or {}
    named = [parse_digest(str(name).rpartition("@")[2]) for name in found.get("RepoDigests") or []]
    digests = [digest for digest in named if digest]
    try:
        pinned = ImageRef(ref.registry, ref.repository, None, digests[0]) if digests else ref
        return {layer.diff_id: layer for layer in source.resolve(pinned, options.platform).layers}
    except ShipitError:
        return {}


def _expanded(instruction: Instruction, variables: Mapping[str, str], dockerfile: Dockerfile) -> str:
    try:
        return expand(instruction.text, variables, dockerfile.escape)
    except ValueError as error:
        raise BuildError(str(error), where=dockerfile.where(instruction)) from None
