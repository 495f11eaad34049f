"""The lines that explain a step in the plan. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from shipit.targets.kubernetes.drift import Difference
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.objects import container_images, spec_of
from shipit.targets.kubernetes.render import MANAGED_BY, Manifest
from shipit.targets.kubernetes.superseded import Change, author_of

_DETAIL_LINES = 8
_DIGEST = re.compile(r"sha256:([0-9a-f]{12})[0-9a-f]{52}")


def detail_of(
    found: Sequence[Difference], live: Live, line: Callable[[Difference], str] | None = None
) -> tuple[str, ...]:
    """A line for each change, eight at most, with the field manager and time where somebody else set the live value.

    shipit's own annotations follow from the rest, and are left out where there is any.
    """
    shown = [change for change in found if not change.is_own_mark] or found
    more = (f"and {len(shown) - _DETAIL_LINES} more",) if len(shown) > _DETAIL_LINES else ()
    return (*((line or _line)(change) + _author(change, live) for change in shown[:_DETAIL_LINES]), *more)


def facts_of(manifest: Manifest, replicas: Any = None) -> tuple[str, ...]:
    """The replicas and images of an object that is created. `replicas`: the initial count where an autoscaler sets it."""
    count = spec_of(manifest).get("replicas", replicas)
    lines = [] if count is None else [f"replicas {count}"]
    lines += [f"image {_shown(image)}" for image in container_images(manifest).values()]
    return tuple(lines)


def secret_names(manifest: Manifest) -> tuple[str, ...]:
    """The keys of a Secret, without values."""
    names = sorted(manifest.get("data") or ())
    more = (f"and {len(names) - _DETAIL_LINES} more",) if len(names) > _DETAIL_LINES else ()
    return (*(f"{name} (secret)" for name in names[:_DETAIL_LINES]), *more)


def secret_line(change: Difference) -> str:
    """A change of a Secret, without values."""
    return f"{'- ' if change.is_removed else ''}{change.path.removeprefix('data.')} (secret)"


def _line(change: Difference) -> str:
    where = change.path.removeprefix("spec.template.").removeprefix("spec.")
    if change.is_removed:
        return f"- {where}"
    return f"{where}  {_shown(change.live)} -> {_shown(change.wanted)}"


def _author(difference: Difference, live: Live) -> str:
    manager = author_of(live, difference)
    if manager is None or manager.name == MANAGED_BY or difference.is_removed:
        return ""
    change = Change(manager, difference)
    return f", set by {change.by}{change.at}"


def _shown(value: Any) -> str:
    return _DIGEST.sub(r"\1", "none" if value is None else str(value))
