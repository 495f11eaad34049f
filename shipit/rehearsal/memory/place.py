"""The state of a place: in memory, for tests in one process, or in a file that several processes share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shipit.files import write_file
from shipit.targets.log_times import log_time


@dataclass
class InMemoryPlace:
    """The state of a place. `images` is the config digest by name, `marks` the value of each variable by name.

    `starting` is how many more times it is observed before it is healthy. `fails` is what breaks: observe, apply or judge.
    `records` are its releases, the newest last, and `current` the version of what runs.
    `lock` is the row of its lock: see lock.py.
    `log` has rows of a workload, a time and a line. `author` changed it last. `serves` is whether what runs answers when
    it is probed. `quantities` are the instances of what was scaled, `restarts` when each image was restarted last.
    """

    images: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    starting: int = 0
    fails: str = ""
    author: str = ""
    serves: bool = True
    url: str = ""
    log: list[list[str]] = field(default_factory=list)
    quantities: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, str] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    current: str = ""
    lock: dict[str, Any] = field(default_factory=dict)

    def write(self, workload: str, line: str, at_s: float) -> None:
        """Add a line to the log of a workload."""
        self.log.append([workload, log_time(at_s), line])


@contextmanager
def kept_in(file: Path) -> Iterator[InMemoryPlace]:
    """The place that a file holds; a new one without the file. A change is written at the end, whole or not at all."""
    place = InMemoryPlace(**json.loads(file.read_text())) if file.exists() else InMemoryPlace()
    before = asdict(place)
    yield place
    if asdict(place) != before:
        write_file(file, json.dumps(asdict(place)).encode())


@dataclass(frozen=True)
class MemoryObserved:
    images: Mapping[str, str]
    marks: Mapping[str, str]
    starting: int
    is_broken: bool
    author: str = ""
    serves: bool | None = None
    quantities: Mapping[str, int] = field(default_factory=dict)
    restarts: Mapping[str, str] = field(default_factory=dict)
