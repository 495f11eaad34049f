"""Scaling and restarting the dynos of an app: the steps, and their verdicts. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from shipit.errors import DeployFailed
from shipit.release import Seen, State, Step, Verdict
from shipit.targets.heroku.judge import judge_dynos, replaced
from shipit.targets.heroku.observed import HerokuObserved, ShortDigest
from shipit.targets.heroku.plan_scale import plan_scale
from shipit.targets.heroku.steps import SHARE, Restart
from shipit.targets.heroku.wanted import Wanted, wanted_as_before
from shipit.targets.orders import RestartOrder, ScaleOrder


def plan_order_of_scale(order: ScaleOrder, observed: HerokuObserved) -> tuple[Step, ...]:
    """Raises: DeployFailed for a process type that the app does not have."""
    _check_there(order.quantities, observed)
    return plan_scale(order.quantities, {}, observed)


def judge_scale(order: ScaleOrder, observed: HerokuObserved, seen: Seen, *, pending_s: float) -> Verdict:
    for name, quantity in order.quantities.items():
        running = observed.formation.get(name)
        if running is None:
            return _gone(name)
        if running.quantity != quantity:
            return replaced(f"{name} is scaled to {running.quantity}, not {quantity}", None)
    return judge_dynos(_only(order.quantities, observed), observed, seen, pending_s)


def plan_restart(order: RestartOrder, observed: HerokuObserved) -> tuple[Step, ...]:
    """One step for all process types that have dynos. Raises: DeployFailed where none has."""
    _check_there(order.workloads, observed)
    names = tuple(name for name in order.workloads if observed.formation[name].quantity)
    if not names:
        what = f"{', '.join(order.workloads)} has no dynos" if len(order.workloads) == 1 else "no process has dynos"
        raise DeployFailed(what, where=observed.app, hint="shipit scale starts some")
    detail = tuple(f"{name}  {_manner(observed.formation[name].quantity)}" for name in names)
    return (
        Restart(f"restart {' '.join(names)}", f"restart {', '.join(names)}", detail, app=observed.id, processes=names),
    )


def _manner(quantity: int) -> str:
    if quantity == 1:
        return "1 dyno, which is down while it restarts"
    some = quantity // SHARE
    return f"{quantity} dynos, {'one after the other' if some < 2 else f'{some} at a time'}"


def judge_restart(order: RestartOrder, observed: HerokuObserved, seen: Seen, *, pending_s: float) -> Verdict:
    """Healthy when as many dynos are up as the formation says, and none is one of before."""
    for name in order.workloads:
        if name not in observed.formation:
            return _gone(name)
    before = seen.before if isinstance(seen.before, HerokuObserved) else None
    old = {(dyno.id, dyno.since) for dyno in before.dynos} if before else set()
    if kept := [
        dyno.name for dyno in observed.dynos if dyno.process in order.workloads and (dyno.id, dyno.since) in old
    ]:
        return Verdict(State.WAITING, f"{', '.join(kept)} not yet restarted", f"old {' '.join(kept)}")
    return judge_dynos(_only(order.workloads, observed), observed, seen, pending_s)


def _only(names: Collection[str], observed: HerokuObserved) -> Wanted:
    """What runs under these process types; an image that is not known counts as well."""
    wanted = wanted_as_before(observed, ())
    return replace(wanted, images={name: wanted.images.get(name, ShortDigest("")) for name in names})


def _check_there(names: Collection[str], observed: HerokuObserved) -> None:
    for name in names:
        if name not in observed.formation:
            raise DeployFailed(f"the app has no process type {name}", where=observed.app, hint="shipit deploy first")


def _gone(name: str) -> Verdict:
    return Verdict(State.FAILED, f"the formation has no process type {name}", hint="deploy again")
