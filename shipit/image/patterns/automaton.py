"""Matches a text against many patterns at once, in time linear in the text. Pure.

A bit-parallel NFA: each step of each pattern is one bit, so matching never backtracks.
Source: Navarro and Raffinot, "Flexible Pattern Matching in Strings", 4.2 (the carry that crosses optional steps).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

# Characters as inclusive ranges of code points.
Ranges = tuple[tuple[int, int], ...]
LAST = 0x10FFFF
# The size of the state cache in bits, and the overhead of one state; the cache is cleared when it is full.
_KEPT_BITS, _STATE_BITS = 200_000_000, 4_000


def complement(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """All characters outside of the ranges."""
    out, behind = [], 0
    for low, high in sorted(ranges):
        if low > behind:
            out.append((behind, low - 1))
        behind = max(behind, high + 1)
    return (*out, (behind, LAST)) if behind <= LAST else tuple(out)


class Step(NamedTuple):
    """One step of a pattern.

    `one` matches one character of `ranges`, `many` any number of them. `folders` matches nothing, or any number of them
    followed by a slash. `start` matches the empty text, at the start only.
    """

    ranges: Ranges
    kind: Literal["one", "many", "folders", "start"] = "one"


@dataclass(slots=True, eq=False)
class State:
    """The automaton's state after some text. Bit N of `matched` is set when pattern N matches the whole text."""

    bits: int
    matched: int
    following: dict[str, State] = field(default_factory=dict)


class Automaton:
    """An automaton for several patterns, each a sequence of steps."""

    def __init__(self, patterns: Iterable[Sequence[Step]]) -> None:
        self._literals: dict[int, int] = defaultdict(int)
        self._moving: dict[Ranges, int] = defaultdict(int)
        self._staying: dict[Ranges, int] = defaultdict(int)
        self._inside: dict[Ranges, int] = defaultdict(int)
        self._optional = self._at_start = self._ends = 0
        self._ends_of: dict[int, int] = {}
        self._masks: dict[str, tuple[int, int, int]] = {}
        self._states: dict[int, State] = {}
        self._lay_out(patterns)
        self.start = self._state(self._first)

    def _lay_out(self, patterns: Iterable[Sequence[Step]]) -> None:
        at, starts = 0, 0
        for number, steps in enumerate(patterns):
            starts |= 1 << at
            for step in steps:
                self._add(step, 1 << at)
                at += 1
            self._ends |= 1 << at
            self._ends_of[at] = number
            at += 1
        self._size = at
        self._first = _across(starts, self._optional | self._at_start)

    def _add(self, step: Step, bit: int) -> None:
        ranges, kind = step
        if kind == "one":
            if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
                self._literals[ranges[0][0]] |= bit
            else:
                self._moving[ranges] |= bit
        elif kind == "many":
            self._staying[ranges] |= bit
            self._optional |= bit
        elif kind == "folders":
            self._inside[ranges] |= bit
            self._literals[ord("/")] |= bit
            self._optional |= bit
        else:
            self._at_start |= bit

    def after(self, state: State, text: str) -> State:
        """The state after reading `text` in `state`."""
        for char in text:
            known = state.following.get(char)
            state = known if known is not None else self._advance(state, char)
        return state

    def _advance(self, state: State, char: str) -> State:
        moving, staying, inside = self._mask(char)
        reached = ((state.bits & moving) << 1) | (state.bits & staying)
        following = self._state(_across(reached, self._optional) | (state.bits & inside))
        state.following[char] = following
        return following

    def _state(self, bits: int) -> State:
        if bits not in self._states:
            if len(self._states) * (self._size + _STATE_BITS) > _KEPT_BITS:
                for old in self._states.values():
                    old.following.clear()
                self._states.clear()
            self._states[bits] = State(bits, self._matched(bits))
        return self._states[bits]

    def _matched(self, bits: int) -> int:
        matched, ends = 0, bits & self._ends
        for at in _ones(ends):
            matched |= 1 << self._ends_of[at]
        return matched

    def _mask(self, char: str) -> tuple[int, int, int]:
        """The steps that the character completes, those of kind `many` that it repeats, and those of kind `folders`."""
        if char not in self._masks:
            if len(self._masks) * (3 * self._size + _STATE_BITS) > _KEPT_BITS:
                self._masks.clear()
            point = ord(char)
            moving = self._literals.get(point, 0) | _mask_of(self._moving, point)
            self._masks[char] = moving, _mask_of(self._staying, point), _mask_of(self._inside, point)
        return self._masks[char]


def _across(reached: int, optional: int) -> int:
    """The steps in `reached`, and those that follow them through optional steps only.

    The addition carries a bit through a run of optional steps to the step after it.
    """
    return reached | (((reached & optional) + optional) ^ optional)


def _mask_of(steps: dict[Ranges, int], point: int) -> int:
    mask = 0
    for ranges, bits in steps.items():
        if any(low <= point <= high for low, high in ranges):
            mask |= bits
    return mask


def _ones(bits: int) -> Iterator[int]:
    """The positions of the bits that are set, lowest first, in time linear in the size of the number."""
    if bits:
        text = bin(bits)[:1:-1]
        at = text.find("1")
        while at >= 0:
            yield at
            at = text.find("1", at + 1)
