"""An earlier release of an app, as values: what ran then, and where its images are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.digest import Digest
from shipit.targets.heroku.observed import RELEASE, HerokuObserved


class Source(NamedTuple):
    """Where the image of a process type still is. `reference` is by digest; `command` and `attempt` are as in PushAgain.

    `proved` is the config digest that the release had, and `config_digest` the one to release: another one where Heroku
    would ignore the first. `is_exact` is False where only the first twelve digits of `proved` were known.
    """

    image: str
    reference: str
    config_digest: Digest
    proved: Digest
    command: tuple[str, ...] | None = None
    attempt: int = 0
    is_exact: bool = True


class HerokuRecalled(NamedTuple):
    """An earlier release. `images`: process type -> first twelve digits. `config_marks`: name -> keyed hash of the value then.

    `owned` are the names of the config vars that shipit had set then. `named` are the process types of all releases up to
    it; None where the releases do not tell them all. `gone` says why Heroku can't return to it, and is empty where it can.
    Then `sources` has where images are that do not run: process type -> source.
    """

    version: int
    id: str
    images: Mapping[str, str]
    config_marks: Mapping[str, str]
    owned: frozenset[str] = frozenset()
    named: frozenset[str] | None = None
    gone: str = ""
    sources: Mapping[str, Source] = {}


def absent(recalled: HerokuRecalled, observed: HerokuObserved) -> list[str]:
    """Process types of now that the release certainly did not have: the release command first."""
    found = [name for name in observed.formation if recalled.named is not None and name not in recalled.named]
    return sorted(found, key=lambda name: (name != RELEASE, name))


def uncertain(recalled: HerokuRecalled, observed: HerokuObserved) -> list[str]:
    """Process types of now of which the releases do not tell whether the release had them."""
    return sorted(observed.formation.keys() - recalled.images.keys() - set(absent(recalled, observed)))
