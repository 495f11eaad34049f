"""The releases that a place in memory has recorded, and the return to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from shipit.errors import RemoteError
from shipit.past_release import PastRelease
from shipit.record import from_json, to_json
from shipit.rehearsal.memory.place import InMemoryPlace, MemoryObserved
from shipit.rehearsal.memory.steps import ReturnTo
from shipit.release import Release, State, Step, Verdict

# The number of records that are kept.
MOST_RECORDS = 20


class Contents(NamedTuple):
    """The contents of a release: config digest by name of the image, value by name of the variable, number of instances."""

    images: Mapping[str, str] = {}
    values: Mapping[str, str] = {}
    quantities: Mapping[str, int] = {}


class Recalled(NamedTuple):
    """An earlier release, as the place recorded it: without values, `marks` are their keyed hashes."""

    version: str
    images: Mapping[str, str]
    marks: Mapping[str, str]
    quantities: Mapping[str, int]


def past_releases(place: InMemoryPlace, most: int) -> tuple[PastRelease, ...]:
    """At most `most` releases, the newest first."""
    found = (from_json(PastRelease, row["past"]) for row in reversed(place.records[-most:]))
    return tuple(past._replace(is_current=past.version == place.current) for past in found)


def record_release(place: InMemoryPlace, past: PastRelease, release: Release, known: Mapping[str, str]) -> None:
    """Write or replace the record of a release. `known`: name -> value of each variable and secret."""
    if past.is_return:
        contents = contents_of(place, past.returns_to)
        earlier = (row["past"] for row in place.records if row["past"]["version"] == past.returns_to)
        past = past._replace(images=from_json(PastRelease, next(earlier)).images)
    else:
        images = {image.name: str(image.config_digest) for image in release.images}
        values = {name: known[name] for name in release.marks if name in known}
        contents = Contents(images, values, dict(place.quantities))
    row = {"past": to_json(past), "contents": to_json(contents)}
    others = [other for other in place.records if other["past"]["version"] != past.version]
    place.records = [*others, row][-MOST_RECORDS:]
    is_rolled_back = past.state == "failed" and past.returns_to
    place.current = past.returns_to if is_rolled_back else past.version


def contents_of(place: InMemoryPlace, version: str) -> Contents:
    """The contents of a release. Raises: RemoteError where the place has no record of it."""
    for row in place.records:
        if row["past"]["version"] == version:
            return from_json(Contents, row["contents"])
    raise RemoteError(f"has no record of the release {version}", hint="shipit history lists the releases")


def return_to(place: InMemoryPlace, version: str) -> None:
    """Set everything as an earlier release set it."""
    contents = contents_of(place, version)
    place.images, place.marks = dict(contents.images), dict(contents.values)
    place.quantities = dict(contents.quantities)


def plan_return(recalled: Recalled, observed: MemoryObserved) -> tuple[Step, ...]:
    """One step; none where everything is as it was."""
    if not (changed := _differences(recalled, observed)):
        return ()
    step = ReturnTo(
        f"return to {recalled.version}",
        f"set {', '.join(changed)} as in {recalled.version}",
        undo="deploy again",
        version=recalled.version,
    )
    return (step,)


def judge_return(recalled: Recalled, observed: MemoryObserved, running: Verdict) -> Verdict:
    """`running` is the health of what runs, whatever it is."""
    if changed := _differences(recalled, observed):
        return Verdict(State.FAILED, f"{', '.join(changed)} not as in {recalled.version}", hint="roll back again")
    return running


def _differences(recalled: Recalled, observed: MemoryObserved) -> list[str]:
    pairs: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...] = (
        (recalled.images, observed.images),
        (recalled.marks, observed.marks),
        (recalled.quantities, observed.quantities),
    )
    return sorted({name for was, now in pairs for name in {*was, *now} if was.get(name) != now.get(name)})
