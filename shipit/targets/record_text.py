"""The text of the record of a release, where a place keeps it. Pure."""

from __future__ import annotations

import json
from typing import Protocol, Self

from shipit.past_release import PastRelease
from shipit.record import to_json

# Said of an object whose label or annotation should be a record.
NO_RECORD = "is no record of a release that this version of shipit can read, and is left out"


class HasPast(Protocol):
    """A record of a kind: a named tuple with the release and what the kind adds to it."""

    @property
    def past(self) -> PastRelease: ...

    def _replace(self, *, past: PastRelease = ...) -> Self: ...


def record_text(record: HasPast, longest: int) -> str:
    """JSON; a text of more than `longest` characters goes without the summaries of the steps and the reason."""
    text = json.dumps(to_json(record), separators=(",", ":"))
    if len(text) <= longest:
        return text
    return json.dumps(to_json(record._replace(past=record.past._replace(changes=(), reason=""))), separators=(",", ":"))
