"""The run that made a container or a service, by its labels: any user of the engine may have written them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shipit.printable import FreeText, Name, printable_line
from shipit.targets.engine.owner import BY, COMMIT, RELEASE

_LONGEST = 200
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# A fraction of a second is left out. The year 1 is the engine's for no time.
_TIME = re.compile(
    r"((?!0001)[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


class MadeBy(NamedTuple):
    """Who made it, in which run and from which commit, and when (RFC 3339). Empty where it is not known."""

    author: FreeText = ""
    run: Name = ""
    commit: Name = ""
    at: Name = ""

    @property
    def phrase(self) -> str:
        """`from 2026-01-31T12:00:00Z, with the labels of anna@laptop (run 3f9c01ab22ee, commit 0123abc)`; empty where nothing is known.

        The time is the engine's. `scale` and a rollback copy labels, which may be those of an earlier run then.
        """
        known = [f"{name} {value}" for name, value in (("run", self.run), ("commit", self.commit)) if value]
        words = [self.author] if self.author else []
        words += [f"({', '.join(known)})"] if known else []
        told = [f"from {self.at}"] if self.at else []
        told += [f"with the labels of {' '.join(words)}"] if words else []
        return ", ".join(told)


UNKNOWN = MadeBy()


def made_of_all(found: Iterable[MadeBy]) -> MadeBy:
    """That of all; UNKNOWN where they differ."""
    first, *others = dict.fromkeys(found)
    return UNKNOWN if others else first


def made_by(labels: Mapping[str, str], created: str) -> MadeBy:
    """`created` is a time of the engine. Labels that are not as shipit writes them are left out."""
    author = printable_line(labels.get(BY, "")[:_LONGEST]).strip()
    run, commit = (value if _ID.fullmatch(value := labels.get(name, "")) else "" for name in (RELEASE, COMMIT))
    time = _TIME.fullmatch(created)
    return MadeBy(author, run, commit, f"{time[1]}{time[2]}" if time else "")
