"""Chooses the builder of an image. Asks the engine only when one is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

from shipit.errors import BuildError
from shipit.image.context.dockerfile_path import is_outside_context
from shipit.image.dockerfile.parse import Dockerfile, Instruction
from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.dockerfile.stages import needed_stages, split_stages
from shipit.image.dockerfile.syntax import find_problem
from shipit.image.native.copy_instruction import NATIVE_FLAGS, is_remote
from shipit.image.options import BuildOptions

if TYPE_CHECKING:
    # Most images need no engine, and its client is slow to import.
    from shipit.docker.client import Engine

INSTALL_BUILDX = "install the buildx plugin: https://docs.docker.com/go/buildx"
START_ENGINE = "start Docker, or set DOCKER_HOST to an engine that runs; shipit builds without one only what has no RUN"
# Frontends whose language the native builder implements.
_OWN_SYNTAX = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?")

Way = Literal["native", "buildkit", "buildx", "classic"]
TITLES: dict[Way, str] = {
    "native": "native",
    "buildkit": "the engine's BuildKit",
    "buildx": "docker buildx",
    "classic": "the engine's classic builder",
}


class Choice(NamedTuple):
    """The builder and the reason for it; the plan shows both."""

    way: Way
    reason: str

    def __str__(self) -> str:
        return f"{TITLES[self.way]}: {self.reason}" if self.reason else TITLES[self.way]


class Unsupported(NamedTuple):
    """Something that the native builder does not support, at `where`. `problem` is its error when no engine exists."""

    what: str
    where: str
    problem: BuildError | None = None


def choose_builder(dockerfile: Dockerfile, options: BuildOptions, find_engine: Callable[[], Engine]) -> Choice:
    """Choose the builder. The engine is contacted only when it is needed.

    Raises: BuildError at the line that no available builder can build.
    """
    if options.builder == "native":
        return Choice("native", "builder: native")
    need, session = first_unsupported(dockerfile, options), _first_session_mount(dockerfile, options)
    if options.builder == "auto" and need is None:
        return Choice("native", "no RUN")
    session_where = dockerfile.where(session) if session else ""
    where = session_where or (need.where if need else dockerfile.name)
    reason = f"builder: {options.builder}"
    if options.builder == "auto" and need:
        reason = f"{need.what} at {need.where}"
    engine = find_engine()
    if not engine.is_reachable():
        if need and need.problem:
            raise need.problem
        whose = f"{need.what} needs an engine, and none" if need else "no Docker engine"
        what = f"{whose} answers at {engine.address}: {engine.unreachable_reason}"
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
    if options.builder == "auto" and engine.buildx and (chosen := engine.chosen_builder):
        return Choice("buildx", f"{reason}, its builder {chosen}")
    if not engine.has_buildkit:
        return instead_of_buildkit(engine) if options.builder == "auto" else Choice("classic", reason)
    return _choose_for_engine(dockerfile, options, engine, reason)


def _choose_for_engine(dockerfile: Dockerfile, options: BuildOptions, engine: Engine, reason: str) -> Choice:
    """The choice for an engine with BuildKit, unless Dockerfile or context need another way."""
    hidden = is_outside_context(options)
    if options.builder == "auto" and engine.buildx and (hidden or dockerfile.syntax):
        why = "its Dockerfile is not in its context" if hidden else f"# syntax={dockerfile.syntax}"
        return Choice("buildx", f"{reason}, {why}")
    if hidden and not _first_buildkit_only(dockerfile):
        return Choice("classic", f"{reason}, its Dockerfile is not in its context")
    return Choice("buildkit", reason)


def instead_of_buildkit(engine: Engine) -> Choice:
    """The choice when the engine's BuildKit cannot be used over HTTP."""
    reason = f"{engine.title} has no BuildKit over HTTP"
    return Choice("buildx" if engine.buildx else "classic", reason)


def first_unsupported(dockerfile: Dockerfile, options: BuildOptions) -> Unsupported | None:
    """The first thing in the needed stages that the native builder does not support; None when it supports all."""
    if dockerfile.syntax and not _OWN_SYNTAX.fullmatch(dockerfile.syntax):
        return Unsupported(f"# syntax={dockerfile.syntax}", dockerfile.name)
    problem = find_problem(dockerfile)
    if problem is not None:
        return Unsupported(problem.what, problem.where, problem)
    try:
        for instruction in _needed_instructions(dockerfile, options):
            if what := _unsupported_part(instruction):
                return Unsupported(what, dockerfile.where(instruction))
    except BuildError as error:
        return Unsupported(error.what, error.where, error)
    return None


def _needed_instructions(dockerfile: Dockerfile, options: BuildOptions) -> list[Instruction]:
    """The instructions of the target stage and the stages that it needs. Raises: BuildError."""
    stages = split_stages(dockerfile, options, Lexer(dockerfile.escape))
    needed = needed_stages(stages, stages.target_number(options.stage))
    return [instruction for block in needed for instruction in block.body]


def _unsupported_part(instruction: Instruction) -> str:
    """The part of an instruction that the native builder does not support; empty when it supports all."""
    keyword = instruction.keyword
    if keyword in ("COPY", "ADD"):
        names = [flag.removeprefix("--").partition("=")[0] for flag in instruction.flags]
        unsupported = next((f"{keyword} --{name}" for name in names if name not in NATIVE_FLAGS), "")
        if not unsupported and keyword == "ADD" and any(is_remote(word) for word in instruction.text.split()):
            return "ADD from the network"
        return unsupported
    return keyword if keyword == "RUN" else ""


def _first_session_mount(dockerfile: Dockerfile, options: BuildOptions) -> Instruction | None:
    """The first RUN that mounts a secret or the ssh agent."""
    try:
        instructions: Iterable[Instruction] = _needed_instructions(dockerfile, options)
    except BuildError:
        instructions = dockerfile.instructions
    for instruction in instructions:
        mounts = instruction.flag_values("mount") if instruction.keyword == "RUN" else []
        if any(part in ("type=secret", "type=ssh") for mount in mounts for part in mount.split(",")):
            return instruction
    return None


def _first_buildkit_only(dockerfile: Dockerfile) -> Instruction | None:
    """The first instruction in a form that the classic builder does not support."""
    for instruction in dockerfile.instructions:
        flags = {flag.removeprefix("--").partition("=")[0] for flag in instruction.flags}
        known = {"from", "chown"} if instruction.keyword in ("COPY", "ADD") else set()
        if instruction.heredocs or (instruction.keyword in ("RUN", "COPY", "ADD") and flags - known):
            return instruction
    return None
