"""The patterns of `${NAME#pattern}`, `${NAME%pattern}` and `${NAME/pattern/word}`, matched in linear time. Pure.

Source: github.com/moby/buildkit, frontend/dockerfile/shell/lex.go, `convertShellPatternToRegex`.
"""

from __future__ import annotations

import re

from shipit.image.patterns.automaton import LAST, Automaton, State, Step
from shipit.image.patterns.go_regexp import DOT

_TEMPLATE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\}|)", re.ASCII)


def without_start(value: str, pattern: str, *, longest: bool) -> str:
    """Remove the shortest or longest prefix that matches. Raises: ValueError for a malformed pattern."""
    end = _match_end(value, 0, Automaton([_steps(pattern)]), longest=longest)
    return value if end is None else value[end:]


def without_end(value: str, pattern: str, *, longest: bool) -> str:
    """Remove the shortest or longest suffix that matches. Raises: ValueError for a malformed pattern."""
    backwards = Automaton([_steps(pattern)[::-1]])
    end = _match_end(value[::-1], 0, backwards, longest=longest)
    return value if end is None else value[: len(value) - end]


def replaced(value: str, pattern: str, word: str, *, everywhere: bool) -> str:
    """Replace the first match, or every match, with a word. Matches are as long as possible.

    With `everywhere`, `$0` in the word is the match, and any other `$name` is empty.
    Raises: ValueError for a malformed pattern.
    """
    steps = _steps(pattern)
    forwards, starts = Automaton([steps]), _starts(value, steps)
    out: list[str] = []
    done = at = 0
    while (start := starts.find("1", at)) >= 0:
        end = _match_end(value, start, forwards, longest=True)
        assert end is not None
        if not everywhere:
            return value[:start] + word + value[end:]
        out.append(value[done:start])
        # An empty match directly after another match does not count, as in Go.
        if end > done or start == 0:
            out.append(_filled(word, value[start:end]))
        done, at = end, max(end, start + 1)
    return "".join(out) + value[done:]


def _steps(pattern: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
            char = pattern[at : at + 1]
            if char not in ("*", "?", "\\", "}", "/"):
                raise ValueError(f"the pattern {pattern!r} has an unknown escape \\{char}")
            steps.append(_literal(char))
        elif char in "*?":
            steps.append(Step(DOT, "many" if char == "*" else "one"))
        else:
            steps.append(_literal(char))
        at += 1
    return tuple(steps)


def _literal(char: str) -> Step:
    return Step(((ord(char), ord(char)),))


def _match_end(value: str, start: int, automaton: Automaton, *, longest: bool) -> int | None:
    """The index where the shortest or longest match from `start` ends; None without a match."""
    state: State = automaton.start
    found = start if state.matched else None
    for at in range(start, len(value)):
        if (found is not None and not longest) or not state.bits:
            break
        state = automaton.after(state, value[at])
        if state.matched:
            found = at + 1
    return found


def _starts(value: str, steps: tuple[Step, ...]) -> str:
    """For each index of the value, its end included: `1` if a match starts there, else `0`."""
    automaton = Automaton([(Step(((0, LAST),), "many"), *steps[::-1])])
    state = automaton.start
    found = ["1" if state.matched else "0"]
    for char in reversed(value):
        state = automaton.after(state, char)
        found.append("1" if state.matched else "0")
    return "".join(reversed(found))


def _filled(word: str, match: str) -> str:
    if "$" not in word:
        return word
    return _TEMPLATE.sub(
        lambda found: "$" if found[0] in ("$$", "$") else match if (found[1] or found[2]) == "0" else "", word
    )
