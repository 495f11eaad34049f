"""Which programs that tests start measure what they run, and how much of each room the tests run.

`python -m tests.measured FOLDER` joins the data that a run of bin/test left in a folder, prints the share of branches
and lines of each room, and fails below the limits.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from coverage import Coverage

ROOT = Path(__file__).parent.parent
LEAST_PERCENT = 90.0
_started: set[tuple[str, ...]] = set()


def is_new(arguments: Sequence[str]) -> bool:
    """Whether no test of this module started this command before, or no test at all with these options and as many words.

    Asked once for each start.
    """
    module = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
    command = "".join(arguments[:1])
    options = [word for word in arguments if word.startswith("-")]
    cases = {(module, command), (command, str(len(arguments)), *options)}
    new = not cases <= _started
    _started.update(cases)
    return new


def program_variables() -> dict[str, str]:
    """The variables with which a program that a test starts measures itself, for which it takes twice as long."""
    if Coverage.current() is None:
        return {}
    kept = {name: os.environ[name] for name in ("COVERAGE_FILE",) if name in os.environ}
    return {**kept, "COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml")}


class Share(NamedTuple):
    """How many of the lines and branches of a room there are, and how many were run."""

    run: int
    there: int

    @property
    def percent(self) -> float:
        return 100.0 * self.run / self.there if self.there else 100.0


def room_of(file: str) -> str:
    """The room of a source file: its folder in shipit, and of a kind of target that folder, too."""
    parts = file.split("/")
    parts = parts[parts.index("shipit") + 1 :]
    if len(parts) == 1:
        return "shipit/*.py"
    depth = 2 if parts[0] == "targets" and len(parts) > 2 else 1
    return "/".join(("shipit", *parts[:depth]))


def shares(files: Mapping[str, Share]) -> dict[str, Share]:
    """The share of each room, in the order of their names."""
    rooms: dict[str, list[Share]] = {}
    for file, share in files.items():
        rooms.setdefault(room_of(file), []).append(share)
    return {room: _sum(rooms[room]) for room in sorted(rooms)}


def problems(rooms: Mapping[str, Share], claimed: int | None) -> list[str]:
    """What is below the limits. `claimed` is the figure in CONTRIBUTING.md, None where it has none."""
    found = [
        f"{room} is at {share.percent:.1f} %, which is less than {LEAST_PERCENT:.0f} %"
        for room, share in rooms.items()
        if share.percent < LEAST_PERCENT
    ]
    total = _sum(rooms.values()).percent
    if claimed is None:
        found.append("CONTRIBUTING.md names no figure")
    elif claimed > total:
        found.append(f"CONTRIBUTING.md says {claimed} %, and it is {total:.1f} %")
    return found


def claimed_percent(text: str) -> int | None:
    """The figure in CONTRIBUTING.md: `**93 %** of the lines and branches`."""
    found = re.search(r"\*\*(\d+) %\*\* of the lines and branches", text)
    return int(found[1]) if found else None


def _sum(parts: Iterable[Share]) -> Share:
    listed = list(parts)
    return Share(sum(part.run for part in listed), sum(part.there for part in listed))


def _measured_files(folder: Path) -> dict[str, Share]:
    """The share of each source file, from all the data in a folder, of all processes together."""
    coverage = Coverage(data_file=str(folder / ".coverage"), config_file=str(ROOT / "pyproject.toml"))
    coverage.combine([str(path) for path in whole_data(folder)], keep=True)
    found = {}
    for file in sorted((ROOT / "shipit").rglob("*.py")):
        numbers = coverage._analyze(str(file)).numbers
        run = numbers.n_executed + numbers.n_executed_branches
        found[file.relative_to(ROOT).as_posix()] = Share(run, numbers.n_statements + numbers.n_branches)
    return found


def whole_data(folder: Path) -> list[Path]:
    """The data files that can be read; a program that was killed may leave half of one."""
    whole = []
    for path in sorted(folder.glob(".coverage.*")):
        with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(path)) as data:
            if (
                data.execute("pragma quick_check").fetchone() == ("ok",)
                and data.execute("select 1 from meta").fetchone()
            ):
                whole.append(path)
    return whole


def main(folder: Path) -> int:
    files = _measured_files(folder)
    rooms = shares(files)
    print(f"{'room':<28} {'lines and branches':>18} {'run':>7}")
    for room, share in (*rooms.items(), ("all", _sum(rooms.values()))):
        print(f"{room:<28} {share.there:>18,} {share.percent:>6.1f}%")
    for file, share in sorted(files.items(), key=lambda row: row[1].percent)[:10]:
        print(f"  least: {file} {share.percent:.0f}%")
    found = problems(rooms, claimed_percent((ROOT / "CONTRIBUTING.md").read_text()))
    print(*found, sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
