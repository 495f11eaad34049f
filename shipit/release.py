"""The nouns every room shares: images, releases, steps, plans, verdicts. Imports digest and printable only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

from shipit.digest import Digest
from shipit.printable import FreeJson, FreeText, Name

Form = Literal["oci", "docker"]
# The tag of a repository that keeps what a build may use again.
CACHE_TAG = "buildcache"
# The tag of the record of a run: its environment, its time and its id; and the beginning of the tags of `state: registry`.
_RUN_TAG = re.compile(r"shipit-[a-z0-9_]+-[0-9]{8}T[0-9]{9}Z-[0-9a-zA-Z]+|shipit-state-[a-z0-9-]+-[0-9a-f]{12}")
STATE_TAG = "shipit-state-"


class Place(NamedTuple):
    """Where a target releases to. `identity` names the very place: server and namespace, app, repository."""

    kind: Name
    identity: FreeText


class ImageUse(NamedTuple):
    """One image as one place wants it: from which repository it will be pulled and in which form.

    `image` is the name in deploy.yml. `command` replaces the image's Cmd when set. `tags` are put beside the digest;
    `{config}` in one stands for the first twelve digits of the config digest.
    `repository` is empty for an image that is sent to its place without a registry. `publish` is False for an image that is used from where it already is. An `attempt` above 0 gives the same image
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

    def tags_of(self, config_digest: Digest) -> tuple[str, ...]:
        """The tags of an image with this config digest: `{config}` is filled in."""
        return tuple(tag.replace("{config}", config_digest.short) for tag in self.tags)


class Image(NamedTuple):
    """One image as one place uses it. The config digest is its identity; the manifest digest is what to pull.

    `user` is that of its config: `USER`, `USER:GROUP`, names or numbers, or empty for root.
    """

    use: ImageUse
    # With its registry: docker.io/library/redis. Empty for an image that is in no registry.
    repository: Name
    config_digest: Digest
    manifest_digest: Digest
    user: FreeText = ""

    @property
    def name(self) -> str:
        """The name of the image in deploy.yml."""
        return self.use.image

    @property
    def pinned(self) -> str:
        """`repository@digest`; the digest alone for an image that is in no registry."""
        return f"{self.repository}@{self.manifest_digest}" if self.repository else str(self.manifest_digest)


def is_run_tag(tag: str) -> bool:
    """True for a tag of the record of a run or of `state: registry`, which is shipit's own and no version of an image."""
    return _RUN_TAG.fullmatch(tag) is not None


class PublishedImage(NamedTuple):
    """Where an image of a run can be pulled from. `name` is the one in deploy.yml.

    `reference` is `repository@digest`; the digest alone for an image that was sent to its place without a registry.
    """

    name: Name
    platform: Name
    reference: Name
    config_digest: Digest
    tags: tuple[Name, ...] = ()


def published(image: Image) -> PublishedImage:
    """The same image, for a reader: `{config}` of its tags is filled in."""
    tags = image.use.tags_of(image.config_digest)
    return PublishedImage(image.name, image.use.platform, image.pinned, image.config_digest, tags)


class Release(NamedTuple):
    """What should run on one target: its images, and a keyed hash of every variable and secret by name."""

    app: Name
    environment: Name
    images: tuple[Image, ...] = ()
    marks: Mapping[str, str] = {}

    def image(self, use: ImageUse) -> Image:
        """The image of one use. Raises: KeyError when the release has none."""
        for image in self.images:
            if image.use == use:
                return image
        raise KeyError(use)


Effect = Literal["create", "change", "replace", "delete", "run"]


@dataclass(frozen=True)
class Step:
    """One change to one place, as data: each kind of target declares its own steps, with the fields that they need.

    `id` is unique in the plan of a target. `detail` explains the step in the plan. `destroys` is whether it deletes or
    replaces what a user would miss. `undo` says what undoes it. No field holds the value of a secret: a step names the
    secret, and its value is taken from the session when the step is applied.
    """

    # Of each kind of step, in JSON: `heroku.scale`, `kubernetes.apply`.
    type: ClassVar[str] = ""
    # Whether a deploy applies it last, when the target is verified healthy: what it removes is not needed any more.
    after_healthy: ClassVar[bool] = False
    # Fields that differ between two plans that do the same, such as a resourceVersion: a saved plan is compared without.
    unstable: ClassVar[frozenset[str]] = frozenset()
    # Fields of hashes: they are compared, and not shown, because they tell a reader nothing.
    hashes: ClassVar[frozenset[str]] = frozenset()
    # Fields that say what is released, where they do not depend on what was there before; None where they do. Empty where
    # the settings and images of the target say all of it.
    releases: ClassVar[frozenset[str] | None] = None
    # False for a step whose fields do not tell what it writes, such as credentials: two of them can't be compared.
    tells_all: ClassVar[bool] = True

    id: Name
    summary: FreeText
    detail: tuple[FreeText, ...] = ()
    effect: Effect = "change"
    destroys: bool = False
    undo: FreeText = ""


