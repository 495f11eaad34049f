"""Reads what an environment runs, for a promotion: from its places, judged, and proved by the digests of its registries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from shipit.config.project import Project
from shipit.errors import Interrupted, RemoteError, ShipitError, UsageError
from shipit.parallel import together
from shipit.past_release import PastRelease
from shipit.pipeline.promotion_images import choose_images
from shipit.pipeline.promotion_proof import prove_images
from shipit.pipeline.promotion_release import healthy_at, release_to_promote, state_doubts
from shipit.pipeline.releases import read_releases
from shipit.release import PromotedRelease, Promotion, PublishedImage, Seen, State, Verdict
from shipit.targets.base import Target, probes
from shipit.targets.history import Returns, RunningImage, records_published, returns, tells_images

if TYPE_CHECKING:
    from shipit.pipeline.run import Run


@dataclass
class ReadSource:
    """An environment as it was read: what it runs, and the run that reads it again."""

    run: Run
    targets: Sequence[Target]
    promotion: Promotion
    takes_unhealthy: bool

    @property
    def project(self) -> Project:
        return self.run.project

    def check(self) -> None:
        """Read it again. Raises: ShipitError where it runs something else, or is not healthy any more."""
        now = read_source(self.run, takes_unhealthy=self.takes_unhealthy).promotion
        if _compared(now) != _compared(self.promotion):
            environment = self.promotion.environment
            what = f"{environment} changed since the plan: it ran {self.promotion.source}, and runs {now.source}"
            raise ShipitError(f"{what}; nothing was changed", hint="look at it, and run the promotion again")


def read_source(run: Run, *, takes_unhealthy: bool = False) -> ReadSource:
    """Read and prove what the targets of a run have; `run` is one of the source environment.

    A target that runs nothing, such as a registry, is left out. With `takes_unhealthy` the doubts about a
    release are shown in the plan and are no error. Raises: ShipitError; UsageError where it can't be promoted.
    """
    targets = [target for target in run.targets if returns(target) and not records_published(target)]
    environment = run.project.environment
    if not targets:
        hint = "registries run nothing: name an environment with a target that runs something"
        raise UsageError(f"{environment} has no target that tells what it runs", hint=hint)
    history = read_releases(run, targets)
    read = together({target.name: partial(_read, run, target, history[target.name]) for target in targets}, run.clock)
    releases = tuple(read[target.name] for target in targets)
    if not takes_unhealthy:
        _check_healthy(environment, releases)
    promotion = Promotion(environment, releases, choose_images(environment, releases))
    return ReadSource(run, targets, promotion, takes_unhealthy)


def _read(run: Run, target: Returns, history: Sequence[PastRelease]) -> PromotedRelease:
    current, past = release_to_promote(target.name, run.project.environment, history)
    recalled = _recalled(run, target, past)
    observed, verdict = _judged(run, target, recalled)
    running = _running(target, past, recalled, observed)
    images = prove_images(run, target.name, running)
    doubts = [*state_doubts(current)]
    if verdict.state is not State.HEALTHY:
        doubts.append(f"it is not healthy now: {verdict.reason}")
    return PromotedRelease(
        target.name, target.place, past.version, past.run, past.commit, past.branch,
        past.released_at, healthy_at(current), images, tuple(doubts),
    )  # fmt: skip


def _recalled(run: Run, target: Returns, past: PastRelease) -> Any:
    """The contents of the release. Raises: UsageError where the place does not have them; RemoteError."""
    try:
        return target.recall(past, run.session(target, is_planning=False))
    except ShipitError as error:
        if isinstance(error, Interrupted) or (isinstance(error, RemoteError) and (error.retryable or error.status)):
            raise
        environment = run.project.environment
        what = f"what {target.name} runs in {environment} is not known: {error.what}"
        raise UsageError(what, hint=f"deploy it there first: shipit deploy {target.name} -e {environment}") from None


def _judged(run: Run, target: Returns, recalled: Any) -> tuple[Any, Verdict]:
    """One look at the place, against the release that it should run."""
    session = run.session(target, is_planning=False, recalled=recalled)
    observed, now, judge = target.observe(session), run.clock.now(), target.judge_return
    seen = Seen(now, now, now)
    verdict = judge(recalled, observed, seen)
    if verdict.state is State.HEALTHY and probes(target):
        observed = target.probe(observed, session, has_changed=False)
        verdict = judge(recalled, observed, seen)
    return observed, verdict


def _running(target: Returns, past: PastRelease, recalled: Any, observed: Any) -> Sequence[RunningImage]:
    """The images of a release: of each workload where the kind tells it, or else as the record has them by name."""
    if tells_images(target):
        return target.running_images(recalled, observed)
    return [RunningImage("", image.name, image.reference, image.platform, image.config_digest) for image in past.images]


def _check_healthy(environment: str, releases: Sequence[PromotedRelease]) -> None:
    found = [f"{release.target}: {doubt}" for release in releases for doubt in release.doubts]
    if found:
        hint = "deploy a release there that is healthy, or add --unhealthy to promote what runs anyway"
        raise UsageError(f"{environment} is not healthy, so nothing is promoted from it; {'; '.join(found)}", hint=hint)


def _compared(promotion: Promotion) -> Mapping[str, tuple[PublishedImage, ...]]:
    """Target -> images: another release of the same images, as one of config vars, is no other source."""
    return {release.target: release.images for release in promotion.releases}
