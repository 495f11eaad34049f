"""Removing what shipit made in an app: its dynos are stopped; the app itself is deleted where the user names it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from shipit.release import Destruction, Leftover, Step
from shipit.targets.heroku.observed import RELEASE, HerokuObserved
from shipit.targets.heroku.plan_scale import plan_scale
from shipit.targets.heroku.steps import DeleteApp


def plan_destroy(
    app: str, processes: Collection[str], inventory: HerokuObserved | None, wanted: Destruction
) -> tuple[Step, ...]:
    """One step; none for an app that is not there or runs nothing of shipit.

    A process type is stopped where shipit pushed its image. Where that is unknown, it is stopped if it is one of
    `processes`, those of deploy.yml. `inventory` is None without the app.
    """
    if inventory is None:
        return ()
    if _name(app) in wanted.named:
        detail = ("with its releases, config vars and add-ons",)
        return (
            DeleteApp(
                "delete app", f"delete the app {app}", detail, "delete", True, "create it again", app=inventory.id
            ),
        )
    return plan_scale(dict.fromkeys(_ours(processes, inventory), 0), {}, inventory)


def leftovers(
    app: str, processes: Collection[str], inventory: HerokuObserved | None, wanted: Destruction
) -> Iterator[Leftover]:
    if inventory is None or _name(app) in wanted.named:
        return
    what = f"the app {app} stays, with its releases and config vars: --include {_name(app)} deletes it"
    yield Leftover(what, _name(app))
    for name, facts in sorted(inventory.formation.items()):
        if facts.quantity and name != RELEASE and name not in _ours(processes, inventory):
            yield Leftover(f"the dynos of {name} stay: shipit did not release them")


def _ours(processes: Collection[str], inventory: HerokuObserved) -> list[str]:
    found = inventory.formation.items()
    owners = {name: facts.is_ours for name, facts in found if name != RELEASE}
    return [name for name, is_ours in owners.items() if is_ours or (is_ours is None and name in processes)]


def _name(app: str) -> str:
    return f"app/{app}"
