"""The steps that release images again which Heroku has deleted, from another registry. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.digest import Digest
from shipit.reference import parse_reference
from shipit.release import Step
from shipit.targets.heroku.observed import RELEASE, HerokuObserved
from shipit.targets.heroku.plan import in_order, removal
from shipit.targets.heroku.steps import PushAgain, ReleaseImages


class Source(NamedTuple):
    """Where the image of a process type still is. `reference` is by digest; the rest is as in PushAgain."""

    image: str
    reference: str
    config_digest: Digest
    command: tuple[str, ...] | None = None
    attempt: int = 0


def plan_again(images: Mapping[str, str], sources: Mapping[str, Source], observed: HerokuObserved) -> tuple[Step, ...]:
    """Push the images that do not run, take out process types that the release did not have, and release the images.

    `images`: process type -> first twelve digits. What a release command of now would run on is taken out before.
    """
    running = {name: facts.short for name, facts in observed.formation.items()}
    stale = {name: source for name, source in sorted(sources.items()) if running.get(name) != images[name]}
    gone = sorted(running.keys() - images.keys(), key=lambda name: (name != RELEASE, name))
    pushes = [_push(name, source, images, observed) for name, source in stale.items()]
    removals = [removal(name, images, observed, f"remove {name}") for name in gone]
    releasing = [*removals, *([_release(stale, running, images, observed)] if stale else [])]
    return (*pushes, *in_order(releasing, observed))


def _push(name: str, source: Source, images: Mapping[str, str], observed: HerokuObserved) -> PushAgain:
    from_ = parse_reference(source.reference)
    return PushAgain(
        f"push {name}",
        f"push {source.image} again from {from_.name}",
        (f"{name}  {source.config_digest.short}, which Heroku has deleted", f"from {source.reference}"),
        effect="create",
        app=observed.id,
        baseline=observed.version,
        images=images,
        process=name,
        source=source.reference,
        config_digest=source.config_digest,
        command=source.command,
        attempt=source.attempt,
    )


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
