"""The targets that a plan changes, for what protects them: locks, approvals and questions. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from shipit.release import Plan
from shipit.targets.base import Target
from shipit.targets.history import records_published


def changing_targets(targets: Iterable[Target], plan: Plan) -> frozenset[str]:
    """The names of those with steps or uploads, and of those that are registries in which the plan moves tags."""
    return frozenset(own.target for own in plan.targets if not own.is_empty) | moving_targets(targets, plan)


def moving_targets(targets: Iterable[Target], plan: Plan) -> frozenset[str]:
    """The names of those that are registries in which the plan moves tags."""
    moved = {move.repository for move in plan.tags}
    return frozenset(
        target.name
        for target in targets
        if records_published(target) and any(use.repository in moved for use in target.images())
    )
