"""Everything that can happen in a run, as named tuples, which cost the least to define. Imports past_run, release and printable.

Fields that are FreeText may hold what a server or a program said: the pipeline redacts and cuts them before anyone sees
them. Fields that are a Name are for programs to compare, and are never changed. `target` is the target's name in
deploy.yml, and empty for what belongs to the whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from shipit.past_run import CommandStatistics, PastRun
from shipit.printable import FreeJson, FreeText, Name
from shipit.release import (
    Finding,
    LoadedImage,
    Plan,
    PlannedImage,
    Pruning,
    PublishedImage,
    Rendered,
    Repository,
    Status,
    Verdict,
)

Action = Literal["build", "resolve", "push", "cache", "tag", "apply", "load", "save", "delete", "hook"]


class StepId(NamedTuple):
    """Which unit of work an event is about; unique in a run.

    `subject` is the name of an image (build, resolve, cache, load), `repository@digest` (push, tag, delete), a file (save), or the
    id of a step in the plan of `target` (apply), or the place of a hook of deploy.yml, such as `before[0]`. `platform` is that of an image that is built, resolved or cached.
    """

    action: Action
    subject: Name
    target: Name = ""
    platform: Name = ""


class RunStarted(NamedTuple):
    """`commit` and `branch` are those of the work tree of deploy.yml, or of what a promotion promotes; empty where not known.

    `promoted_from` is the source of a promotion: `staging/k8s 3f9c01ab22ee`.
    `override` is the reason for a deploy in a freeze window; empty outside of one. `by` is who made the run; empty for one
    that is not kept.
    """

    command: Name
    app: Name
    environment: Name
    targets: tuple[Name, ...]
    commit: Name = ""
    branch: Name = ""
    promoted_from: FreeText = ""
    override: FreeText = ""
    by: FreeText = ""


class StepStarted(NamedTuple):
    """A unit of work begins; StepDone or StepFailed with the same `step` ends it."""

    step: StepId
    summary: FreeText


class StepProgress(NamedTuple):
    """How far a step is, in bytes. `total_bytes` is 0 while unknown."""

    step: StepId
    done_bytes: int
    total_bytes: int


class StepDone(NamedTuple):
    step: StepId
    summary: FreeText
    elapsed_s: float


class StepApplied(NamedTuple):
    """What a step of a target's plan reports of what it did, for the verdict and for later runs.

    `facts` is JSON of the kind: ids, versions, digests; no value of a secret.
    """

    step_id: Name
    target: Name
    facts: Mapping[str, FreeJson]


class StepFailed(NamedTuple):
    """A step that failed. An error, a verdict or a warning follows, and gives `reason` again."""

    step: StepId
    summary: FreeText
    reason: FreeText
    elapsed_s: float


class Waiting(NamedTuple):
    """A target is not healthy yet; sent when the reason changes. `parts` splits the reason: one for each thing waited for."""

    target: Name
    reason: FreeText
    parts: tuple[FreeText, ...] = ()


class Log(NamedTuple):
    """One line that something which is starting wrote: a release phase, a container, a build."""

    target: Name
    source: Name
    line: FreeText


class LogLine(NamedTuple):
    """One line of the log of a workload, as `shipit logs` reads it.

    `instance` is what wrote it: POD/CONTAINER, or a dyno. `written_at` is RFC 3339 in UTC with nine digits of a second;
    empty where the place gave no time. `cut_bytes` is how many bytes of a line that is too long are left out at its end.
    """

    target: Name
    workload: Name
    instance: Name
    written_at: Name
    line: FreeText
    cut_bytes: int = 0


class Warned(NamedTuple):
    target: Name
    message: FreeText


class Retried(NamedTuple):
    """A request failed in a way that may pass, and is sent again after a pause."""

    where: FreeText
    reason: FreeText
    pause_s: float


class Transferred(NamedTuple):
    """What publishing one image to one repository moved: bytes sent, and blobs sent, mounted or already there."""

    repository: Name
    sent_bytes: int
    sent: int
    mounted: int
    there: int


class PlanMade(NamedTuple):
    """The plan; `changes` counts what it would change."""

    plan: Plan
    changes: int


class PlanSaved(NamedTuple):
    """The plan was written to a file for `shipit deploy --plan`, `shipit promote --plan` where `promotes_from` is not empty, or
    `shipit rollback --plan` where `is_rollback`.

    `expires_at` is RFC 3339 in UTC. `promotes_from` is what the promotion is from: `staging`, or `staging/k8s`.
    """

    file: Name
    expires_at: Name
    promotes_from: Name = ""
    is_rollback: bool = False


class Approved(NamedTuple):
    """A change was approved: of `target`, or of the environment where that is empty. `name` is that of what was approved."""

    target: Name
    name: Name
    how: FreeText


class TargetFinished(NamedTuple):
    """The end of a target: `healthy`, `unchanged`, `failed`, `skipped` or, of `destroy`, `removed`, and of `prune`, `pruned`.

    `left` was rolled back, and stays so with `keep_rolled_back`. `verdict` holds the cause.

    Of `scale` and `restart` it is about the workloads that the command names, and not about others of the target.
    `images` are those that the run wanted there; empty when it was skipped. `is_rolled_back` is True where what ran before
    runs again, or still, after a failure with a rollback; `rolled_back_to` is the version of that release, empty where
    it is not known; a rollback by command that went well has it, too. `version` is the place's own name for the release that
    was judged, such as `v12` of Heroku; empty where it has none. `release_state` is `healthy` where the
    target failed after its release was verified, as by an `after` hook, and what it runs stays; empty otherwise.
    """

    target: Name
    state: Literal["healthy", "unchanged", "failed", "skipped", "removed", "pruned", "left"]
    elapsed_s: float
    verdict: Verdict
    images: tuple[PublishedImage, ...] = ()
    is_rolled_back: bool = False
    rolled_back_to: Name = ""
    version: Name = ""
    release_state: Literal["", "healthy"] = ""

    @property
    def reason(self) -> str:
        return self.verdict.reason

    @property
    def detail(self) -> tuple[str, ...]:
        return self.verdict.detail

    @property
    def hint(self) -> str:
        return self.verdict.hint

    @property
    def down(self) -> str:
        return self.verdict.down


class Problem(NamedTuple):
    """One error or warning. `where` is a place in a file or `METHOD host/path`; `path` is the path of keys in deploy.yml.

    `file`, `line` and `column` are None unless `where` is a place in a file. `retryable` is whether the same command may
    succeed later.
    """

    severity: Literal["error", "warning"]
    what: FreeText
    where: Name = ""
    file: Name | None = None
    line: int | None = None
    column: int | None = None
    path: Name = ""
    hint: FreeText = ""
    detail: tuple[FreeText, ...] = ()
    retryable: bool = False


class Forwarding(NamedTuple):
    """`shipit forward` listens at `local`, HOST:PORT, for a port of a workload."""

    target: Name
    workload: Name
    local: Name
    port: int


class CommandStarted(NamedTuple):
    """The result of `shipit run --detach`. `where` is what the command runs in, `follow` the command that shows its output."""

    target: Name
    where: Name
    follow: FreeText


class CommandEnded(NamedTuple):
    """The result of `shipit exec` and `shipit run`. `where` is what the command ran in, such as a pod."""

    target: Name
    where: Name
    exit_code: int
    elapsed_s: float


class RunFailed(NamedTuple):
    """The run ended before any target had a verdict; the command line prints `message` to stderr."""

    exit_code: int
    message: FreeText
    problems: tuple[Problem, ...] = ()


class Serving(NamedTuple):
    """Where what a target runs can be visited."""

    target: Name
    url: FreeText


class TargetEnd(NamedTuple):
    """The result of a target, at the end of a run. `version` is the place's name for the release that was judged, or that runs again.

    It is empty where it is not known. `changed` is a target that was scaled or restarted, without a release. `down` is a
    failure that left nothing that serves. `reason` is why a target was not released; empty where it was. `release_state` is
    that of TargetFinished.
    """

    target: Name
    state: Literal[
        "released", "changed", "unchanged", "removed", "pruned", "left", "rolled_back", "down", "failed", "not_reached"
    ]
    version: Name = ""
    reason: FreeText = ""
    release_state: Literal["", "healthy"] = ""


class RunFinished(NamedTuple):
    """`ends` has the result of each target, and `next` the command to run next; empty where all went well."""

    exit_code: int
    summary: FreeText
    elapsed_s: float
    urls: tuple[Serving, ...] = ()
    ends: tuple[TargetEnd, ...] = ()
    next: FreeText = ""


class ImagesBuilt(NamedTuple):
    """The result of `shipit build`. `names` are the names, `repository:tag`, that --load and --save gave the images.

    `file` is the one that --save wrote, `loaded` what --load brought into an engine.
    """

    images: tuple[PlannedImage, ...]
    names: tuple[Name, ...] = ()
    file: Name = ""
    loaded: tuple[LoadedImage, ...] = ()


class ImagesPushed(NamedTuple):
    """The result of `shipit push`."""

    images: tuple[PublishedImage, ...]


class StatusRead(NamedTuple):
    """The result of `shipit status`."""

    targets: tuple[Status, ...]


class ImagesListed(NamedTuple):
    """The result of `shipit images`. `unread` are targets that could not be read: what runs there is not known."""

    repositories: tuple[Repository, ...]
    unread: tuple[Name, ...] = ()


class ImagesPruned(NamedTuple):
    """What `shipit prune` will delete, and with `is_done` what it has deleted."""

    repositories: tuple[Pruning, ...]
    is_done: bool


class CachePruned(NamedTuple):
    """The result of `shipit prune --cache`. The cache keeps itself within `most_bytes`."""

    folder: Name
    before_bytes: int
    after_bytes: int
    most_bytes: int


class RunsListed(NamedTuple):
    """The result of `shipit history`, the newest first. `is_whole` is False where older ones are left out.

    `statistics` are those of all runs that this machine keeps, with `--local`.
    """

    runs: tuple[PastRun, ...]
    is_whole: bool = True
    statistics: tuple[CommandStatistics, ...] = ()


class Difference(NamedTuple):
    """A value that differs between two releases: the path of its keys; empty where one release lacks it.

    The values of secrets are keyed hashes.
    """

    path: FreeText
    before: FreeText = ""
    after: FreeText = ""


class ReleaseDiff(NamedTuple):
    """The differences between two releases of a target. `before` and `after` describe the releases."""

    target: Name
    before: FreeText
    after: FreeText
    differences: tuple[Difference, ...] = ()


class ReleasesCompared(NamedTuple):
    """The result of `shipit diff`."""

    targets: tuple[ReleaseDiff, ...]


class ReleaseRendered(NamedTuple):
    """The result of `shipit render`."""

    rendered: Rendered


class Examined(NamedTuple):
    """The result of `shipit doctor`."""

    findings: tuple[Finding, ...]


class Validated(NamedTuple):
    """The result of `shipit validate` for a valid file: its warnings."""

    file: Name
    valid: bool
    problems: tuple[Problem, ...]


Event = (
    RunStarted
    | StepStarted
    | StepProgress
    | StepDone
    | StepApplied
    | StepFailed
    | Waiting
    | Log
    | LogLine
    | Warned
    | Retried
    | Transferred
    | PlanMade
    | PlanSaved
    | Approved
    | TargetFinished
    | Forwarding
    | CommandStarted
    | CommandEnded
    | RunFailed
    | RunFinished
    | ImagesBuilt
    | ImagesPushed
    | StatusRead
    | RunsListed
    | ReleasesCompared
    | ReleaseRendered
    | ImagesListed
    | ImagesPruned
    | CachePruned
    | Examined
    | Validated
)
Emit = Callable[[Event], None]


def target_of(event: Event) -> str | None:
    """The target that an event is about: empty for the images of the run, None for the run as a whole."""
    if isinstance(event, StepStarted | StepProgress | StepDone | StepFailed):
        return event.step.target
    return getattr(event, "target", None)
