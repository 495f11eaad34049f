"""The patterns of `${NAME#pattern}`, `${NAME%pattern}` and `${NAME/pattern/word}`, in time linear in the value. Pure.

Source: github.com/moby/buildkit, frontend/dockerfile/shell/lex.go, `convertShellPatternToRegex`.
"""

from __future__ import annotations

import re

from shipit.image.patterns.automaton import LAST, Automaton, State, Step
from shipit.image.patterns.go_regexp import DOT

_TEMPLATE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\}|)", re.ASCII)


def without_start(value: str, pattern: str, *, longest: bool) -> str:
    """A value without the shortest or longest part at its start that the pattern matches. Raises: ValueError."""
    end = _match_end(value, 0, Automaton([_steps(pattern)]), longest=longest)
    return value if end is None else value[end:]


def without_end(value: str, pattern: str, *, longest: bool) -> str:
    """The same at its end. Raises: ValueError."""
    backwards = Automaton([_steps(pattern)[::-1]])
    end = _match_end(value[::-1], 0, backwards, longest=longest)
    return value if end is None else value[: len(value) - end]


def replaced(value: str, pattern: str, word: str, *, everywhere: bool) -> str:
    """A value with a word for the first part that the pattern matches, or for each. Each is as long as it can be.

    Where each is replaced, `$0` in the word is the part itself, and any other `$name` nothing.
    Raises: ValueError.
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
        # Nothing is no match right behind another one.
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
                raise ValueError(f"the pattern {pattern!r} has an escape \\{char} that is not known")
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
    """Where the shortest or longest match from a place on ends."""
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
    """A `1` for each place of a value, its end included, at which some match starts, else a `0`."""
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