class PlannedImage(NamedTuple):
    """An image of a plan. `left_out` says which files of its context are left out of it; `insecure_host` is asked over plain HTTP."""

    name: Name
    platform: Name
    config_digest: Digest
    builder: FreeText
    left_out: FreeText = ""
    insecure_host: Name = ""


class LoadedImage(NamedTuple):
    """An image in a Docker engine, and what had to be sent for it. `engine` is the engine's address.

    `id` is what the engine calls it: its config digest or, in containerd's image store, its manifest digest.
    """

    image: Name
    engine: FreeText
    id: Digest
    config_digest: Digest
    names: tuple[Name, ...]
    layers: int
    sent_layers: int
    sent_bytes: int


class Upload(NamedTuple):
    """What one repository lacks of an image: a number of layers of `size_bytes` in all, perhaps the manifest, and new tags."""

    image: Name
    repository: Name
    manifest_digest: Digest
    layers: int = 0
    size_bytes: int = 0
    tags: tuple[Name, ...] = ()
    has_manifest: bool = False


class TagMove(NamedTuple):
    """A tag that names another image now, and is moved when every selected target is verified."""

    repository: Name
    tag: Name
    before: Digest
    after: Digest


class TargetPlan(NamedTuple):
    """What one target needs: uploads first, then its own steps. Both empty means up to date.

    `notes` are what the plan says beside them: what it leaves alone, for example. `returns_to` is the version that a
    rollback by command returns to; empty for other plans. `wanted` is a keyed hash of what it would release, where
    deploy.yml has `keep_rolled_back`.
    """

    target: Name
    place: Place
    uploads: tuple[Upload, ...] = ()
    steps: tuple[Step, ...] = ()
    notes: tuple[FreeText, ...] = ()
    returns_to: Name = ""
    wanted: Name = ""

    @property
    def is_empty(self) -> bool:
        return not self.uploads and not self.steps


class PromotedRelease(NamedTuple):
    """The release that runs at one target of the source environment of a promotion.

    `version` is the place's own name for it, `run` that of shipit, `commit` what it was built from; empty where they are not
    known. `healthy_at` is when it became healthy, RFC 3339; empty where the place keeps no verdict: `released_at` is known
    then. `doubts` are what speaks against it, and are empty for a release that is healthy now and was healthy.
    """

    target: Name
    place: Place
    version: Name
    run: Name = ""
    commit: Name = ""
    branch: Name = ""
    released_at: Name = ""
    healthy_at: Name = ""
    images: tuple[PublishedImage, ...] = ()
    doubts: tuple[FreeText, ...] = ()


class Promotion(NamedTuple):
    """The source of a promotion: its environment, the releases of its targets, and the image of each name."""

    environment: Name
    releases: tuple[PromotedRelease, ...] = ()
    images: tuple[PublishedImage, ...] = ()

    @property
    def source(self) -> str:
        """The releases as text: `staging/k8s 3f9c01ab22ee`."""
        return ", ".join(f"{self.environment}/{release.target} {release.version}" for release in self.releases)

    @property
    def commit(self) -> tuple[str, str]:
        """The commit and branch of the releases; empty where they differ or are not known."""
        found = {(release.commit, release.branch) for release in self.releases}
        return next(iter(found)) if len(found) == 1 else ("", "")


class Plan(NamedTuple):
    """The whole plan: the images, the targets in the order they run, and tags that are moved last.

    `hooks` are those of the run that a deploy of it runs, those for a failure included. `promotion` is what a promotion
    releases here; None for other plans.
    """

    app: Name
    environment: Name
    images: tuple[PlannedImage, ...] = ()
    targets: tuple[TargetPlan, ...] = ()
    tags: tuple[TagMove, ...] = ()
    hooks: tuple[FreeText, ...] = ()
    promotion: Promotion | None = None

    @property
    def changes(self) -> int:
        return sum(len(target.uploads) + len(target.steps) for target in self.targets) + len(self.tags)

    @property
    def publishes(self) -> bool:
        """True where an image is uploaded, or a tag moved."""
        return bool(self.tags) or any(target.uploads for target in self.targets)


class Unit(NamedTuple):
    """One thing that runs or stands at a place: a workload, a process type, a tag.

    `image` is `repository@digest`, a digest or the first digits of one, and empty where it is not known. `wanted` and
    `ready` count instances, None where that means nothing. `since` is when what runs was released or started, RFC 3339,
    empty where it is not known. `error` is how an instance failed last. `version` is the run that made it, by what the place
    tells; empty where it is not known, or the release of the whole place counts.
    """

    name: Name
    state: FreeText = ""
    image: FreeText = ""
    wanted: int | None = None
    ready: int | None = None
    restarts: int | None = None
    since: FreeText = ""
    error: FreeText = ""
    version: FreeText = ""


