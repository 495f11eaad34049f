"""ONBUILD triggers: from an instruction to the text in an image's config, and back. Pure.

Source: github.com/moby/buildkit 0.34, frontend/dockerfile/instructions, `parseOnBuild`; dockerfile2llb, `initOnBuildTriggers`.
"""

from __future__ import annotations

import re

from shipit.errors import BuildError
from shipit.image.dockerfile.parse import Instruction, decode_utf8, parse_dockerfile
from shipit.image.dockerfile.syntax import first_invalid

_LEAD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE | re.ASCII)


def onbuild_trigger(instruction: Instruction) -> str:
    """The text that an ONBUILD instruction adds to an image's config."""
    expression = _LEAD.sub("", instruction.original, count=1)
    bodies = [f"\n{doc.text}{doc.name}" for doc in instruction.heredocs]
    # JSON cannot hold bytes that are not UTF-8.
    return decode_utf8("".join([expression, *bodies]).encode("utf-8", "surrogateescape"))


def parse_trigger(text: str, where: str, line: int) -> Instruction:
    """The instruction in a trigger's text. Its `line` is that of the FROM that runs it. Raises: BuildError."""
    parsed = parse_dockerfile(text.encode("utf-8", "replace"), where)
    if parsed.refusal is not None:
        raise BuildError(f"ONBUILD {text[:80]}: {parsed.refusal.what}", where=where)
    if len(parsed.instructions) != 1:
        raise BuildError(f"ONBUILD should hold one instruction, found {len(parsed.instructions)}", where=where)
    if wrong := first_invalid(parsed):
        raise BuildError(f"ONBUILD {text[:80]}: {wrong[1]}", where=where)
    instruction = parsed.instructions[0]
    if instruction.keyword in ("FROM", "MAINTAINER", "ONBUILD"):
        raise BuildError(f"ONBUILD should not hold {instruction.keyword}", where=where)
    return instruction._replace(line=line)
