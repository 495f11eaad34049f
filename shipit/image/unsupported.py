"""Finds what in a Dockerfile the native builder or the classic builder does not support. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from shipit.errors import BuildError
from shipit.image.dockerfile.parse import Dockerfile, Instruction
from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.dockerfile.split_stages import split_stages
from shipit.image.dockerfile.stages import needed_stages
from shipit.image.dockerfile.syntax import find_problem
from shipit.image.native.copy_instruction import NATIVE_FLAGS, is_remote
from shipit.image.options import BuildOptions

# Frontends whose language the native builder implements.
OWN_SYNTAX = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?")


class Unsupported(NamedTuple):
    """Something that the native builder does not support, at `where`. `problem` is its error when no engine exists."""

    what: str
    where: str
    problem: BuildError | None = None


def first_unsupported(dockerfile: Dockerfile, options: BuildOptions) -> Unsupported | None:
    """The first thing in the needed stages that the native builder does not support; None when it supports all."""
    if dockerfile.syntax and not OWN_SYNTAX.fullmatch(dockerfile.syntax):
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
        unsupported = next((f"{keyword} --{name}" for name in instruction.flag_names if name not in NATIVE_FLAGS), "")
        if not unsupported and keyword == "ADD" and any(is_remote(word) for word in instruction.text.split()):
            return "ADD from the network"
        return unsupported
    return keyword if keyword == "RUN" else ""


def first_session_mount(dockerfile: Dockerfile, options: BuildOptions) -> Instruction | None:
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


def first_buildkit_only(dockerfile: Dockerfile) -> Instruction | None:
    """The first instruction in a form that the classic builder does not support."""
    for instruction in dockerfile.instructions:
        known = {"from", "chown"} if instruction.keyword in ("COPY", "ADD") else set()
        if instruction.heredocs or (
            instruction.keyword in ("RUN", "COPY", "ADD") and set(instruction.flag_names) - known
        ):
            return instruction
    return None
