"""The lines that explain a step in the plan. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import unified_diff
from typing import Any

from shipit.targets.kubernetes.changes import find_changes
from shipit.targets.kubernetes.drift import Difference, author_of
from shipit.targets.kubernetes.live import Live, Manager
from shipit.targets.kubernetes.objects import container_images, spec_of
from shipit.targets.kubernetes.observed import Preview
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest
from shipit.targets.kubernetes.roll import replaces_pods, rolled_by
from shipit.targets.kubernetes.sealed import is_secret
from shipit.targets.kubernetes.steps import FieldChange
from shipit.targets.kubernetes.superseded import Change
from shipit.targets.kubernetes.versions import switched
from shipit.targets.kubernetes.wanted import Wanted

_MOST_LINES, _MOST_TEXT_LINES, _CONTEXT = 2_000, 5_000, 2
_DIGEST = re.compile(r"sha256:([0-9a-f]{12})[0-9a-f]{52}")
_HUNK = re.compile(r"@@ -[0-9,]+ \+(?P<line>[0-9]+).*")
_MARK_DIGITS = 12
# Text of more characters is shown around what changes, with as many as `_BESIDE` before and after that.
_MOST_WHOLE, _BESIDE = 200, 30


def detail_of(wanted: Wanted, live: Live, preview: Preview) -> tuple[str, ...]:
    """The changes of an object, with the field manager and time where somebody else set the live value.

    They are those of the dry run, or of shipit's own comparison where there was none. shipit's own annotations follow
    from the rest, and are left out where there is any.
    """
    found = find_changes(live, preview.result) if preview.result is not None else ()
    changes = found or wanted.found
    shown = [change for change in changes if not change.is_own_mark]
    lines = [line for change in shown if not switched(change) for line in _lines(change, live)]
    if rolled := sorted({*rolled_by(changes, live), *filter(None, map(switched, shown))}):
        changed = ", ".join(name.replace("/", " ", 1) for name in rolled)
        lines.append(f"{'rolls' if replaces_pods(preview.result or live) else 'for new pods'}: {changed} changed")
    if _ends_all_pods(changes, preview.result or live):
        lines.append("all of its pods end before new ones start (strategy: Recreate)")
    if not lines:
        lines = ["no value changes: shipit records what it applies, and owns its fields"]
    more = (f"and {len(lines) - _MOST_LINES} more",) if len(lines) > _MOST_LINES else ()
    return (*lines[:_MOST_LINES], *more, *unchecked_lines(preview))


def _ends_all_pods(changes: Iterable[Difference], result: Live) -> bool:
    """True for a change of a Deployment that leaves it without pods until new ones have started."""
    strategy = spec_of(result.manifest).get("strategy")
    is_recreated = isinstance(strategy, Mapping) and strategy.get("type") == "Recreate"
    has_pods = result.kind == "Deployment" and spec_of(result.manifest).get("replicas") != 0
    return is_recreated and has_pods and any(change.keys[:2] == ("spec", "template") for change in changes)


def changes_of(wanted: Wanted, live: Live, preview: Preview) -> tuple[FieldChange, ...]:
    """The changes of an object as data, without shipit's own annotations; at most as many as there are lines."""
    found = find_changes(live, preview.result) if preview.result is not None else ()
    shown = [change for change in found or wanted.found if not change.is_own_mark][:_MOST_LINES]
    return tuple(_as_data(change, live) for change in shown)


def lines_of(changes: Iterable[Difference], live: Live) -> tuple[str, ...]:
    """A line or more for each change, without shipit's own annotations."""
    lines = [line for change in changes if not change.is_own_mark for line in _lines(change, live)]
    return tuple(lines[:_MOST_LINES])


def facts_of(manifest: Manifest, replicas: Any = None) -> tuple[str, ...]:
    """The replicas and images of an object that is created. `replicas`: the initial count where an autoscaler sets it."""
    count = spec_of(manifest).get("replicas", replicas)
    lines = [] if count is None else [f"replicas {count}"]
    lines += [f"image {_shown(image)}" for image in container_images(manifest).values()]
    return tuple(lines)


