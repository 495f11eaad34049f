"""The steps that bring an app back to what was observed before a deploy. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shipit.digest import Digest
from shipit.release import Step
from shipit.targets.heroku.observed import NO_IMAGE, OWNED, RELEASE, HerokuObserved, ProcessFacts
from shipit.targets.heroku.plan_scale import plan_scale
from shipit.targets.heroku.steps import DeployStep, DynoScale, RemoveProcess, RestoreConfig, RollBack, Scale, SetConfig
from shipit.targets.heroku.wanted import wanted_as_before

Shorts = Mapping[str, str]


def plan_rollback(
    before: HerokuObserved, now: HerokuObserved, ours: Mapping[str, Digest], names: Iterable[str]
) -> tuple[Step, ...]:
    """One rollback, config vars, then quantities and sizes.

    `ours`: process type -> the config digest that this deploy released. Empty when somebody else released another image
    since. No rollback where nothing ran before, or the earlier release can't be released again. `names` are the config
    vars that this deploy may have changed.

    Source: Heroku Platform API, POST /apps/{app}/releases, `release`.
    """
    if any(_is_foreign(name, facts, before, ours) for name, facts in now.formation.items()):
        return ()
    shorts = {name: image.short for name, image in ours.items()}
    back = _roll_back(before, shorts, now.version) if _images(before) != _images(now) else ()
    known = sorted({*names, OWNED})
    changed = [name for name in known if before.config_marks.get(name) != now.config_marks.get(name)]
    # Heroku may or may not restore config vars on a rollback: those that differ afterwards are set by name.
    restore = _restore(before, changed, shorts, now.version, back)
    wanted = wanted_as_before(before, known)
    return (*back, *restore, *plan_scale(wanted.quantities, wanted.sizes, now))


def plan_undo(step: DeployStep, earlier: Sequence[DeployStep], before: HerokuObserved) -> tuple[Step, ...]:
    """What undoes a deploy's earlier steps, and the config vars of this one, when its release command fails.

    A process type stays and images stay when the release command fails; config vars are set all the same.
    """
    removed = [item.process for item in earlier if isinstance(item, RemoveProcess)]
    changed = {name for item in (*earlier, step) for name in _variables(item)}
    back = _roll_back(before, step.images, step.baseline) if removed else ()
    restore = _restore(before, sorted(changed), step.images, step.baseline, back)
    return (*back, *restore, *(_scale_back(before, removed) if back else ()))


def _variables(step: DeployStep) -> list[str]:
    match step:
        case SetConfig(variables=variables, secrets=secrets, removed=removed, owned=owned):
            return [*variables, *secrets, *removed, *([OWNED] if owned is not None else [])]
        case RestoreConfig(marks=marks):
            return list(marks)
    return []


def _roll_back(before: HerokuObserved, images: Shorts, baseline: int) -> tuple[RollBack, ...]:
    version, release = before.before.version, before.before.release
    if not release:
        return ()
    step = RollBack(
        "rollback",
        f"roll back to v{version}",
        effect="replace",
        undo="deploy again",
        app=before.id,
        baseline=baseline,
        images=images,
        release=release,
        version=version,
    )
    return (step,)


def _restore(
    before: HerokuObserved, names: Sequence[str], images: Shorts, baseline: int, back: Sequence[RollBack]
) -> tuple[RestoreConfig, ...]:
    if not names:
        return ()
    step = RestoreConfig(
        "config back",
        f"restore {', '.join(names)}",
        undo="deploy again",
        app=before.id,
        baseline=baseline,
        images=images,
        version=before.version,
        marks={name: before.config_marks.get(name) for name in names},
        rolled_back_to=back[0].version if back else 0,
    )
    return (step,)


def _scale_back(before: HerokuObserved, names: Iterable[str]) -> tuple[Scale, ...]:
    """Dynos of process types that were removed: a process type that comes back may have none."""
    known = {name: before.formation[name] for name in names if name != RELEASE}
    if not known:
        return ()
    processes = {name: DynoScale(facts.quantity, facts.size) for name, facts in known.items()}
    return (
        Scale("scale back", f"scale {', '.join(processes)}", undo="deploy again", app=before.id, processes=processes),
    )


def _is_foreign(name: str, facts: ProcessFacts, before: HerokuObserved, ours: Mapping[str, Digest]) -> bool:
    """Whether a process type runs an image that neither ran before nor is of this deploy. False when its image is unknown."""
    known = {"", NO_IMAGE}
    known |= {before.formation[name].short} if name in before.formation else set()
    known |= {ours[name].short} if name in ours else set()
    return facts.short not in known


def _images(observed: HerokuObserved) -> dict[str, str]:
    return {name: facts.short for name, facts in observed.formation.items()}
