"""The steps of a Heroku app, as data: one class for each change, with all that applying it in another process needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from shipit.digest import Digest
from shipit.release import Step
from shipit.targets.heroku.observed import NOTHING_BEFORE, Before

# Of so many dynos of a process type one may be away at a time while they restart: a quarter, as in a rollout of Kubernetes.
SHARE = 4


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class AppStep(Step):
    """A change to one app. `app` is its id: the name could be given to another app.

    Only its subclasses are created: a class without methods of its own costs less to import.
    """

    releases: ClassVar[frozenset[str] | None] = frozenset()

    app: str


class DynoScale(NamedTuple):
    """The wanted number of dynos and their size; None and empty leave it as it is."""

    quantity: int | None = None
    size: str = ""


@dataclass(frozen=True, kw_only=True)
class Scale(AppStep):
    """Sets the quantity and size of dynos by process type. Makes no release."""

    type: ClassVar[str] = "heroku.scale"

    processes: Mapping[str, DynoScale]


@dataclass(frozen=True, kw_only=True)
class DeleteApp(AppStep):
    """Deletes the app with its releases, config vars and add-ons."""

    type: ClassVar[str] = "heroku.delete_app"


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class ReleasingStep(AppStep):
    """A change that makes a release, and so runs the release command of the app.

    `baseline` is the newest version when the plan was made: a later release of other images is somebody else's.
    `images` has the images that this run releases, or has released: process type -> first twelve digits.
    """

    baseline: int
    images: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class DeployStep(ReleasingStep):
    """A step of a deploy. `on_failure` undoes it and the steps before it when its release command fails."""

    before: Before = NOTHING_BEFORE
    on_failure: tuple[Step, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SetConfig(DeployStep):
    """Sets and removes config vars in one request.

    `variables` and `secrets`: name -> keyed hash of the value that the plan was made with; the values are taken from the
    session. A variable may contain a secret by interpolation. `owned` are the names that shipit has set from now on; None
    leaves that note unchanged.
    """

    type: ClassVar[str] = "heroku.set_config"

    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    removed: tuple[str, ...]
    owned: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class RemoveProcess(DeployStep):
    """Takes a process type out, if it still runs `image`: the first twelve digits."""

    type: ClassVar[str] = "heroku.remove_process"

    process: str
    image: str


@dataclass(frozen=True, kw_only=True)
class ReleaseImages(DeployStep):
    """Releases images in one request. `updates`: process type -> config digest."""

    type: ClassVar[str] = "heroku.release_images"

    updates: Mapping[str, Digest]


@dataclass(frozen=True, kw_only=True)
class RollBack(ReleasingStep):
    """Releases again what an earlier release did: its images, and perhaps its config vars. `release` is its id."""

    type: ClassVar[str] = "heroku.roll_back"

    release: str
    version: int


@dataclass(frozen=True, kw_only=True)
class PushAgain(ReleasingStep):
    """Copies an image to Heroku's registry that it had before, from another one.

    `process` names the repository at Heroku, and `source` is where the image is, by its digest. `command` and `attempt`
    are what the app was given beside it, as in ImageUse; `config_digest` is that of the image with them.
    """

    type: ClassVar[str] = "heroku.push_again"

    process: str
    source: str
    config_digest: Digest
    command: tuple[str, ...] | None = None
    attempt: int = 0


@dataclass(frozen=True, kw_only=True)
class RestoreConfig(DeployStep):
    """Sets config vars to the values that they had at an earlier release, which Heroku keeps.

    `marks`: name -> keyed hash of that value; None removes the config var. `rolled_back_to` is the version of a RollBack
    before this step; 0 when there is none.
    """

    type: ClassVar[str] = "heroku.restore_config"

    version: int
    marks: Mapping[str, str | None]
    rolled_back_to: int = 0


@dataclass(frozen=True, kw_only=True)
class Restart(AppStep):
    """Replaces the dynos of process types by new ones, of the release that runs: a quarter at a time where there are several."""

    type: ClassVar[str] = "heroku.restart"

    processes: tuple[str, ...]