def secret_names(manifest: Manifest) -> tuple[str, ...]:
    """The keys of a Secret, without values."""
    return tuple(f"{name} (secret)" for name in sorted(manifest.get("data") or ()))


def unchecked_lines(preview: Preview) -> tuple[str, ...]:
    """A line that says why the server did not check an object before it is applied; none where it did."""
    return (f"not checked by the API server yet: {preview.unchecked}",) if preview.unchecked else ()


def _lines(change: Difference, live: Live) -> Iterator[str]:
    path = change.path.removeprefix("spec.template.").removeprefix("spec.")
    if is_secret(live.manifest) and change.keys[:1] == ("data",):
        yield _secret_line(change) + _author(change, live)
    elif change.is_removed:
        yield f"- {path}"
    elif change.live is None:
        yield f"+ {path}  {_shown(change.wanted)}".rstrip() + _author(change, live)
    elif _is_text(change.live) and _is_text(change.wanted):
        yield path + _author(change, live)
        yield from _text_lines(change.live.splitlines(), change.wanted.splitlines())
    else:
        before, after = _around(_shown(change.live), _shown(change.wanted))
        yield f"{path}  {before} -> {after}" + _author(change, live)


def _secret_line(change: Difference) -> str:
    """A change of a Secret by its key, and by keyed hashes in place of the values."""
    name = change.path.removeprefix("data.")
    if change.is_removed:
        return f"- {name} (secret)"
    marks = [str(mark or "")[:_MARK_DIGITS] for mark in (change.live, change.wanted)]
    if change.live is None:
        return f"+ {name} (secret)"
    return f"{name} (secret)  hash {marks[0]} -> {marks[1]}" if all(marks) else f"{name} (secret)"


def _is_text(value: Any) -> bool:
    """Whether a value is text of several lines that can be compared by line."""
    return isinstance(value, str) and "\n" in value.rstrip("\n") and value.count("\n") <= _MOST_TEXT_LINES


def _text_lines(before: list[str], after: list[str]) -> Iterator[str]:
    """The changed lines with two around them, and the line where each part begins."""
    for line in list(unified_diff(before, after, n=_CONTEXT, lineterm=""))[2:]:
        hunk = _HUNK.fullmatch(line)
        yield f"  line {hunk['line']}:" if hunk else f"  {line[0]} {line[1:]}".rstrip()


def _around(before: str, after: str) -> tuple[str, str]:
    """Two long texts without most of what they have in common at their beginnings and ends."""
    if max(len(before), len(after)) <= _MOST_WHOLE:
        return before, after
    start = _common(before, after)
    end = min(_common(before[::-1], after[::-1]), min(len(before), len(after)) - start)
    first, last = max(0, start - _BESIDE), max(0, end - _BESIDE)
    return _part(before, first, last), _part(after, first, last)


def _common(one: str, other: str) -> int:
    """The length of the beginning that two texts have in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def _part(text: str, first: int, last: int) -> str:
    """A text without its first and last characters."""
    return f"{'...' if first else ''}{text[first : len(text) - last]}{'...' if last else ''}"


def _author(difference: Difference, live: Live) -> str:
    manager = None if difference.is_removed else _other(difference, live)
    if manager is None:
        return ""
    change = Change(manager, difference)
    return f", set by {change.by}{change.at}"


def _other(difference: Difference, live: Live) -> Manager | None:
    """The field manager that set the live value; None where that was shipit, or where there is none."""
    manager = author_of(live, difference)
    return None if manager is None or manager.name == MANAGED_BY or difference.live is None else manager


def _as_data(change: Difference, live: Live) -> FieldChange:
    manager = _other(change, live)
    by, at = (manager.name, manager.time) if manager else ("", "")
    return FieldChange(change.path, change.live, change.wanted, by, at)


def _shown(value: Any) -> str:
    """A value in one line, and digests by their first digits."""
    text = json.dumps(value) if isinstance(value, dict | list | bool) else "none" if value is None else str(value)
    return _DIGEST.sub(r"\1", text)
