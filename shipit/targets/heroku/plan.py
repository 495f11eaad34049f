"""The steps from an app as it is to an app as it should be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from shipit.digest import Digest
from shipit.release import Step
from shipit.targets.heroku.observed import OWNED, RELEASE, WEB, HerokuObserved, ProcessFacts, ShortDigest
from shipit.targets.heroku.plan_rollback import plan_undo
from shipit.targets.heroku.plan_scale import plan_scale
from shipit.targets.heroku.steps import DeployStep, ReleaseImages, RemoveProcess, SetConfig
from shipit.targets.heroku.wanted import Wanted


def plan_heroku(wanted: Wanted, observed: HerokuObserved) -> tuple[Step, ...]:
    """Config vars in one request, removed process types, every stale process type in one release, then the scale.

    Each of the first three makes a release, and each release runs the release command that the app has at that moment.
    Where a new command comes last, the old one is taken out first: it would run on the new config vars, and two commands
    would run.
    """
    config, removals, release = (
        plan_config(wanted, observed),
        plan_removals(wanted, observed),
        plan_release(wanted, observed),
    )
    releasing = order_releases(config, removals, release, wanted.shorts, observed)
    return (*releasing, *plan_scale(wanted.quantities, wanted.sizes, observed))


def order_releases(
    config: DeployStep | None,
    removals: Sequence[RemoveProcess],
    release: ReleaseImages | None,
    shorts: Mapping[str, str],
    observed: HerokuObserved,
) -> Iterator[DeployStep]:
    """The steps that each make a release, in their order: a release command that goes or changes is taken out first."""
    command = next((step for step in removals if step.process == RELEASE), None)
    others = [step for step in (config, *removals) if step and step is not command]
    if release and others and RELEASE in observed.formation and RELEASE in release.updates:
        command = removal(RELEASE, shorts, observed, "take out the present release command")
    return _in_order([step for step in (command, *others, release) if step], observed)


def plan_config(wanted: Wanted, observed: HerokuObserved) -> SetConfig | None:
    """One request that sets what differs, and removes what shipit set and deploy.yml no longer has."""
    marks = wanted.marks
    stale = sorted(name for name, mark in marks.items() if observed.config_marks.get(name) != mark)
    removed = _unwanted_variables(wanted, observed) if wanted.prune else ()
    if not stale and not removed:
        return None
    secrets = {name: marks[name] for name in stale if name in wanted.secret_marks}
    variables = {name: marks[name] for name in stale if name in wanted.env}
    owned = (observed.owned - set(removed)) | set(stale)
    detail = [f"{name}={wanted.env[name]}" for name in variables]
    detail += [f"{name} (secret)" for name in secrets]
    detail += [f"{name}  no longer in deploy.yml" for name in removed]
    if owned != observed.owned:
        detail.append(f"{OWNED} lists the variables that shipit has set")
    parts = (("set", stale), ("remove", removed))
    return SetConfig(
        "config",
        "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts if names),
        tuple(detail),
        effect="change" if stale else "delete",
        undo=f"set the config vars of v{observed.version} again",
        app=observed.id,
        baseline=observed.version,
        images=wanted.shorts,
        variables=variables,
        secrets=secrets,
        removed=removed,
        owned=tuple(sorted(owned)) if owned != observed.owned else None,
    )


def _unwanted_variables(wanted: Wanted, observed: HerokuObserved) -> tuple[str, ...]:
    """Config vars that shipit set, that still exist, and that deploy.yml does not have."""
    return tuple(sorted(name for name in observed.owned if name in observed.config_marks and name not in wanted.marks))


def plan_removals(wanted: Wanted, observed: HerokuObserved) -> list[RemoveProcess]:
    """Process types whose image shipit pushed and that deploy.yml no longer has."""
    names = _unwanted_processes(wanted, observed) if wanted.prune else []
    return [removal(name, wanted.shorts, observed, f"remove {name}") for name in names]


def _unwanted_processes(wanted: Wanted, observed: HerokuObserved) -> list[str]:
    return sorted(name for name, facts in observed.formation.items() if name not in wanted.images and facts.is_ours)


def removal(name: str, shorts: Mapping[str, str], observed: HerokuObserved, summary: str) -> RemoveProcess:
    """Takes a process type out. `shorts`: process type -> first twelve digits of what is released with it."""
    image = observed.formation[name].short
    return RemoveProcess(
        f"remove {name}",
        summary,
        (f"{name}  {image or 'unknown'} -> none", *(("nothing serves requests then",) if name == WEB else ())),
        effect="delete",
        undo=_rollback(observed),
        app=observed.id,
        baseline=observed.version,
        images=shorts,
        process=name,
        image=image,
    )


def plan_release(wanted: Wanted, observed: HerokuObserved) -> ReleaseImages | None:
    """One release for all stale process types."""
    running = observed.formation
    stale = {name: image for name, image in sorted(wanted.images.items()) if not _runs(running.get(name), image)}
    return release_step(stale, wanted.shorts, observed) if stale else None


def release_step(
    stale: Mapping[str, Digest | ShortDigest], shorts: Mapping[str, str], observed: HerokuObserved
) -> ReleaseImages:
    """One release of these images. `shorts`: process type -> first twelve digits of all that is released.

    Source: Heroku Platform API, PATCH /apps/{app}/formation, `updates[].docker_image`, the config digest.
    """
    running = observed.formation
    return ReleaseImages(
        "release",
        f"release {', '.join(stale)}",
        tuple(f"{name}  {_image(running.get(name))} -> {image.short}" for name, image in stale.items()),
        effect="replace" if any(name in running for name in stale) else "create",
        undo=_rollback(observed),
        app=observed.id,
        baseline=observed.version,
        images=shorts,
        updates={name: image for name, image in stale.items() if isinstance(image, Digest)},
    )


def _rollback(observed: HerokuObserved) -> str:
    version = observed.before.version
    return f"roll back to v{version}" if version else ""


def _in_order(steps: Sequence[DeployStep], observed: HerokuObserved) -> Iterator[DeployStep]:
    """Steps that each make a release: which of how many, the command that runs in it, and what undoes it when that fails."""
    facts = observed.formation.get(RELEASE)
    command = (facts.short or "its present image") if facts else ""
    for index, step in enumerate(steps):
        match step:
            case RemoveProcess(process="release"):
                command = ""
            case ReleaseImages(updates=updates) if RELEASE in updates:
                command = updates[RELEASE].short
        text = f"runs the release command in {command} first; if it fails, what runs now stays" if command else ""
        if len(steps) > 1:
            text = f"release {index + 1} of {len(steps)}, {text or 'without a release command'}"
        detail = (*step.detail, text) if text else step.detail
        yield replace(step, detail=detail, before=observed.before, on_failure=plan_undo(step, steps[:index], observed))


def notes_on(wanted: Wanted, observed: HerokuObserved) -> tuple[str, ...]:
    """Notes for the plan: what deploy.yml does not have, and stays on the app."""
    notes = []
    if not wanted.prune:
        kept = [*_unwanted_processes(wanted, observed), *_unwanted_variables(wanted, observed)]
        notes += [f"{name} is no longer in deploy.yml, and stays: prune is false" for name in kept]
    for name, facts in sorted(observed.formation.items()):
        if name not in wanted.images and not facts.is_ours:
            why = "is not known to be ours" if facts.is_ours is None else "was not pushed by shipit"
            notes.append(f"{name} is not in deploy.yml, and stays: its image {why}")
    return tuple(notes)


def _runs(facts: ProcessFacts | None, image: Digest | ShortDigest) -> bool:
    return bool(facts and facts.runs(image))


def _image(facts: ProcessFacts | None) -> str:
    return (facts.short or "unknown") if facts else "none"
