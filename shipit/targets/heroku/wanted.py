"""What an app should be: by deploy.yml and the release, or by what was observed before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from shipit.digest import Digest
from shipit.targets.heroku.config import HerokuConfig
from shipit.targets.heroku.observed import RELEASE, HerokuObserved, ShortDigest


@dataclass(frozen=True)
class Wanted:
    """What should be: images, quantities and sizes by process type; env by value; secrets by mark.

    `prune` is whether what shipit made and deploy.yml no longer has is removed.
    """

    images: Mapping[str, Digest | ShortDigest]
    quantities: Mapping[str, int]
    sizes: Mapping[str, str]
    env: Mapping[str, str]
    env_marks: Mapping[str, str]
    secret_marks: Mapping[str, str]
    prune: bool = True

    @property
    def marks(self) -> dict[str, str]:
        return {**self.env_marks, **self.secret_marks}

    @property
    def shorts(self) -> dict[str, str]:
        """Process type -> first twelve digits of its image."""
        return {name: image.short for name, image in self.images.items()}


def wanted_of(
    config: HerokuConfig, env: Mapping[str, str], images: Mapping[str, Digest], marks: Mapping[str, str]
) -> Wanted:
    """`images`: process type -> config digest; `marks`: name -> keyed hash of each variable and secret."""
    processes = config.processes
    return Wanted(
        images=images,
        quantities={name: process.quantity for name, process in processes.items() if process.quantity is not None},
        sizes={name: process.size for name, process in processes.items() if process.size is not None},
        env=env,
        env_marks={name: mark for name, mark in marks.items() if name in env},
        secret_marks={name: mark for name, mark in marks.items() if name not in env},
        prune=config.prune,
    )


def wanted_as_before(before: HerokuObserved, names: Collection[str]) -> Wanted:
    """What ran before, as far as it is known; `names` are the config vars that this deploy may have changed."""
    types = {name: facts for name, facts in before.formation.items() if name != RELEASE}
    return Wanted(
        images={
            name: facts.image if facts.image and not facts.released else ShortDigest(facts.short)
            for name, facts in types.items()
        },
        quantities={name: facts.quantity for name, facts in types.items()},
        sizes={name: facts.size for name, facts in types.items()},
        env={},
        env_marks={name: before.config_marks[name] for name in names if name in before.config_marks},
        secret_marks={},
    )
