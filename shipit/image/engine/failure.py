"""Explains a failed build of an engine as an error at a line of the Dockerfile. Pure."""

from __future__ import annotations

import re

from shipit.errors import BuildError
from shipit.image.dockerfile.parse import Dockerfile, Instruction
from shipit.image.engine.progress import Progress, Vertex
from shipit.image.missing_source import MissingSource

_LAST_LINES = 15
_NUMBERED = re.compile(r"\[(?:\S+/\S+ )?(?:(\S+) +)?(\d{1,9})/(\d{1,9})\] (.*)", re.DOTALL)
_CLASSIC = re.compile(r"Step (\d{1,9})/\d+ : (.*)", re.DOTALL)
_EXIT = re.compile(r"exit code: (\d{1,9})(?!\d)|returned a non-zero code: (\d{1,9})(?!\d)")
_MISSING = re.compile(r'"/?([^"]*)":? not found')
_LINE = re.compile(r"(?:on )?line (\d{1,9})(?!\d)")
# Instructions that BuildKit counts as steps; WORKDIR is one.
_STEPS = ("ADD", "COPY", "RUN", "WORKDIR")


def explain_failure(progress: Progress, dockerfile: Dockerfile) -> BuildError:
    """The error for a failed build: what failed, its line, and the last output of the instruction."""
    vertex = progress.failed or _last_classic(progress)
    message = (vertex.error if vertex else "") or progress.error or "the engine ended without an image"
    instruction = find_instruction(vertex.name, dockerfile) if vertex else None
    lines = [line for line in (vertex.lines if vertex else []) if line.strip()][-_LAST_LINES:]
    if instruction and (match := _EXIT.search(message) or _EXIT.search(progress.error)):
        code = next(filter(None, match.groups()))
        hint = (
            "the lines above are the last it wrote"
            if lines
            else "it has no output; run it by hand in a container of its base"
        )
        what = f"{instruction.keyword} ended with {code}: {_first_line(instruction.text)}"
        return BuildError(what, where=dockerfile.where(instruction), detail=lines, hint=hint)
    if instruction and (missing := _MISSING.search(message)):
        return MissingSource(instruction.keyword, missing[1], where=dockerfile.where(instruction))
    instruction = instruction or _named_base(vertex.name if vertex else message, message, dockerfile)
    where = dockerfile.where(instruction) if instruction else dockerfile.name
    if not instruction and (line := _LINE.search(message)):
        where = f"{dockerfile.name}:{line[1]}"
    return BuildError(
        message.strip(), where=where, detail=lines, hint="fix this line of the Dockerfile, and run it again"
    )


def find_instruction(name: str, dockerfile: Dockerfile) -> Instruction | None:
    """The instruction of a vertex, by the name that the builder gave it.

    Counted from the end of the stage, because ONBUILD instructions of a base are counted at its start.
    """
    if match := _CLASSIC.fullmatch(name):
        index = int(match[1]) - 1
        return dockerfile.instructions[index] if index < len(dockerfile.instructions) else None
    match = _NUMBERED.fullmatch(name)
    if not match:
        return None
    keyword = match[4].split(" ", 1)[0].upper()
    if keyword == "FROM":
        return next((i for i in dockerfile.instructions if i.keyword == "FROM" and match[4][5:] in i.text), None)
    steps = [step for step in _stage(dockerfile, match[1]) if step.keyword in _STEPS]
    index = len(steps) - 1 - (int(match[3]) - int(match[2]))
    if 0 <= index < len(steps) and steps[index].keyword == keyword:
        return steps[index]
    return None


def _stage(dockerfile: Dockerfile, name: str | None) -> list[Instruction]:
    """The instructions of the stage with that name, or of stage N for `stage-N`; without a name, of the last stage."""
    stages: list[list[Instruction]] = []
    for instruction in dockerfile.instructions:
        if instruction.keyword == "FROM":
            stages.append([instruction])
        elif stages:
            stages[-1].append(instruction)
    if not stages:
        return []
    for stage in stages:
        words = stage[0].text.split()
        if name and len(words) == 3 and words[2].lower() == name.lower():
            return stage
    if name and (match := re.fullmatch(r"stage-(\d{1,9})", name)) and int(match[1]) < len(stages):
        return stages[int(match[1])]
    return stages[-1]


def _last_classic(progress: Progress) -> Vertex | None:
    """The last step of the classic builder, which names no failed step."""
    last = next(reversed(progress.vertices.values()), None)
    return last if last and _CLASSIC.fullmatch(last.name) else None


def _named_base(name: str, message: str, dockerfile: Dockerfile) -> Instruction | None:
    for instruction in dockerfile.instructions:
        words = instruction.text.split()
        if instruction.keyword == "FROM" and words and (words[0] in name or words[0] in message):
            return instruction
    return None


def _first_line(text: str) -> str:
    first, _, rest = text.partition("\n")
    return f"{first} ..." if rest else first
