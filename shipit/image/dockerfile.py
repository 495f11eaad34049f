"""A Dockerfile's text to instructions that know their lines. Pure.

Source: Dockerfile reference (docs.docker.com/reference/dockerfile), "Format", "Parser directives", "Here-documents".
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from shipit.errors import BuildError

INSTRUCTIONS = frozenset(
    [
        "FROM",
        "ARG",
        "ENV",
        "LABEL",
        "MAINTAINER",
        "WORKDIR",
        "COPY",
        "ADD",
        "USER",
        "EXPOSE",
        "VOLUME",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "SHELL",
        "ENTRYPOINT",
        "CMD",
        "RUN",
        "ONBUILD",
    ]
)
_HEREDOC = re.compile(r"(?<!\S)<<(-?)(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2")
_FLAG = re.compile(r"--([a-z-]+)(?:=(.*))?")
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.*?)\s*")


class Heredoc(NamedTuple):
    name: str
    text: str
    expand: bool


class Instruction(NamedTuple):
    """One instruction: keyword in capitals, flags, the rest as text, the first line, and its here-documents."""

    keyword: str
    text: str
    line: int
    flags: tuple[tuple[str, str], ...] = ()
    heredocs: tuple[Heredoc, ...] = ()

    def flag(self, name: str) -> str | None:
        return next((value for key, value in self.flags if key == name), None)

    @property
    def json_words(self) -> tuple[str, ...] | None:
        """The words of the exec form, or None where the text is the shell form. What follows the array is passed over.

        Raises: ValueError for an array that holds anything but strings.
        """
        if not self.text.startswith("["):
            return None
        try:
            words, _ = json.JSONDecoder().raw_decode(self.text)
        except (ValueError, RecursionError):
            return None
        if not all(isinstance(word, str) for word in words):
            raise ValueError(f"{self.keyword} in the exec form should hold strings only, found {self.text}")
        return tuple(words)


class Dockerfile(NamedTuple):
    name: str
    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    syntax: str = ""

    def where(self, instruction: Instruction) -> str:
        return f"{self.name}:{instruction.line}"


def parse_dockerfile(text: str, name: str = "Dockerfile") -> Dockerfile:
    """Parse a Dockerfile.

    Raises: BuildError at the line of an instruction that is unknown, empty or not closed.
    """
    lines = text.removeprefix("\ufeff").split("\n")
    escape, syntax, index = _directives(lines, name)
    instructions: list[Instruction] = []
    while index < len(lines):
        stripped = lines[index].strip()
        if not stripped or stripped.startswith("#"):
            index += 1
            continue
        first = index
        logical, index = _logical_line(lines, index, escape)
        if not logical:
            # A lone escape continues nothing.
            continue
        instruction, index = _instruction(logical, lines, first, index, name)
        instructions.append(instruction)
    if not instructions:
        raise BuildError("has no instructions", where=name, hint="it should begin with FROM")
    return Dockerfile(name, tuple(instructions), escape, syntax)


def _directives(lines: list[str], name: str) -> tuple[str, str, int]:
    escape, syntax, index = "\\", "", 0
    for line in lines:
        match = _DIRECTIVE.fullmatch(line.strip())
        if not match or match[1].lower() not in ("syntax", "escape", "check"):
            break
        if match[1].lower() == "escape":
            if match[2] not in ("\\", "`"):
                raise BuildError(f"the escape should be \\ or `, found {match[2]}", where=f"{name}:{index + 1}")
            escape = match[2]
        if match[1].lower() == "syntax":
            syntax = match[2]
        index += 1
    return escape, syntax, index


def _logical_line(lines: list[str], index: int, escape: str) -> tuple[str, int]:
    """Join continued lines; comments and empty lines between them are dropped, as docker does."""
    parts: list[str] = []
    continuing = True
    while index < len(lines) and continuing:
        line = lines[index]
        index += 1
        if parts and (not line.strip() or line.lstrip().startswith("#")):
            continue
        body = line.rstrip()
        continuing = body.endswith(escape) and not body.endswith(2 * escape)
        parts.append(body[: -len(escape)] if continuing else line.rstrip("\r"))
    return "".join(parts).strip(), index


def _instruction(logical: str, lines: list[str], first: int, index: int, name: str) -> tuple[Instruction, int]:
    keyword, *others = logical.split(None, 1)
    keyword, rest = keyword.upper(), "".join(others)
    where = f"{name}:{first + 1}"
    if keyword not in INSTRUCTIONS:
        raise BuildError(
            f"{logical.split()[0]!r} is not an instruction", where=where, hint="a continued line above may lack its \\"
        )
    flags, rest = _flags(rest.strip())
    if not rest and keyword not in ("CMD", "ENTRYPOINT"):
        raise BuildError(f"{keyword} needs an argument", where=where)
    heredocs: list[Heredoc] = []
    if keyword in ("RUN", "COPY", "ADD"):
        for match in _HEREDOC.finditer(rest):
            body, index = _heredoc_body(lines, index, match[3], strip_tabs=bool(match[1]), where=where)
            heredocs.append(Heredoc(match[3], body, not match[2]))
    return Instruction(keyword, rest, first + 1, flags, tuple(heredocs)), index


def _heredoc_body(lines: list[str], index: int, end: str, *, strip_tabs: bool, where: str) -> tuple[str, int]:
    body: list[str] = []
    while index < len(lines):
        line = lines[index].lstrip("\t") if strip_tabs else lines[index]
        index += 1
        if line.rstrip("\r") == end:
            return "".join(f"{text}\n" for text in body), index
        body.append(line)
    raise BuildError(f"the here-document <<{end} is never closed", where=where, hint=f"end it with a line {end}")


def _flags(text: str) -> tuple[tuple[tuple[str, str], ...], str]:
    flags: list[tuple[str, str]] = []
    while match := re.match(r"(--[a-z-]+(?:=\S*)?)(?:\s+|$)", text):
        flag = _FLAG.fullmatch(match[1])
        if not flag:
            break
        flags.append((flag[1], "true" if flag[2] is None else flag[2]))
        text = text[match.end() :]
    return tuple(flags), text
