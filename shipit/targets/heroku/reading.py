"""Reads an app: all requests side by side, and the state that their answers give together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.descriptions import newest_of, running_images
from shipit.targets.heroku.observed import (
    NO_IMAGE,
    AppFacts,
    DynoFacts,
    HerokuObserved,
    ProcessFacts,
    ReleaseFacts,
    parse_owned,
)


class AppAnswers(NamedTuple):
    """The answers of one read; what was not requested is empty. `config` has values, which stay in memory."""

    app: AppFacts
    releases: tuple[ReleaseFacts, ...]
    formation: Mapping[str, ProcessFacts]
    config: Mapping[str, str] = {}
    dynos: tuple[DynoFacts, ...] = ()


def read_app(client: HerokuClient, *names: str) -> AppAnswers:
    """The app, its releases and formation, and `config` and `dynos` when named, requested side by side.

    Raises: RemoteError, the one about the app first; DeadlinePassed, Interrupted.
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
        answers = AppAnswers(**{name: future.result() for name, future in asked.items()})
    return answers._replace(formation=_with_released(answers.formation, answers.releases))


def _with_released(
    formation: Mapping[str, ProcessFacts], releases: tuple[ReleaseFacts, ...]
) -> dict[str, ProcessFacts]:
    """The formation, completed from the releases where it has no image, or the image of a release that failed."""
    running = running_images(releases)
    return {name: _completed(name, facts, running.get(name, ""), releases) for name, facts in formation.items()}


def _completed(name: str, facts: ProcessFacts, running: str, releases: tuple[ReleaseFacts, ...]) -> ProcessFacts:
    if facts.image is None:
        return facts._replace(released=running)
    release = newest_of(releases, name, facts.image.short)
    is_running = release is None or release.status not in ("failed", "pending")
    return facts if is_running else facts._replace(released=running or NO_IMAGE)


def with_owners(
    formation: Mapping[str, ProcessFacts], wanted: Collection[str], is_pushed: Callable[[str, str], bool | None]
) -> dict[str, ProcessFacts]:
    """The formation, with whether shipit pushed the image of each process type that deploy.yml does not have.

    `is_pushed(process, short)` looks for the tag that shipit puts beside each image; None when that is unknown.
    """
    return {
        name: facts if name in wanted else facts._replace(is_ours=is_pushed(name, facts.short))
        for name, facts in formation.items()
    }


def observed_of(answers: AppAnswers, mark: Callable[[str], str]) -> HerokuObserved:
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
        owned=parse_owned(answers.config),
    )
