"""Where a kind on Docker engines keeps its lock and its records: named objects that have nothing but labels.

A Docker host keeps them as empty volumes, a swarm as configs. Creating one is atomic: of two of one name the first stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol

from shipit.http.fields import Field

# The longest name of a config in a swarm.
_LONGEST = 64


class Labelled(NamedTuple):
    """An object with labels of shipit. `age_s` is by the clock of the engine."""

    name: str
    labels: Mapping[str, str]
    age_s: float = 0.0


class LabelStore(Protocol):
    """Raises: RemoteError from every method."""

    def put(self, name: str, labels: Mapping[str, str]) -> None:
        """Create an object. One of this name that exists already stays as it is."""
        ...

    def find_labels(self, name: str) -> Mapping[str, str] | None:
        """The labels of an object; None where there is none of this name."""
        ...

    def list_labelled(self, filters: str) -> Sequence[Labelled]:
        """All objects that a filter of the engine's lists selects."""
        ...

    def drop(self, name: str) -> bool:
        """Remove an object; True when it was there."""
        ...


def short_name(name: str, longest: int = _LONGEST) -> str:
    """A name that every engine takes: the beginning of a longer one is replaced by its hash."""
    if len(name) <= longest:
        return name
    return f"{hashlib.sha256(name.encode()).hexdigest()[:12]}-{name[-40:].lstrip('-_.')}"


def config_labels(answer: Field, date: str) -> list[Labelled]:
    """The objects in the answer of GET /configs, which has this Date."""
    return [
        Labelled(row["Spec"]["Name"].required(), row["Spec"]["Labels"].texts(), age_s(row["CreatedAt"].text(), date))
        for row in answer.rows()
    ]


def age_s(created: str, date: str) -> float:
    """Seconds between a time of the engine and the Date of its answer; 0 where one of them is not known."""
    try:
        at, now = datetime.fromisoformat(created.replace("Z", "+00:00")), parsedate_to_datetime(date)
    except ValueError:
        return 0.0
    now = now if now.tzinfo else now.replace(tzinfo=UTC)
    return max(0.0, (now - at).total_seconds()) if at.tzinfo else 0.0
