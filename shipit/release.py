"""The nouns every room shares: images, releases, steps, plans, verdicts. Imports digest and printable only."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, NamedTuple

from shipit.digest import Digest
from shipit.printable import FreeText, Name

Form = Literal["oci", "docker"]
# The tag of a repository that keeps what a build may use again.
CACHE_TAG = "buildcache"


def short(digest: str) -> str:
    """The first twelve digits of a digest, as docker prints an image id."""
    return digest.rpartition(":")[2][:12]


class Place(NamedTuple):
    """Where a target releases to. `identity` names the very place: server and namespace, app, repository."""

    kind: Name
    identity: FreeText


class ImageUse(NamedTuple):
    """One image as one place wants it: from which repository it will be pulled and in which form.

    `image` is the name in deploy.yml. `command` replaces the image's Cmd when set. `tags` are put beside the digest;
    `{config}` in one stands for the first twelve digits of the config digest.
    `publish` is False for an image that is used from where it already is. An `attempt` above 0 gives the same image
    another id, for a place that ignores one which it has seen fail.
    """

    image: str
    repository: str
    form: Form
    platform: str
    command: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    publish: bool = True
    attempt: int = 0


class Image(NamedTuple):
    """One image in one repository and form. The config digest is its identity; the manifest digest is what to pull."""

    name: str
    repository: str
    form: Form
    config_digest: Digest
    manifest_digest: Digest

    @property
    def pinned(self) -> str:
        return f"{self.repository}@{self.manifest_digest}"


class Release(NamedTuple):
    """What should run: the images by use, and a keyed hash of every variable and secret by name."""

    app: str
    environment: str
    images: Mapping[ImageUse, Image] = {}
    marks: Mapping[str, str] = {}


class Step(NamedTuple):
    """One change to one place. `detail` explains it in the plan; `payload` is JSON of the kind and holds no secret."""

    id: Name
    summary: FreeText
    detail: tuple[FreeText, ...] = ()
    destroys: bool = False
    payload: Mapping[str, Any] = {}


class TargetPlan(NamedTuple):
    """What one target needs: publishing first, then its own steps. Both empty means up to date.

    `notes` are what the plan says beside them: what it leaves alone, for example.
    """

    target: Name
    place: Place
    publish: tuple[FreeText, ...]
    steps: tuple[Step, ...]
    notes: tuple[FreeText, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.publish and not self.steps


class Plan(NamedTuple):
    """The whole plan: lines about the images, the targets in the order they run, and tags that will move last."""

    app: Name
    environment: Name
    images: tuple[FreeText, ...]
    targets: tuple[TargetPlan, ...]
    tags: tuple[FreeText, ...] = ()

    @property
    def changes(self) -> int:
        return sum(len(target.publish) + len(target.steps) for target in self.targets) + len(self.tags)


class Finding(NamedTuple):
    """What `doctor` found about one thing: `level` is ok, warning or failure; `hint` the one thing to do."""

    level: Literal["ok", "warning", "failure"]
    subject: Name
    what: FreeText
    hint: FreeText = ""


class State(Enum):
    WAITING = "waiting"
    HEALTHY = "healthy"
    FAILED = "failed"


class Verdict(NamedTuple):
    """The health of a target, judged against what this run wanted.

    `progress` changes whenever the place moved, so that a stall can be told. `superseded_by` names who replaced what
    this run released, where it failed for that; `warnings` are for what is healthy all the same. `down` says that a
    failure left nothing that serves, and how to return to what did. `parts` is the reason to wait, one for each thing that is
    waited for.
    """

    state: State
    reason: str
    progress: str = ""
    detail: tuple[str, ...] = ()
    hint: str = ""
    subject: str = ""
    superseded_by: str = ""
    warnings: tuple[str, ...] = ()
    down: str = ""
    parts: tuple[str, ...] = ()


class Seen(NamedTuple):
    """What the pipeline remembers between two looks at a place; all in seconds of one clock.

    `before` is what was observed when the plan was made; `baseline` is the same, and None when nothing was to be changed.
    """

    now_s: float
    started_s: float
    unchanged_since_s: float
    baseline: Any = None
    before: Any = None

    @property
    def unchanged_s(self) -> float:
        return self.now_s - self.unchanged_since_s
