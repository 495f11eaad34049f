"""An app as observed, in plain values that go to JSON and come back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shipit.digest import Digest

UP = ("up", "idle")
# The process type that gets the requests from outside.
WEB = "web"
# The process type whose image runs as the release command.
RELEASE = "release"
# Shown as the image of a process type to which images were released, and every one of those releases failed.
NO_IMAGE = "nothing"
# The config var with the names of the config vars that shipit has set: it may remove these and no others.
OWNED = "SHIPIT_VARIABLES"


class ShortDigest(str):
    """The first twelve digits of a config digest, where the whole digest is unknown; empty when unknown too."""

    __slots__ = ()

    @property
    def short(self) -> str:
        return str(self)


class AppFacts(NamedTuple):
    """The app itself. `stacks` are its stack and its build stack; unknown text is empty."""

    id: str
    name: str
    stacks: tuple[str, ...]
    generation: str
    maintenance: bool
    web_url: str


class ProcessFacts(NamedTuple):
    """One process type: dynos, size, and the config digest in the formation, None when the formation has none.

    `released` has the first twelve digits of the running image by the release history. It is set where the formation has
    no digest, or the digest of a release that failed. `is_ours` is whether shipit pushed the image; None when unknown,
    and where a release is verified.
    """

    quantity: int
    size: str
    image: Digest | None
    released: str = ""
    is_ours: bool | None = None

    @property
    def short(self) -> str:
        """The first twelve digits of the running image; empty when unknown."""
        return self.released or (self.image.short if self.image else "")

    def runs(self, image: Digest | ShortDigest) -> bool | None:
        """Whether it runs an image; None when unknown."""
        if not self.short or not image.short:
            return None
        is_exact = isinstance(image, Digest) and self.image is not None and self.image.short == self.short
        return self.image == image if is_exact else self.short == image.short


class ReleaseFacts(NamedTuple):
    """`status` is pending, succeeded, failed, expired, or one that is newer than this code.

    `is_eligible` is whether the app can be rolled back to it.
    """

    id: str
    version: int
    status: str
    description: str = ""
    output_url: str | None = None
    is_eligible: bool = True
    user: str = ""
    created_at: str = ""


class DynoFacts(NamedTuple):
    """`since` is when its state changed last, as Heroku writes it; empty with an older record."""

    name: str
    process: str
    state: str
    version: int
    id: str = ""
    since: str = ""


class ProbeFacts(NamedTuple):
    """What the app answered to GET of a path: a status, or 0 and the reason why there was no answer.

    `is_required` is whether deploy.yml names the path: the verdict waits for a good answer then.
    """

    path: str
    status: int
    reason: str = ""
    is_required: bool = True

    @property
    def is_good(self) -> bool:
        """2xx and 3xx where the path is required, as for a Kubernetes probe; everything below 500 where it is not."""
        return 200 <= self.status < 400 if self.is_required else 0 < self.status < 500

    @property
    def summary(self) -> str:
        return f"GET {self.path} answers {self.status}" if self.status else f"GET {self.path}: {self.reason}"


class Before(NamedTuple):
    """What ran before a deploy: the dynos of each process type, and the newest release to which the app can be rolled back.

    `version` and `release` are 0 and empty where there is no such release.
    """

    dynos: Mapping[str, int] = {}
    version: int = 0
    release: str = ""


NOTHING_BEFORE = Before()


class HerokuObserved(NamedTuple):
    """`config_marks`: name of a config var -> keyed hash of its value. `releases` are newest first.

    `owned` are the names of the config vars that shipit has set. No field has the value of a config var. `probe` is None
    where the app was not probed.
    """

    app: str
    stack: str
    generation: str
    maintenance: bool
    web_url: str
    formation: Mapping[str, ProcessFacts]
    config_marks: Mapping[str, str]
    releases: tuple[ReleaseFacts, ...]
    dynos: tuple[DynoFacts, ...]
    id: str = ""
    owned: frozenset[str] = frozenset()
    probe: ProbeFacts | None = None

    @property
    def version(self) -> int:
        """The newest release's version; 0 when there is none."""
        return max((release.version for release in self.releases), default=0)

    @property
    def running_version(self) -> int:
        """The version of the newest release that succeeded, which dynos run; 0 when there is none."""
        return max((release.version for release in self.releases if release.status == "succeeded"), default=0)

    @property
    def before(self) -> Before:
        """What a deploy that fails can return to."""
        counts = {name: facts.quantity for name, facts in self.formation.items() if name != RELEASE}
        newest = next((release for release in self.releases if release.status == "succeeded"), None)
        if newest is None or not newest.is_eligible or not self.formation:
            return Before(counts)
        return Before(counts, newest.version, newest.id)

    def up(self, process: str) -> int:
        """How many dynos of a process type are up, of any release."""
        return sum(dyno.process == process and dyno.state in UP for dyno in self.dynos)


def parse_owned(config: Mapping[str, str]) -> frozenset[str]:
    """The names of the config vars that shipit has set."""
    return frozenset(config.get(OWNED, "").split(",")) - {"", OWNED}
