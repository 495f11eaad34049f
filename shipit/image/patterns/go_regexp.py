r"""The subset of Go's regular expressions that moby's patterns translate to. Pure.

Alternatives, other groups and other repetitions cannot occur in them. `\b`, `\B` and `\p` are refused.
Source: Go's regexp/syntax, flags of `regexp.Compile`.
"""

from __future__ import annotations

from shipit.image.patterns.automaton import LAST, Ranges, Step, complement

DOT: Ranges = ((0, 9), (11, LAST))
# The character that Go decodes an invalid UTF-8 byte to, and the surrogates that Python decodes such bytes to.
_REPLACED, _RAW_BYTES = 0xFFFD, (0xDC80, 0xDCFF)
_FOLDERS = "(.*/)?"
_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_DIGITS: Ranges = ((48, 57),)
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_PERL: dict[str, Ranges] = {"d": _DIGITS, "s": ((9, 10), (12, 13), (32, 32)), "w": _WORD}
_POSIX: dict[str, Ranges] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGITS,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_NOTHING = Step(())


def regexp_steps(text: str) -> tuple[Step, ...]:
    """The steps of a regular expression that has to match a whole text. Raises: ValueError."""
    return tuple(_Reader(text).steps())


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def _takes(self, token: str) -> bool:
        found = self._text.startswith(token, self._at)
        self._at += len(token) if found else 0
        return found

    def steps(self) -> list[Step]:
        steps: list[Step] = []
        while self._at < len(self._text):
            if self._takes(_FOLDERS):
                steps.append(Step(DOT, "folders"))
            elif self._takes(".*"):
                steps.append(Step(DOT, "many"))
            elif self._takes("^") or self._takes("\\A"):
                steps.append(Step((), "start"))
            elif self._takes("\\z"):
                return [*steps, *(_NOTHING for step in self.steps() if step.kind == "one")]
            elif self._takes("\\Q"):
                quoted, _, _ = self._text[self._at :].partition("\\E")
                self._at += len(quoted) + 2
                steps += [Step(_decoded(ord(char))) for char in quoted]
            else:
                ranges = self._class() if self._takes("[") else self._perl() or _decoded(self._char())
                steps.append(Step(ranges, "many" if self._takes("*") else "one"))
        return steps

    def _class(self) -> Ranges:
        is_negated, is_first = self._takes("^"), True
        ranges: list[tuple[int, int]] = []
        while is_first or not self._takes("]"):
            is_first = False
            ranges += self._posix() or self._perl() or self._range()
        return _negated(ranges) if is_negated else tuple(_with_raw_bytes(ranges))

    def _range(self) -> Ranges:
        low = high = self._char()
        if self._text.startswith("-", self._at) and self._text[self._at + 1 : self._at + 2] not in ("", "]"):
            self._at += 1
            high = self._char()
        if high < low:
            raise ValueError("has a range in [] whose end is before its start")
        return ((low, high),)

    def _posix(self) -> Ranges:
        """`[:name:]` in a bracket expression; empty when there is none."""
        end = self._text.find(":]", self._at + 2)
        if not self._text.startswith("[:", self._at) or end < 0:
            return ()
        name = self._text[self._at + 2 : end]
        if name.removeprefix("^") not in _POSIX:
            raise ValueError(f"has an unknown class [:{name}:]")
        self._at = end + 2
        ranges = _POSIX[name.removeprefix("^")]
        return _negated(ranges) if name.startswith("^") else ranges

    def _perl(self) -> Ranges:
        r"""`\d`, `\S` and similar classes; empty when there is none."""
        letter = self._text[self._at + 1 : self._at + 2]
        if not self._text.startswith("\\", self._at) or letter.lower() not in _PERL:
            return ()
        self._at += 2
        ranges = _PERL[letter.lower()]
        return ranges if letter.islower() else _negated(ranges)

    def _char(self) -> int:
        if self._at >= len(self._text):
            raise ValueError("has a [ that is never closed")
        char = self._text[self._at]
        self._at += 1
        if char != "\\":
            return _REPLACED if _is_raw_byte(ord(char)) else ord(char)
        return self._escape()

    def _escape(self) -> int:
        char = self._text[self._at : self._at + 1]
        self._at += 1
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "x" and (digits := self._digits("0123456789abcdefABCDEF")) and len(digits) == 2:
            return int(digits, 16)
        if char and char in "01234567":
            digits = char + self._digits("01234567")
            if char == "0" or len(digits) > 1:
                return int(digits, 8)
        if char and char.isascii() and not char.isalnum():
            return ord(char)
        raise ValueError(f"has an unknown escape \\{char}")

    def _digits(self, allowed: str) -> str:
        """At most two of the allowed digits."""
        start = self._at
        while self._at - start < 2 and self._at < len(self._text) and self._text[self._at] in allowed:
            self._at += 1
        return self._text[start : self._at]


def _is_raw_byte(point: int) -> bool:
    return _RAW_BYTES[0] <= point <= _RAW_BYTES[1]


def _decoded(point: int) -> Ranges:
    """One character, or any byte that is not UTF-8."""
    return tuple(_with_raw_bytes([(point, point)]))


def _with_raw_bytes(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [*ranges, _RAW_BYTES] if any(low <= _REPLACED <= high for low, high in ranges) else ranges


def _negated(ranges: Ranges | list[tuple[int, int]]) -> Ranges:
    return complement(_with_raw_bytes(list(ranges)))
