"""Commands of deploy.yml that run on this machine. They are shown as written; variables are passed in the environment. Pure.

A `${NAME}` in the text of a shell is never replaced by its value there: the text stands in `ps`, in hints and in
`validate --resolved`, and a value could be taken for syntax. Source: POSIX.1-2017, Shell Command Language, 2.2 and 2.7.4.
"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from shipit.config.interpolate import Lookup, closing_brace, interpolate
from shipit.config.position import Keys

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "mksh"})
_PLAIN = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HEREDOC = re.compile(r"(?<!<)<<(-?)[ \t]*(['\"\\]?)([A-Za-z0-9_.]+)")
# Names that deploy.yml gives a meaning of its own, so that a variable of that name is another one.
_OWN_NAMES = frozenset({"app", "environment"})


class LocalCommand(NamedTuple):
    """The argv of a command, and the variables that the text of its shell uses."""

    words: tuple[str, ...]
    variables: dict[str, str]


def is_local_command(keys: Keys) -> bool:
    """True for the path of keys of a command that runs on this machine, or of one of its words."""
    path = keys[:-1] if keys and isinstance(keys[-1], int) else keys
    if len(path) >= 3 and path[-1] == "command" and path[-3] == "secrets":
        return True
    return _is_hook([key for key in keys if isinstance(key, str)])


def _is_hook(names: Sequence[str]) -> bool:
    """True for the path of the command of a hook, of the run or of a target: `before`, or `command` below it."""
    hook = names[1:] if names[:1] == ["hooks"] else names[3:] if names[::2][:2] == ["targets", "hooks"] else []
    return bool(hook) and (len(hook) == 1 or hook[-1] == "command")


def local_command(written: Sequence[str], lookup: Lookup) -> LocalCommand:
    """A command as it is executed. In the text of a shell variables stay names; in any other word they are replaced.

    Raises: InterpolationError for what can't be replaced.
    """
    variables: dict[str, str] = {}
    text = shell_text_index(written)
    words = tuple(
        _shell_text(word, lookup, variables) if index == text else interpolate(word, lookup)
        for index, word in enumerate(written)
    )
    return LocalCommand(words, variables)


def shell_text_index(words: Sequence[str]) -> int:
    """The index of the word that is the text of a shell, which follows `-c`; -1 when there is none."""
    start = 1 if PurePosixPath(words[0]).name == "env" and len(words) > 1 else 0
    if PurePosixPath(words[start]).name not in _SHELLS:
        return -1
    for index in range(start + 1, len(words) - 1):
        word = words[index]
        if not word.startswith(("-", "+")) or word.startswith("--"):
            return -1
        if word.startswith("-") and "c" in word:
            return index + 1
    return -1


def _shell_text(text: str, lookup: Lookup, variables: dict[str, str]) -> str:
    """The text with every `${...}` as a parameter expansion that the shell performs, also within quotes that would prevent it."""
    out: list[str] = []
    for part in _Scanner(text).parts():
        if not part.is_variable:
            out.append(part.text)
            continue
        reference = f"${{{_name_of(part.text, lookup, variables)}}}"
        out.append(f"'\"{reference}\"'" if part.quote == "'" else reference)
    return "".join(out)


def _name_of(text: str, lookup: Lookup, variables: dict[str, str]) -> str:
    """The variable that holds the value of a `${...}`: the one it names, or one that shipit sets."""
    value = interpolate(text, lookup)
    plain = _PLAIN.fullmatch(text)
    name = plain[1] if plain and plain[1] not in _OWN_NAMES else f"SHIPIT_VALUE_{len(variables) + 1}"
    variables[name] = value
    return name


class _Part(NamedTuple):
    """A piece of a shell's text: a `${...}` that is ours with the quote around it, or anything else as it stands."""

    text: str
    is_variable: bool = False
    quote: str = ""


class _Scanner:
    """Walks a shell's text and knows which quotes it is in. Each entry of `_open` closes at that character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._open: list[str] = []
        self._heredocs: list[tuple[str, bool, bool]] = []

    def parts(self) -> list[_Part]:
        parts: list[_Part] = []
        while self.at < len(self.text):
            parts += self._next()
        return parts

    @property
    def _quote(self) -> str:
        return self._open[-1] if self._open and self._open[-1] in "'\"" else ""

    def _next(self) -> list[_Part]:
        text, at, quote = self.text, self.at, self._quote
        if text.startswith("$${", at):
            return self._take(at + 3, "${")
        if text.startswith("${", at):
            return self._variable(quote)
        if quote == "'":
            if text[at] == "'":
                self._open.pop()
            return self._take(at + 1)
        if text[at] == "\\":
            return self._take(at + 2)
        if text.startswith("$(", at):
            self._open.append(")")
            return self._take(at + 2)
        if self._open and text[at] == self._open[-1]:
            self._open.pop()
        elif text[at] in '"`' or (text[at] == "'" and not quote):
            self._open.append(text[at])
        elif not quote and text[at] == "(":
            self._open.append(")")
        elif not quote and text[at] == "#" and (at == 0 or text[at - 1] in " \t\n;&|("):
            return self._take(self._end_of_line(at))
        elif not quote and self._open[-2:] != [")", ")"] and (match := _HEREDOC.match(text, at)):
            self._heredocs.append((match[3], bool(match[1]), bool(match[2])))
            return self._take(match.end())
        elif text[at] == "\n" and self._heredocs and not quote:
            return [*self._take(at + 1), *self._bodies()]
        return self._take(at + 1)

    def _variable(self, quote: str) -> list[_Part]:
        end = closing_brace(self.text, self.at) + 1
        part = _Part(self.text[self.at : end], True, quote)
        self.at = end
        return [part]

    def _bodies(self) -> list[_Part]:
        """What stands in here-documents: variables where the shell replaces them, and no quotes."""
        parts: list[_Part] = []
        for word, strips_tabs, is_literal in self._heredocs:
            while self.at < len(self.text):
                end = self._end_of_line(self.at)
                line = self.text[self.at : end]
                last = (line.lstrip("\t") if strips_tabs else line) == word
                parts += self._take(end + 1) if is_literal or last else self._line(end + 1)
                if last:
                    break
        self._heredocs = []
        return parts

    def _line(self, end: int) -> list[_Part]:
        parts: list[_Part] = []
        while self.at < min(end, len(self.text)):
            if self.text.startswith("$${", self.at):
                parts += self._take(self.at + 3, "${")
            elif self.text.startswith("${", self.at):
                parts += self._variable("")
            else:
                parts += self._take(self.at + (2 if self.text[self.at] == "\\" else 1))
        return parts

    def _take(self, end: int, shown: str | None = None) -> list[_Part]:
        part = _Part(self.text[self.at : end] if shown is None else shown)
        self.at = end
        return [part]

    def _end_of_line(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end
