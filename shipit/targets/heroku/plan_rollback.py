"""The way back of an app to what was observed before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shipit.digest import Digest
from shipit.release import PayloadStep as Step
from shipit.targets.heroku.observed import NOTHING, OWNED, HerokuObserved, ProcessFacts
from shipit.targets.heroku.plan import RELEASE, Wanted, plan_scale


def plan_back(
    before: HerokuObserved, now: HerokuObserved, ours: Mapping[str, Digest], names: Collection[str] | None = None
) -> tuple[Step, ...]:
    """One rollback, config vars, then quantities and sizes.

    `ours`: process type -> the config digest that this deploy released. Where another runs, someone else released
    since, and nothing is done. Nor are images where nothing ran before, or its release can't be released again.
    `names` are the config vars that this deploy may have changed; None means all.

    Source: Heroku Platform API, POST /apps/{app}/releases, `release`.
    """
    if any(_is_foreign(name, facts, before, ours) for name, facts in now.formation.items()):
        return ()
    base = {"baseline": now.version, "app": before.id}
    release = next((release for release in before.releases if release.status == "succeeded"), None)
    steps = []
    if before.formation and _images(before) != _images(now) and release and release.is_eligible:
        payload = {"rollback": release.id, "images": {name: image.short for name, image in ours.items()}, **base}
        steps.append(Step("rollback", f"roll back to v{release.version}", payload=payload))
    ours_of = {*before.config_marks, *now.config_marks} if names is None else {*names, OWNED}
    changed = sorted(name for name in ours_of if before.config_marks.get(name) != now.config_marks.get(name))
    if changed:
        # Whether a rollback brings config vars back is Heroku's to say; what it left is set, by name.
        steps.append(Step("config back", f"put {', '.join(changed)} back", payload={"names": changed, **base}))
    quantities = {name: facts.quantity for name, facts in before.formation.items() if name != RELEASE}
    sizes = {name: facts.size for name, facts in before.formation.items() if name != RELEASE}
    scale = plan_scale(Wanted({}, quantities, sizes, {}, {}, {}), now)
    return (*steps, *((scale,) if scale else ()))


def _is_foreign(name: str, facts: ProcessFacts, before: HerokuObserved, ours: Mapping[str, Digest]) -> bool:
    """Whether a process type runs what neither ran before nor is of this deploy; what is not known is not foreign."""
    known = {"", NOTHING}
    known |= {before.formation[name].short} if name in before.formation else set()
    known |= {ours[name].short} if name in ours else set()
    return facts.short not in known


def _images(observed: HerokuObserved) -> dict[str, str]:
    return {name: facts.short for name, facts in observed.formation.items()}
