"""The step that brings dynos to their wanted number and size. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from shipit.targets.heroku.observed import HerokuObserved
from shipit.targets.heroku.steps import DynoScale, Scale


def plan_scale(quantities: Mapping[str, int], sizes: Mapping[str, str], observed: HerokuObserved) -> tuple[Scale, ...]:
    """One step for all process types whose quantity or size differs; none when up to date."""
    processes: dict[str, DynoScale] = {}
    detail, undo = [], []
    for name in sorted({*quantities, *sizes}):
        facts = observed.formation.get(name)
        quantity, size = quantities.get(name), sizes.get(name, "")
        has_count = quantity is None or (facts is not None and facts.quantity == quantity)
        has_size = not size or (facts is not None and facts.size.lower() == size.lower())
        if not has_count:
            detail.append(f"{name}  {facts.quantity if facts else 0} -> {quantity} dynos")
        if not has_size:
            detail.append(f"{name}  {facts.size if facts else 'none'} -> {size}")
        if not has_count or not has_size:
            processes[name] = DynoScale(None if has_count else quantity, "" if has_size else size)
            undo += [f"{name}={facts.quantity}:{facts.size}"] if facts else []
    if not processes:
        return ()
    summary, command = f"scale {', '.join(processes)}", f"heroku ps:scale {' '.join(undo)}" if undo else ""
    return (Scale("scale", summary, tuple(detail), undo=command, app=observed.id, processes=processes),)