class Status(NamedTuple):
    """What runs at a place. `version` is the place's own name for the release, such as `v12` of Heroku.

    `attempted` is the newest release where another one runs, as after one that failed; empty where it is the same. `unread` are the parts of the place that could not be read, such as a host; each is a unit with its error, too.
    """

    target: Name
    place: Place
    version: FreeText = ""
    units: tuple[Unit, ...] = ()
    urls: tuple[FreeText, ...] = ()
    unread: tuple[FreeText, ...] = ()
    attempted: FreeText = ""


class Leftover(NamedTuple):
    """What `destroy` leaves, and why. `name` removes it where the user names it; empty where nothing does. `is_volume` is whether it is a volume."""

    what: FreeText
    name: Name = ""
    is_volume: bool = False


class Destruction(NamedTuple):
    """What a user wants to be removed: `named` are the names of leftovers; with `keep_data` no volume is removed with its owner.

    `images` is whether images that nothing else needs are removed from engines, too.
    """

    named: tuple[Name, ...] = ()
    keep_data: bool = False
    images: bool = False


class StoredImage(NamedTuple):
    """An image that a repository holds. `commit` is what it was built from, by its label or a tag; empty where neither says it.

    `created` and `committed` are RFC 3339: of the image's config and of the commit, empty where they are not known.
    `size_bytes` is that of its blobs, None for an index. `runs` are the places where it runs, as TARGET/WORKLOAD.
    """

    manifest_digest: Digest
    tags: tuple[Name, ...] = ()
    config_digest: Name = ""
    commit: Name = ""
    size_bytes: int | None = None
    created: FreeText = ""
    committed: FreeText = ""
    runs: tuple[Name, ...] = ()

    @property
    def is_record(self) -> bool:
        """True for the record of a run, beside the images."""
        return bool(self.tags) and all(map(is_run_tag, self.tags))


class Repository(NamedTuple):
    """What a repository holds of an image of deploy.yml, the newest first. `left_out` counts tags that were not read.

    `is_whole` is whether the registry listed all of its tags.
    """

    image: Name
    repository: Name
    images: tuple[StoredImage, ...] = ()
    left_out: int = 0
    is_whole: bool = True


class Pruning(NamedTuple):
    """What is deleted of a repository, and how many of its images stay. `notes` say why some stay that are old."""

    repository: Name
    removed: tuple[StoredImage, ...] = ()
    kept: int = 0
    notes: tuple[FreeText, ...] = ()


class RenderedPart(NamedTuple):
    """One manifest or request. `name` is such as `Deployment/web` or `PATCH /apps/shop/formation`; `body` is its JSON.

    `left_out` are the names of secrets whose values `body` lacks.
    """

    name: Name
    body: FreeJson
    left_out: tuple[Name, ...] = ()


class Rendered(NamedTuple):
    """What is sent to a place for a whole release, in its order, whatever the place has already.

    `form` says what the parts are: manifests for kubectl, or requests.
    """

    target: Name
    place: Place
    form: Literal["manifests", "requests"]
    parts: tuple[RenderedPart, ...] = ()


# What a step reports when it is done, as JSON: versions, ids, digests.
Facts: TypeAlias = Mapping[str, FreeJson]


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

    `progress` changes whenever the place moved: a target whose `progress` stays the same has stalled. `superseded_by`
    names who replaced what this run released, when that is why it failed; `warnings` are problems of a healthy target.
    `down` says that a failure left nothing that serves, and how to return to what did. `parts` splits the reason to wait:
    one for each thing waited for.
    """

    state: State
    reason: FreeText
    progress: FreeText = ""
    detail: tuple[FreeText, ...] = ()
    hint: FreeText = ""
    subject: Name = ""
    superseded_by: FreeText = ""
    warnings: tuple[FreeText, ...] = ()
    down: FreeText = ""
    parts: tuple[FreeText, ...] = ()


class Seen(NamedTuple):
    """What the pipeline remembers between two looks at a place; all in seconds of one clock.

    `before` is what was observed when the plan was made; `baseline` is the same, and None when nothing was to be changed.
    `applied` holds what each step of this run reported when it was done, by its id.
    """

    now_s: float
    started_s: float
    unchanged_since_s: float
    baseline: Any = None
    before: Any = None
    applied: Mapping[str, Facts] = {}

    @property
    def unchanged_s(self) -> float:
        return self.now_s - self.unchanged_since_s
