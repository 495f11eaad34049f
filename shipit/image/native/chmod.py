"""Parses `--chmod`: octal, or symbolic as in chmod(1). Pure.

Source: github.com/tonistiigi/dchapes-mode, which BuildKit uses without a umask; its quirks are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_STANDARD, _STICKY, _SET_ID, _EXECUTE = 0o6777, 0o1000, 0o6000, 0o111
_WHO = {"a": _STANDARD, "u": 0o4700, "g": 0o2070, "o": 0o007}
_BITS = {"r": 0o444, "w": 0o222, "x": _EXECUTE}
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_CLAUSE = re.compile(r"([augo]*)((?:[-+=][rwxXstugo]*)+)")


class _Change(NamedTuple):
    """One change of mode bits: set (`+`), clear (`-`), or set if executable (`X`); or copy.

    For a copy, `kind` is whose bits are copied, `bits` who gets them, and `sign` whether they are added or removed.
    """

    kind: str
    bits: int
    sign: str = ""


class Mode(NamedTuple):
    """A change of modes. `octal` is the new mode, None when it depends on the old one."""

    octal: int | None
    changes: tuple[_Change, ...] = ()

    def applied(self, mode: int, *, is_folder: bool) -> int:
        if self.octal is not None:
            return self.octal
        may_run = is_folder or bool(mode & _EXECUTE)
        for change in self.changes:
            mode = _changed(mode, change, may_run=may_run)
        return mode

    @property
    def new_folder_mode(self) -> int:
        """The mode of folders that COPY creates above its destination."""
        return 0o755 if self.octal is None else self.octal & 0o777


def parse_mode(text: str) -> Mode:
    """Parse a mode. Raises: ValueError."""
    if re.fullmatch("[0-7]{1,22}", text) and int(text, 8) <= 0o7777:
        return Mode(int(text, 8))
    changes: list[_Change] = []
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise ValueError(f"--chmod={text} should be octal, such as 755, or symbolic, such as u=rwX,go=rX")
        who = 0
        for letter in match[1]:
            who |= _WHO[letter]
        for action in _ACTION.finditer(match[2]):
            changes += _action(who, action[1], action[2])
    return Mode(None, tuple(changes))


def _action(who: int, sign: str, letters: str) -> Iterator[_Change]:
    """The change for one sign and the letters after it."""
    bits = may_run = 0
    has_replaced = False
    for letter in letters:
        if letter in _SHIFTS:
            if bits:
                yield from _set(who, sign, bits)
            has_replaced = True
            if may_run:
                yield _Change("X", (who or ~0) & may_run)
            bits = may_run = 0
            yield _Change(letter, who, sign)
        elif letter == "X" and sign != "-":
            may_run = _EXECUTE
        elif letter in "st":
            # Set-user-id and set-group-id do not exist for others.
            if who == 0 or who & ~0o007:
                bits |= _SET_ID if letter == "s" else _STICKY
                who |= _STICKY if letter == "t" else 0
        else:
            bits |= _BITS[letter.lower()]
    if bits or (sign == "=" and not has_replaced):
        yield from _set(who, sign, bits)
    if may_run:
        yield _Change("X", (who or ~0) & may_run)


def _set(who: int, sign: str, bits: int) -> Iterator[_Change]:
    if sign == "=":
        yield _Change("-", who or _STANDARD)
    yield _Change("-" if sign == "-" else "+", (who or ~0) & bits)


def _changed(mode: int, change: _Change, *, may_run: bool) -> int:
    kind, bits, sign = change
    if kind == "+" or (kind == "X" and may_run):
        return mode | bits
    if kind == "-":
        return mode & ~bits
    if kind == "X":
        return mode
    value = mode >> _SHIFTS[kind] & 0o7
    for shift in _SHIFTS.values():
        if bits == 0 or bits & 0o400 >> (6 - shift):
            mode &= ~((0o7 if sign == "=" else value if sign == "-" else 0) << shift)
            mode |= (value if sign != "-" else 0) << shift
    return mode
