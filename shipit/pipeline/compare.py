"""`shipit diff`: the differences between two releases of a target, as its place recalls them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from shipit.errors import UsageError
from shipit.events import Difference, ReleaseDiff, ReleasesCompared
from shipit.parallel import together
from shipit.pipeline.choose_release import describe_past, find_release
from shipit.pipeline.releases import check_environment, read_releases
from shipit.pipeline.telling import tell_warnings
from shipit.record import to_json
from shipit.targets.history import Returns, returns

if TYPE_CHECKING:
    from shipit.past_release import PastRelease
    from shipit.pipeline.run import Run

# Paths that name the release itself.
_OWN = frozenset([("version",), ("id",), ("name",), ("past",), ("record", "past")])


def compare(run: Run, first: str, second: str) -> tuple[ReleaseDiff, ...]:
    """Find and emit the differences between two releases of each target.

    Raises: ShipitError; UsageError where no target has both.
    """
    tell_warnings(run.project, run.emit)
    targets = [target for target in run.targets if returns(target)]
    history = read_releases(run, targets)
    found: dict[str, tuple[PastRelease, PastRelease]] = {}
    missing: list[UsageError] = []
    for target in targets:
        try:
            own = history[target.name]
            found[target.name] = (find_release(target.name, own, first), find_release(target.name, own, second))
        except UsageError as error:
            missing.append(error)
    if not found:
        check_environment(run, (first, second))
        raise missing[0] if missing else UsageError("no target here keeps releases that can be compared")
    calls = {
        target.name: partial(_compare, run, target, *found[target.name]) for target in targets if target.name in found
    }
    diffs = tuple(together(calls, run.clock).values())
    run.emit(ReleasesCompared(diffs))
    return diffs


def _compare(run: Run, target: Returns, first: PastRelease, second: PastRelease) -> ReleaseDiff:
    session = run.session(target, is_planning=False)
    before, after = (to_json(target.recall(past, session)) for past in (first, second))
    changes = tuple(differences(before, after))
    return ReleaseDiff(target.name, describe_past(first), describe_past(second), changes)


def differences(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Each value that differs, by its path: keys, and the places in lists. A missing one is empty. Both are JSON."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            if (*path, key) not in _OWN:
                yield from differences(before.get(key), after.get(key), (*path, key))
    elif isinstance(before, list) and isinstance(after, list):
        named, later = _by_name(before), _by_name(after)
        for key in dict.fromkeys([*named, *later]):
            yield from differences(named.get(key), later.get(key), (*path, key))
    elif before != after:
        yield Difference(".".join(path), _shown(before), _shown(after))


def _by_name(items: Sequence[Any]) -> dict[str, Any]:
    """The items of a list by what names them: so one that is inserted is one difference."""
    names = [_name(item) for item in items]
    if None in names or len(set(names)) < len(names):
        return {str(at): item for at, item in enumerate(items)}
    return {str(name): item for name, item in zip(names, items, strict=True)}


def _name(item: Any) -> str | None:
    if not isinstance(item, Mapping):
        return None
    meta = item.get("metadata")
    if isinstance(meta, Mapping) and "kind" in item:
        return f"{item['kind']}/{meta.get('name')}"
    found = item.get("name")
    return found if isinstance(found, str) else None


def _shown(value: Any) -> str:
    """A value as text; empty only for one that is missing."""
    if value is None:
        return ""
    return (value or '""') if isinstance(value, str) else str(to_json(value))
