"""An app as observed, in plain values, and how answers become them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from shipit.digest import Digest, parse_digest
from shipit.http.fields import Field

PROCESS = re.compile(r"[-A-Za-z0-9_]{1,128}", re.ASCII)
UP = ("up", "idle")
# Where an image was given to a process type, and no release of it took effect.
NOTHING = "nothing"
# The config var that names those which shipit has set: it may remove these and no others.
OWNED = "SHIPIT_VARIABLES"
# Becomes part of paths.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_ID_SAID = "an id of letters, digits and '-'"
_PROCESS_SAID = "a process type of letters, digits, '-' and '_'"


class Told(str):
    """The first twelve digits of an image, where nothing tells more; empty where nothing tells that."""

    __slots__ = ()

    @property
    def short(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class AppFacts:
    """The app itself. `stacks` are the one it runs on and the one it is built for; empty text is what is not known."""

    id: str
    name: str
    stacks: tuple[str, ...]
    generation: str
    maintenance: bool
    web_url: str


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One process type: how many dynos, of which size, of which config digest; None where the formation does not tell.

    `told` is the first twelve digits of the image that runs, as the releases tell it; it is set where the formation
    does not, or has an image that failed. `is_ours` is whether shipit pushed the image; None where that is not known.
    """

    quantity: int
    size: str
    image: Digest | None
    told: str = ""
    is_ours: bool | None = None

    @property
    def short(self) -> str:
        """The first twelve digits of the image that runs; empty where that is not known."""
        return self.told or (self.image.short if self.image else "")

    def runs(self, image: Digest | Told) -> bool | None:
        """Whether it runs an image; None where that is not known."""
        if not self.short or not image.short:
            return None
        is_exact = isinstance(image, Digest) and self.image is not None and self.image.short == self.short
        return self.image == image if is_exact else self.short == image.short


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """`status` is pending, succeeded, failed or expired, or what Heroku has thought of since.

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


@dataclass(frozen=True, slots=True)
class DynoFacts:
    name: str
    process: str
    state: str
    version: int


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """What the app answered when it was asked for a path: a status, or 0 and why there was none.

    `is_required` is whether deploy.yml names the path: it has to be answered then.
    """

    path: str
    status: int
    reason: str = ""
    is_required: bool = True

    @property
    def is_good(self) -> bool:
        """As Kubernetes takes it where the path is required; anything but the server's own fault where it is not."""
        return 200 <= self.status < 400 if self.is_required else 0 < self.status < 500

    @property
    def said(self) -> str:
        return f"GET {self.path} answers {self.status}" if self.status else f"GET {self.path}: {self.reason}"


@dataclass(frozen=True)
class HerokuObserved:
    """`config_marks`: name of a config var -> keyed hash of its value. `releases` newest first.

    `config` holds the values, which no plan or event may. `probe` is None where the app was not asked.
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
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    probe: ProbeFacts | None = None

    @property
    def version(self) -> int:
        """The newest release's version; 0 when there is none."""
        return max((release.version for release in self.releases), default=0)

    @property
    def running_version(self) -> int:
        """The version of the newest release that took effect: what dynos run; 0 when there is none."""
        return max((release.version for release in self.releases if release.status == "succeeded"), default=0)

    @property
    def owned(self) -> frozenset[str]:
        """The names of the config vars that shipit has set."""
        return frozenset(self.config.get(OWNED, "").split(",")) - {"", OWNED}

    def up(self, process: str) -> int:
        """How many dynos of a process type are up, of whichever release."""
        return sum(dyno.process == process and dyno.state in UP for dyno in self.dynos)


def parse_app(body: Field) -> AppFacts:
    stacks = (body[name]["name"].text() for name in ("stack", "build_stack"))
    return AppFacts(
        body["id"].matching(_ID, _ID_SAID),
        body["name"].exact(),
        tuple(stacks),
        body["generation"]["name"].text("cedar"),
        body["maintenance"].flag(False),
        body["web_url"].text(),
    )


def parse_release(body: Field) -> ReleaseFacts:
    return ReleaseFacts(
        body["id"].matching(_ID, _ID_SAID),
        body["version"].count(),
        body["status"].exact(),
        body["description"].text(),
        body["output_stream_url"].text() or None,
        body["eligible_for_rollback"].flag(True),
        body["user"]["email"].text(),
        body["created_at"].text(),
    )


def parse_releases(body: Field) -> tuple[ReleaseFacts, ...]:
    """Releases, newest first."""
    found = [parse_release(item) for item in body.present().rows()]
    return tuple(sorted(found, key=lambda release: release.version, reverse=True))


def parse_process(body: Field) -> ProcessFacts:
    image = body["docker_image"]
    digest = image.text() if image.is_text else image["id"].text()
    return ProcessFacts(body["quantity"].count(), body["size"].text(), parse_digest(digest))


def parse_formation(body: Field) -> dict[str, ProcessFacts]:
    """Process types by name."""
    return {item["type"].matching(PROCESS, _PROCESS_SAID): parse_process(item) for item in body.present().rows()}


def parse_dyno(body: Field) -> DynoFacts:
    return DynoFacts(
        body["name"].exact(),
        body["type"].exact(),
        body["state"].exact(),
        body["release"]["version"].whole(),
    )


def parse_config(body: Field) -> dict[str, str]:
    """Config vars by name."""
    return {name: value.exact() for name, value in body.present().items()}
