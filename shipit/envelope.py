"""An event with its number and time, as reporters, files and other programs get it. Imports events and record."""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, Protocol, get_args

from shipit.events import Event
from shipit.printable import Name
from shipit.record import InvalidRecord, from_json, to_json

# Raised when a field is removed or changes its meaning. New fields and new events leave it as it is.
FORMAT_VERSION = 1
EVENT = "event"


class _Envelope(NamedTuple):
    v: int
    run: Name
    seq: int
    at: Name
    event: Event


class Envelope(_Envelope):
    """One event of one run. `seq` counts from 1 without gaps; `at` is RFC 3339 in UTC, with milliseconds."""

    @cached_property
    def json(self) -> Mapping[str, Any]:
        """`envelope_to_json` of it, which the journal and a reporter share. Nobody changes it."""
        return envelope_to_json(self)


class _Head(NamedTuple):
    """The fields of an envelope beside its event."""

    v: int
    run: str
    seq: int
    at: str


class Reporter(Protocol):
    """Shows a run somewhere. Called from several threads, one at a time, in the order of `seq`. Neither method raises."""

    def __call__(self, envelope: Envelope) -> None: ...

    def close(self) -> None:
        """Write what was held back; nothing follows."""
        ...


class Reporters:
    """Several reporters of the same run."""

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters

    def __call__(self, envelope: Envelope) -> None:
        for reporter in self._reporters:
            reporter(envelope)

    def close(self) -> None:
        for reporter in self._reporters:
            reporter.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Without a live view, for those that have one."""
        with ExitStack() as stack:
            for reporter in self._reporters:
                if pause := getattr(reporter, "paused", None):
                    stack.enter_context(pause())
            yield


class Sealer:
    """Gives the events of one run their numbers. Not safe to use from several threads."""

    def __init__(self) -> None:
        self.run = os.urandom(6).hex()
        self._seq = 0

    def __call__(self, event: Event, at_s: float) -> Envelope:
        """The envelope of an event that happened `at_s` seconds after the epoch."""
        self._seq += 1
        return Envelope(FORMAT_VERSION, self.run, self._seq, rfc3339(at_s), event)


def rfc3339(at_s: float) -> str:
    """Seconds since the epoch as `2025-11-26T00:12:33.123Z`."""
    whole, ms = divmod(int(at_s * 1000), 1000)
    return f"{_seconds(whole)}.{ms:03d}Z"


@lru_cache(4)
def _seconds(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))


def event_name(kind: type) -> str:
    """`step_started` for StepStarted."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


EVENTS: Mapping[str, type] = {event_name(kind): kind for kind in get_args(Event)}
_NAMES: Mapping[type, str] = {kind: name for name, kind in EVENTS.items()}


def envelope_to_json(envelope: Envelope) -> dict[str, Any]:
    """One object: v, run, seq, at, the name of the event, and the fields of the event."""
    v, run, seq, at, event = envelope
    return {"v": v, "run": run, "seq": seq, "at": at, EVENT: _NAMES[type(event)], **to_json(event)}


def envelope_from_json(data: Mapping[str, Any]) -> Envelope:
    """The envelope that `envelope_to_json` gave. Raises: InvalidRecord."""
    fields = dict(data)
    name = fields.pop(EVENT, None)
    kind = EVENTS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise InvalidRecord(f"should be one of {', '.join(EVENTS)}", where=EVENT)
    head = from_json(_Head, {key: fields.pop(key) for key in _Head._fields if key in fields})
    if head.v != FORMAT_VERSION:
        raise InvalidRecord(f"should be {FORMAT_VERSION}", where="v")
    return Envelope(*head, from_json(kind, fields))
