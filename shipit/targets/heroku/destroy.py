"""Removing what shipit made in an app: its dynos are stopped; the app itself is deleted where the user names it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.release import Destruction, Leftover, Step
from shipit.targets.heroku.observed import RELEASE, HerokuObserved
from shipit.targets.heroku.plan_scale import plan_scale
from shipit.targets.heroku.steps import DeleteApp


def plan_destroy(app: str, inventory: HerokuObserved | None, wanted: Destruction) -> tuple[Step, ...]:
    """One step; none for an app that is not there or runs nothing of shipit. `inventory` is None without the app."""
    if inventory is None:
        return ()
    if _name(app) in wanted.named:
        detail = ("with its releases, config vars and add-ons",)
        return (
            DeleteApp(
                "delete app", f"delete the app {app}", detail, "delete", True, "create it again", app=inventory.id
            ),
        )
    running = {name: 0 for name, facts in inventory.formation.items() if facts.is_ours is not False and name != RELEASE}
    return plan_scale(running, {}, inventory)


def leftovers(app: str, inventory: HerokuObserved | None, wanted: Destruction) -> Iterator[Leftover]:
    if inventory is not None and _name(app) not in wanted.named:
        what = f"the app {app} stays, with its releases and config vars: --include {_name(app)} deletes it"
        yield Leftover(what, _name(app))


def _name(app: str) -> str:
    return f"app/{app}"
