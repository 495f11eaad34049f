"""One look at an app: every question at once, and what the answers tell together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.descriptions import newest_giving, running_images
from shipit.targets.heroku.observed import NOTHING, AppFacts, DynoFacts, HerokuObserved, ProcessFacts, ReleaseFacts


class Answers(NamedTuple):
    """What one look gave; what was not asked for is empty."""

    app: AppFacts
    releases: tuple[ReleaseFacts, ...]
    formation: Mapping[str, ProcessFacts]
    config: Mapping[str, str] = {}
    dynos: tuple[DynoFacts, ...] = ()


def ask(client: HerokuClient, *names: str) -> Answers:
    """The app, its releases and formation, and those of `config` and `dynos` that are named, asked side by side.

    Raises: RemoteError, that about the app first; DeadlinePassed, Interrupted.
    """
    calls: dict[str, Callable[[], Any]] = {
        "app": client.facts,
        "releases": client.releases,
        "formation": client.formation,
        "config": client.config_vars,
        "dynos": client.dynos,
    }
    wanted = [name for name in calls if name in ("app", "releases", "formation", *names)]
    with ThreadPoolExecutor(len(wanted), "heroku") as pool:
        asked = {name: pool.submit(calls[name]) for name in wanted}
        answers = Answers(**{name: future.result() for name, future in asked.items()})
    return answers._replace(formation=_with_told(answers.formation, answers.releases))


def _with_told(formation: Mapping[str, ProcessFacts], releases: tuple[ReleaseFacts, ...]) -> dict[str, ProcessFacts]:
    """The formation, with what the releases tell where it does not, or has an image whose release took no effect."""
    told = running_images(releases)
    return {name: _told(name, facts, told.get(name, ""), releases) for name, facts in formation.items()}


def _told(name: str, facts: ProcessFacts, told: str, releases: tuple[ReleaseFacts, ...]) -> ProcessFacts:
    given = newest_giving(releases, name, facts.image.short) if facts.image else None
    if facts.image is None:
        return replace(facts, told=told)
    return replace(facts, told=told or NOTHING) if given and given.status in ("failed", "pending") else facts


def with_owners(
    formation: Mapping[str, ProcessFacts], wanted: Collection[str], is_pushed: Callable[[str, str], bool | None]
) -> dict[str, ProcessFacts]:
    """The formation, with whether shipit pushed what runs where deploy.yml does not have a process type.

    `is_pushed(process, short)` looks for the tag that shipit puts beside each image; None where it can't tell.
    """
    return {
        name: facts if name in wanted else replace(facts, is_ours=is_pushed(name, facts.short))
        for name, facts in formation.items()
    }


def observed_of(answers: Answers, mark: Callable[[str], str]) -> HerokuObserved:
    """The app as observed; `mark` gives the keyed hash of a config var's value."""
    app = answers.app
    return HerokuObserved(
        app=app.name,
        stack=app.stacks[0],
        generation=app.generation,
        maintenance=app.maintenance,
        web_url=app.web_url,
        formation=answers.formation,
        config_marks={name: mark(value) for name, value in answers.config.items()},
        releases=answers.releases,
        dynos=answers.dynos,
        id=app.id,
        config=answers.config,
    )


def without(observed: HerokuObserved, taken_out: Collection[str]) -> HerokuObserved:
    """The app with nothing in the process types that were taken out: a formation may show what it was asked for last."""
    formation = {
        name: replace(facts, told=NOTHING) if name in taken_out else facts for name, facts in observed.formation.items()
    }
    return replace(observed, formation=formation)
