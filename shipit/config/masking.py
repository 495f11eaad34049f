"""The parts of a file that no message may show: everything below a key named like a secret, valid YAML or not. Pure.

It goes by the text alone, since a mistake may keep the text from being read as YAML at all.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shipit.config.secret_names import is_secret_name

HIDDEN = "..."
# A key in front of a value, in a block or a flow.
_KEY = re.compile(r"""(?P<quote>["']?)(?P<name>[A-Za-z_$][\w.$-]{0,99})(?P=quote)[ \t]*:(?=[ \t]|$|[\[{"'])""")
_KEY_BEGINS = re.compile(r"""(?:^|[\s{\[,?-])(?=["']?[A-Za-z_$])""")
_INDENT = re.compile(r"[ \t]*(?:(?:-[ \t]+)*)")
_IS_SECRET_OBJECT = re.compile(r"""["']?kind["']?[ \t]*:[ \t]*["']?Secret\b""")
# The keys of a Kubernetes Secret that hold values.
_OF_SECRET_OBJECTS = frozenset({"data", "stringData"})
_BLOCK_TEXT = re.compile(r":[ \t]+(?:[!&]\S+[ \t]+)*[|>][-+0-9]*[ \t]*(?:#.*)?$|^[ \t-]*[|>][-+0-9]*[ \t]*$")
_NOTHING_BEHIND = re.compile(r"[ \t]*(?:#.*)?$")
# The only value that is shown: the name of a variable that holds a secret.
_VARIABLE = re.compile(r"[A-Z][A-Z_]{0,60}(?=[ \t]*(?:[,}\]]|$))")
# Keys that may follow a secrets: whose entries are not indented; they are not secrets.
_OTHERS = frozenset(
    [
        "app",
        "args",
        "builder",
        "cache",
        "context",
        "dockerfile",
        "dotenv",
        "env",
        "environments",
        "image",
        "images",
        "include",
        "keep",
        "platforms",
        "release",
        "repository",
        "requires",
        "secrets",
        "ssh",
        "stage",
        "tags",
        "targets",
        "use",
        "version",
    ]
)
_MOST_NAMES = 2000


class Private(NamedTuple):
    """The column, from 0, at which the private part of a line begins; `has_keys`: names in it are keys, which are shown."""

    start: int
    has_keys: bool = True


class Shown(NamedTuple):
    """A line as it may be shown, and the column of its token, from 0."""

    text: str
    start: int
    width: int


def private_parts(lines: Sequence[str]) -> dict[int, Private]:
    """The private part of each line that has one, by its index."""
    walk = _Walk(_OF_SECRET_OBJECTS if any(map(_IS_SECRET_OBJECT.search, lines)) else frozenset())
    return {index: part for index, line in enumerate(lines) if (part := walk.next(line)) is not None}


class _Walk:
    """Walks a text line by line, and tracks open blocks, brackets and quotes."""

    def __init__(self, names: frozenset[str]) -> None:
        # Further keys that are private in this file.
        self._names = names
        # Indentation of each block that is open, and whether it is private.
        self._blocks: list[tuple[int, bool]] = []
        # Brackets and the quote of a private value that are still open.
        self._open: list[str] = []
        # The indentation of a block scalar, and whether it is private.
        self._text: tuple[int, bool] | None = None
        # The indentation of a private key without a value: lines at the same indentation may be its value.
        self._empty: int | None = None

    def next(self, line: str) -> Private | None:
        if self._open:
            in_quotes = self._open[-1] in "'\""
            self._follow(line)
            return Private(0, has_keys=not in_quotes)
        indent = _width(line)
        if self._text is not None:
            if not line.strip() or indent > self._text[0]:
                return Private(0, has_keys=False) if self._text[1] else None
            self._text = None
        if not line.strip() or line.lstrip().startswith("#"):
            return Private(0, has_keys=False) if self._blocks and self._blocks[-1][1] and line.strip() else None
        return self._block_line(line, indent)

    def _block_line(self, line: str, indent: int) -> Private | None:
        while self._blocks and self._blocks[-1][0] >= indent:
            self._blocks.pop()
        is_inside = bool(self._blocks) and self._blocks[-1][1]
        first = _KEY.match(line, len(_INDENT.match(line)[0]))  # type: ignore[index]
        if self._empty is not None and (indent < self._empty or (first and first["name"] in _OTHERS)):
            self._empty = None
        is_meant = self._empty == indent
        start = 0 if is_inside or is_meant else next(self._secret_names(line), None)
        is_private = start is not None
        if first is not None:
            is_own = is_inside or is_meant or self._is_secret(first["name"])
            self._blocks.append((len(_INDENT.match(line)[0]), is_own))  # type: ignore[index]
            if self._is_secret(first["name"]) and not is_inside and _NOTHING_BEHIND.match(line, first.end()):
                self._empty = indent
        if _BLOCK_TEXT.search(line):
            self._text = (indent, is_private)
        elif is_private:
            self._follow(line[start:])
        return None if start is None else Private(start)

    def _is_secret(self, name: str) -> bool:
        return name in self._names or is_secret_name(name)

    def _secret_names(self, line: str) -> Iterator[int]:
        """The columns behind the keys in a line that are named like secrets."""
        for number, begin in enumerate(_KEY_BEGINS.finditer(line)):
            found = _KEY.match(line, begin.end())
            if found and (number >= _MOST_NAMES or self._is_secret(found["name"])):
                yield found.end()

    def _follow(self, text: str) -> None:
        """Track the brackets and quotes of a private value."""
        before = ""
        for char in text:
            quote = self._open[-1] if self._open and self._open[-1] in "'\"" else ""
            if quote:
                if char == quote and not (quote == '"' and before == "\\"):
                    self._open.pop()
            elif char == "#" and before in ("", " ", "\t"):
                return
            elif char in "'\"" and before in ("", " ", "\t", "[", "{", ",", ":"):
                self._open.append(char)
            elif char in "[{" and (self._open or before in ("", " ", "\t")):
                self._open.append({"[": "]", "{": "}"}[char])
            elif self._open and char == self._open[-1]:
                self._open.pop()
            before = "" if before == "\\" and char == "\\" else char


def _width(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def shown_line(line: str, start: int, width: int, part: Private) -> Shown:
    """A line without its private values: names stay, a value becomes `...`, and nothing is shown behind the token."""
    end = start + width
    if end <= part.start:
        # The colon behind a name that is the token is left to what is hidden.
        kept = end if end == part.start - 1 else part.start
        return Shown(line[:kept] + (HIDDEN if line[part.start :].strip() else ""), start, width)
    head, is_flow = line[: min(part.start, start)], part.start > 0
    before = head + _masked(line[part.start : start], part.has_keys, is_flow)
    if part.has_keys and _is_key(line, start, end):
        token = line[start:end]
        return Shown(before + token + (HIDDEN if line[end:].strip() else ""), len(before), width)
    before = before.removesuffix(HIDDEN)
    return Shown(before + HIDDEN, len(before), len(HIDDEN))


def _is_key(line: str, start: int, end: int) -> bool:
    found = _KEY.match(line, start)
    return found is not None and found.end() >= end and found.end("name") - len(found["quote"]) >= start


def _masked(text: str, has_keys: bool, is_flow: bool) -> str:
    """Text whose values are hidden. In a flow `,` divides; in a block one name may stand in front."""
    if not has_keys:
        return HIDDEN if text.strip() else text
    out, at, may_be_key, key = "", 0, True, ""
    depth = 1 if is_flow else 0
    while at < len(text):
        char = text[at]
        if char in " \t" or (char in "[]{}" and (depth or may_be_key or char in "]}")) or (char == "," and depth):
            depth += (char in "[{") - (char in "]}" and depth > 0)
            may_be_key = may_be_key or char in "[{,"
            out, at = out + char, at + 1
            continue
        if char == "-" and not out.strip(" -") and text[at + 1 : at + 2] in (" ", ""):
            out, at = out + char, at + 1
            continue
        found = _KEY.match(text, at) if may_be_key else None
        if found:
            out, at, may_be_key, key = out + found[0], found.end(), False, found["name"]
            # Behind a name in a block a flow may begin.
            depth = depth or int(text[at:].lstrip()[:1] in ("[", "{"))
            continue
        end = _end_of_value(text, at, in_flow=depth > 0)
        is_variable = key == "env" and _VARIABLE.match(text, at) is not None
        out, at, may_be_key, key = out + (text[at:end] if is_variable else HIDDEN), end, False, ""
    return out


def _end_of_value(text: str, at: int, *, in_flow: bool) -> int:
    """The end of a value: its closing quote, a separator of the flow, or the end of the text."""
    quote = text[at] if text[at] in "'\"" else ""
    if quote:
        end = at + 1
        while end < len(text) and text[end] != quote:
            end += 2 if quote == '"' and text[end] == "\\" else 1
        at = min(end + 1, len(text))
    if not in_flow:
        return len(text)
    found = re.compile(r"[ \t]*[,\]}]").search(text, at)
    return found.start() if found else len(text)
