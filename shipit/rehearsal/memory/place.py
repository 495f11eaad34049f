"""The state of a place: in memory, for tests in one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class InMemoryPlace:
    """The state of a place. `images` is the config digest by name, `marks` the value of each variable by name.

    `starting` is how many more times it is observed before it is healthy. `fails` is what breaks: observe, apply or judge.
    `author` changed it last. `serves` is whether what runs answers when it is probed.
    """

    images: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    starting: int = 0
    fails: str = ""
    author: str = ""
    serves: bool = True
    url: str = ""


@dataclass(frozen=True)
class MemoryObserved:
    images: Mapping[str, str]
    marks: Mapping[str, str]
    starting: int
    is_broken: bool
    author: str = ""
    serves: bool | None = None
