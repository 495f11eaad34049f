"""The steps that release images again which Heroku has deleted, from another registry. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipit.reference import parse_reference
from shipit.release import Step
from shipit.targets.heroku.observed import RELEASE, HerokuObserved
from shipit.targets.heroku.plan import in_order, removal
from shipit.targets.heroku.recalled import HerokuRecalled, Source, absent
from shipit.targets.heroku.steps import DeployStep, PushAgain, ReleaseImages, RestoreConfig


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
    gone = absent(recalled, observed)
    removals = [removal(name, images, observed, f"remove {name}") for name in gone if name != RELEASE]
    others: list[DeployStep] = [step for step in (config, *removals) if step]
    first: list[DeployStep] = []
    if RELEASE in gone:
        first = [removal(RELEASE, images, observed, f"remove {RELEASE}")]
    elif others and RELEASE in stale and RELEASE in observed.formation:
        first = [removal(RELEASE, images, observed, "take out the present release command")]
    last = [_release(stale, running, images, observed)] if stale else []
    pushes = [_push(name, source, recalled, observed) for name, source in stale.items()]
    return (*pushes, *in_order([*first, *others, *last], observed))


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


def _release(
    stale: Mapping[str, Source], running: Mapping[str, str], images: Mapping[str, str], observed: HerokuObserved
) -> ReleaseImages:
    version = observed.before.version
    return ReleaseImages(
        "release",
        f"release {', '.join(stale)}",
        tuple(f"{name}  {running.get(name) or 'none'} -> {images[name]}" for name in stale),
        effect="replace",
        undo=f"roll back to v{version}" if version else "deploy again",
        app=observed.id,
        baseline=observed.version,
        images=images,
        updates={name: source.config_digest for name, source in stale.items()},
    )
