"""Who builds an image, and why. Pure, but that an engine is asked where it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from shipit.errors import BuildError
from shipit.image.copying import COPY_FLAGS
from shipit.image.dockerfile import Dockerfile, Instruction
from shipit.image.options import BuildOptions

if TYPE_CHECKING:
    # Most images need no engine, and what talks to one takes its time to import.
    from shipit.image.engine.client import Engine

INSTALL_BUILDX = "install the buildx plugin: https://docs.docker.com/go/buildx"
START_ENGINE = "start Docker, or set DOCKER_HOST to an engine that runs; shipit builds without one only what has no RUN"

Way = Literal["native", "buildkit", "buildx", "classic"]
TITLES: dict[Way, str] = {
    "native": "native",
    "buildkit": "the engine's BuildKit",
    "buildx": "docker buildx",
    "classic": "the engine's classic builder",
}


class Choice(NamedTuple):
    """Who builds, and why; together what the plan says of it."""

    way: Way
    reason: str

    def __str__(self) -> str:
        return f"{TITLES[self.way]}: {self.reason}" if self.reason else TITLES[self.way]


def choose_builder(dockerfile: Dockerfile, options: BuildOptions, find_engine: Callable[[], Engine]) -> Choice:
    """Who builds. An engine is looked for and asked only where it is needed.

    Raises: BuildError at the line that nothing here can build.
    """
    foreign, session = first_not_native(dockerfile), _first_with_session(dockerfile)
    if options.builder == "native" or (options.builder == "auto" and foreign is None):
        return Choice("native", "no RUN" if options.builder == "auto" else "builder: native")
    need = session or foreign
    where = dockerfile.where(need) if need else dockerfile.name
    reason = f"{need.keyword} at {where}" if need and options.builder == "auto" else f"builder: {options.builder}"
    engine = find_engine()
    if not engine.answers():
        whose = f"{need.keyword} needs an engine, and none" if need else "no Docker engine"
        what = f"{whose} answers at {engine.address}: {engine.silence}"
        raise BuildError(what, where=where, hint=START_ENGINE)
    if session and options.builder == "engine":
        hint = "write builder: auto, or builder: buildx"
        raise BuildError("a mount of secrets or ssh needs docker buildx", where=where, hint=hint)
    if options.cache and options.builder == "engine":
        raise BuildError("cache: registry needs docker buildx", where=where, hint="write builder: auto")
    if session or options.cache or options.builder == "buildx":
        if engine.buildx is None:
            asked = "a mount of secrets or ssh" if session else "cache: registry" if options.cache else reason
            raise BuildError(f"{asked} needs docker buildx, which is not installed", where=where, hint=INSTALL_BUILDX)
        if options.builder == "auto":
            reason = f"mounts at {where}" if session else f"{reason}, cache: registry"
        return Choice("buildx", reason)
    if not engine.has_buildkit:
        return instead_of_buildkit(engine) if options.builder == "auto" else Choice("classic", reason)
    from shipit.image.engine.context import is_hidden

    hidden = is_hidden(options)
    if options.builder == "auto" and engine.buildx and (hidden or dockerfile.syntax):
        why = "its Dockerfile is not in its context" if hidden else f"# syntax={dockerfile.syntax}"
        return Choice("buildx", f"{reason}, {why}")
    if hidden and not _first_of_buildkit(dockerfile):
        return Choice("classic", f"{reason}, its Dockerfile is not in its context")
    return Choice("buildkit", reason)


def instead_of_buildkit(engine: Engine) -> Choice:
    """Where the engine's BuildKit can't be used over HTTP."""
    reason = f"{engine.title} has no BuildKit over HTTP"
    return Choice("buildx" if engine.buildx else "classic", reason)


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


def _first_with_session(dockerfile: Dockerfile) -> Instruction | None:
    """The first RUN that mounts a secret or the ssh agent."""
    for instruction in dockerfile.instructions:
        mounts = [value for name, value in instruction.flags if instruction.keyword == "RUN" and name == "mount"]
        if any(part in ("type=secret", "type=ssh") for mount in mounts for part in mount.split(",")):
            return instruction
    return None


def _first_of_buildkit(dockerfile: Dockerfile) -> Instruction | None:
    """The first instruction in a form that the classic builder does not know."""
    for instruction in dockerfile.instructions:
        flags = {name for name, _ in instruction.flags}
        known = {"from", "chown"} if instruction.keyword in ("COPY", "ADD") else set()
        if instruction.heredocs or (instruction.keyword in ("RUN", "COPY", "ADD") and flags - known):
            return instruction
    return None
