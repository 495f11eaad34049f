"""Parses a Dockerfile into instructions with line numbers. Pure.

Unknown instructions are kept, because an engine may support more than the native builder, which checks with `syntax`.
Source: github.com/moby/buildkit 0.34, frontend/dockerfile/parser; Dockerfile reference, "Parser directives".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipit.errors import BuildError
from shipit.image.dockerfile.heredoc import Heredoc, heredocs_of
from shipit.image.patterns.go_space import SPACE

# BuildKit's limit of bytes in a line; and ours of instructions in a file, against generated files.
_LONGEST_LINE, _MOST_INSTRUCTIONS = 65_535, 50_000
_BLANKS = re.compile(r"[\t\v\f\r ]+")
# The spaces among the characters of Latin-1.
_BYTE_SPACE = "\t\n\v\f\r \x85\xa0"
_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*")
_DIRECTIVES = ("syntax", "escape", "check")


class Malformed(ValueError):
    """A syntax error, with a hint."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class Instruction(NamedTuple):
    """One instruction. `keyword` is in upper case, `text` is what follows the flags, `line` is its first line.

    `original` is the instruction as written, continued lines joined, without its here-documents.
    """

    keyword: str
    text: str
    line: int
    flags: tuple[str, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()
    original: str = ""

    @property
    def flag_names(self) -> list[str]:
        return [flag.removeprefix("--").partition("=")[0] for flag in self.flags]

    def flag(self, name: str) -> str | None:
        """The last value of a flag, empty when it has no value; None when the flag is missing."""
        values = self.flag_values(name)
        return values[-1] if values else None

    def flag_values(self, name: str) -> list[str]:
        parts = (flag.removeprefix("--").partition("=") for flag in self.flags)
        return [value for key, _, value in parts if key == name]


class Dockerfile(NamedTuple):
    """A parsed file. `refusal` is its syntax error, if any; `instructions` are those before the error."""

    name: str
    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    syntax: str = ""
    refusal: BuildError | None = None

    def where(self, instruction: Instruction) -> str:
        return f"{self.name}:{instruction.line}"


def decode_utf8(data: bytes) -> str:
    """Decode UTF-8; each invalid byte becomes U+FFFD, as in Go."""
    text = data.decode("utf-8", "surrogateescape")
    return text if text.isascii() else re.sub("[\udc80-\udcff]", "\ufffd", text)


def parse_dockerfile(data: bytes, name: str = "Dockerfile") -> Dockerfile:
    """Parse a Dockerfile; a syntax error becomes its `refusal`."""
    parser = _Parser(data, name)
    refusal = parser.parse()
    return Dockerfile(name, tuple(parser.instructions), parser.escape, parser.directives.get("syntax", ""), refusal)


def parse_instruction(line: str, number: int, escape: str) -> Instruction:
    """Parse an instruction whose continued lines are joined, without its here-documents."""
    keyword, *rest = _BLANKS.split(line.strip(SPACE), maxsplit=1)
    flags, text = _split_flags("".join(rest), escape)
    return Instruction(keyword.upper(), text.strip(SPACE), number, flags, original=line)


class _Parser:
    def __init__(self, data: bytes, name: str) -> None:
        self._lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        if not self._lines[-1]:
            self._lines.pop()
        self._name = name
        self._at = 0
        self._takes_directives = True
        self.directives: dict[str, str] = {}
        self.instructions: list[Instruction] = []

    @property
    def escape(self) -> str:
        return self.directives.get("escape", "\\")

    def parse(self) -> BuildError | None:
        """Parse all lines. Returns the syntax error, or None."""
        first = 0
        try:
            while self._at < len(self._lines):
                first = self._at
                line = self._logical_line()
                if line is not None:
                    self._add(line, first + 1)
        except Malformed as error:
            return BuildError(str(error), where=f"{self._name}:{first + 1}", hint=error.hint)
        if self.instructions:
            return None
        return BuildError("has no instructions", where=self._name, hint="it should begin with FROM")

    def _add(self, line: str, number: int) -> None:
        if len(self.instructions) == _MOST_INSTRUCTIONS:
            raise Malformed(f"should have at most {_MOST_INSTRUCTIONS:,} instructions")
        instruction = parse_instruction(line, number, self.escape)
        acting = instruction
        if instruction.keyword == "ONBUILD":
            acting = parse_instruction(instruction.text, number, self.escape)
        heredocs = heredocs_of(line, acting.keyword, acting.text)
        self.instructions.append(
            instruction._replace(heredocs=tuple(doc._replace(text=self._body(doc)) for doc in heredocs))
        )

    def _next(self) -> str:
        """The next line, without its line end. Raises: Malformed."""
        raw = self._lines[self._at]
        self._at += 1
        if len(raw) > _LONGEST_LINE:
            raise Malformed(f"a line should have at most {_LONGEST_LINE:,} bytes, found {len(raw):,}")
        if b"\0" in raw:
            raise Malformed("should be text, found a NUL byte")
        return decode_utf8(raw).rstrip("\r")

    def _logical_line(self) -> str | None:
        """The next line joined with its continuations, without comments and empty lines; None when it is empty."""
        first = self._next().lstrip(SPACE)
        self._take_directive(first)
        body, continues = self._continued("" if first.startswith("#") else first)
        if not body and not continues:
            return None
        parts = [body]
        while continues and self._at < len(self._lines):
            line = self._next()
            shown = line.lstrip(SPACE)
            self._take_directive(line)
            if shown and not shown.startswith("#"):
                body, continues = self._continued(line)
                parts.append(body)
        return "".join(parts)

    def _continued(self, line: str) -> tuple[str, bool]:
        """The line without its escape character at the end, and whether it continues on the next line."""
        body = line.rstrip("\t ")
        continues = body.endswith(self.escape) and not body.endswith(2 * self.escape)
        return (body[:-1], True) if continues else (line, False)

    def _take_directive(self, line: str) -> None:
        match = _DIRECTIVE.fullmatch(line[1:].lstrip(SPACE)) if line.startswith("#") else None
        key = match[1].lower() if match else ""
        if not self._takes_directives or match is None or key not in _DIRECTIVES:
            self._takes_directives = False
            return
        if key in self.directives:
            raise Malformed(f"there should be one directive {key}")
        if key == "escape" and match[2] not in ("\\", "`"):
            raise Malformed(f"the escape should be \\ or `, found {match[2]}")
        self.directives[key] = match[2]

    def _body(self, doc: Heredoc) -> str:
        """The unchanged lines up to the end of a here-document. Raises: Malformed."""
        lines: list[str] = []
        while self._at < len(self._lines):
            raw = self._lines[self._at]
            self._at += 1
            line = raw.decode("utf-8", "surrogateescape")
            shown = line.rstrip("\r")
            if (shown.lstrip("\t") if doc.chomp else shown) == doc.name:
                return "".join(f"{line}\n" for line in lines)
            lines.append(line)
        raise Malformed(f"the here-document <<{doc.name} is never closed", f"end it with a line {doc.name}")


def _split_flags(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    """The flags at the start, unquoted and unescaped, and the rest of the text.

    As in BuildKit, a byte that is a space in Latin-1 ends a flag, also inside a character.
    """
    if text.isascii():
        return _flags_of_bytes(text, escape)
    flags, rest = _flags_of_bytes(text.encode("utf-8").decode("latin-1"), escape)
    return tuple(map(_characters, flags)), _characters(rest)


def _characters(data: str) -> str:
    """The text of bytes that were read as Latin-1."""
    return data.encode("latin-1").decode("utf-8", "replace")


def _flags_of_bytes(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    flags: list[str] = []
    at = 0
    while True:
        while at < len(text) and text[at] in _BYTE_SPACE:
            at += 1
        if not text.startswith("--", at):
            return tuple(flags), text[at:]
        word, at = _flag(text, at, escape)
        if word == "--":
            return tuple(flags), text[at:]
        flags.append(word)


def _flag(text: str, at: int, escape: str) -> tuple[str, int]:
    """The word at an index, unquoted and unescaped, and the index where it ends."""
    out: list[str] = []
    quote = ""
    while at < len(text) and (quote or text[at] not in _BYTE_SPACE):
        char = text[at]
        at += 1
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif char == escape:
            out.append(text[at : at + 1])
            at += 1
        else:
            out.append(char)
    return "".join(out), at
