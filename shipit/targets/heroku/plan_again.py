"""The steps that release images again which Heroku has deleted, from another registry. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.reference import parse_reference
from shipit.release import Step
from shipit.targets.heroku.observed import HerokuObserved
from shipit.targets.heroku.plan import order_releases, release_step, removal
from shipit.targets.heroku.recalled import HerokuRecalled, Source, absent
from shipit.targets.heroku.steps import PushAgain, RestoreConfig


def plan_again(
    recalled: HerokuRecalled, observed: HerokuObserved, config: RestoreConfig | None = None
) -> tuple[Step, ...]:
    """Push the images that do not run, restore config vars, take out process types, and release the images.

    The releases are in the order of `plan_heroku`: where the release had another release command, or none, the present one
    is taken out first. Only process types that the release certainly did not have are taken out.
    """
    images = recalled.images
    running = {name: facts.short for name, facts in observed.formation.items()}
    stale = {name: source for name, source in sorted(recalled.sources.items()) if running.get(name) != images[name]}
    removals = [removal(name, images, observed, f"remove {name}") for name in absent(recalled, observed)]
    updates = {name: source.config_digest for name, source in stale.items()}
    release = release_step(updates, images, observed) if updates else None
    pushes = [_push(name, source, recalled, observed) for name, source in stale.items()]
    return (*pushes, *order_releases(config, removals, release, images, observed))


def _push(name: str, source: Source, recalled: HerokuRecalled, observed: HerokuObserved) -> PushAgain:
    from_ = parse_reference(source.reference)
    return PushAgain(
        f"push {name}",
        f"push {source.image} again from {from_.name}",
        tuple(_told(name, source, recalled)),
        effect="create",
        app=observed.id,
        baseline=observed.version,
        images=recalled.images,
        process=name,
        source=source.reference,
        config_digest=source.config_digest,
        command=source.command,
        attempt=source.attempt,
    )


def _told(name: str, source: Source, recalled: HerokuRecalled) -> Iterator[str]:
    yield f"{name}  {source.proved.short} of v{recalled.version}: {recalled.gone}"
    yield f"from {source.reference}"
    yield f"proved by {'its digest' if source.is_exact else 'the first 12 digits of its digest: no known run has all of it'}"
    if source.config_digest != source.proved:
        yield f"as {source.config_digest.short}, with a label more: its last release failed, and Heroku ignores the same image"
