"""The run that made a container or a service, by its labels: any user of the engine may have written them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
        """`made by anna@laptop (run 3f9c01ab22ee, commit 0123abc) at 2026-01-31T12:00:00Z`; empty where nothing is known.

        Who made a container is not always who started it: the labels are of the run that made it, or a copy of them.
        """
        known = [f"{name} {value}" for name, value in (("run", self.run), ("commit", self.commit)) if value]
        words = [f"by {self.author}"] if self.author else []
        words += [f"({', '.join(known)})"] if known else []
        words += [f"at {self.at}"] if self.at else []
        return f"made {' '.join(words)}" if words else ""


UNKNOWN = MadeBy()


def made_by(labels: Mapping[str, str], created: str) -> MadeBy:
    """`created` is a time of the engine. Labels that are not as shipit writes them are left out."""
    author = printable_line(labels.get(BY, "")[:_LONGEST]).strip()
    run, commit = (value if _ID.fullmatch(value := labels.get(name, "")) else "" for name in (RELEASE, COMMIT))
    time = _TIME.fullmatch(created)
    return MadeBy(author, run, commit, f"{time[1]}{time[2]}" if time else "")
