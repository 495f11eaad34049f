"""Long tables of similar cases: `make test` runs a few of them, `make test-deep` all of those marked `sampled`."""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")


def is_deep() -> bool:
    """True in `make test-deep`."""
    return os.environ.get("HYPOTHESIS_PROFILE") == "deep"


# For a single test that takes long, or shows with a real server what others show without, together with the mark `sampled`.
only_deep = pytest.mark.skipif(not is_deep(), reason="it takes long: `make test-deep` runs it")


def sampled(cases: Sequence[T], count: int, *, of: str = "") -> list[T]:
    """`count` cases in their order, the first and the last among them; all with the deep profile of hypothesis.

    The choice is the same in every run, and another one for each `of`.
    """
    if len(cases) <= count or is_deep():
        return list(cases)
    between = random.Random(of).sample(range(1, len(cases) - 1), count - 2)
    return [cases[index] for index in (0, *sorted(between), len(cases) - 1)]


def every_second(first: int) -> Callable[[type[T]], type[T]]:
    """For a contract that several kinds keep on one engine: `make test` runs every second of its tests, from `first` on."""

    def mark(tests: type[T]) -> type[T]:
        names = [name for name in dir(tests) if name.startswith("test_")]
        for name in names[1 - first :: 2]:
            # A copy: the other kinds have the same methods.
            setattr(tests, name, only_deep(pytest.mark.sampled(_copy(getattr(tests, name)))))
        return tests

    return mark


def _copy(method: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(method)
    def copy(*arguments: object, **more: object) -> None:
        method(*arguments, **more)

    return copy
