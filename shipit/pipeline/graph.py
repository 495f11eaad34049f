"""The order of targets. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

from shipit.errors import UsageError


def select_targets(asked: Sequence[str], known: Mapping[str, object]) -> tuple[str, ...]:
    """The names to deploy: those asked for, in the file's order, or all.

    Raises: UsageError for a name that is no target, with the nearest that is.
    """
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            hint = f"did you mean {near[0]}?" if near else f"targets here: {', '.join(known) or 'none'}"
            raise UsageError(f"there is no target {name!r}", hint=hint)
    return tuple(name for name in known if not asked or name in asked)


def run_order(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The names in an order in which each comes after those that it needs. Needs that are not among the keys are ignored."""
    known = {name: [need for need in own if need in needs] for name, own in needs.items()}
    return tuple(TopologicalSorter(known).static_order())
