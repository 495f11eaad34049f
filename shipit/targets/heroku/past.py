"""The releases of an app as its history, and the return to one of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from shipit.errors import RemoteError
from shipit.past_release import PastRelease
from shipit.release import Seen, Step, Verdict
from shipit.targets.heroku.descriptions import (
    is_about_config,
    named_images,
    released_images,
    returned_to,
    running_images,
)
from shipit.targets.heroku.judge import judge_heroku
from shipit.targets.heroku.observed import OWNED, HerokuObserved, ReleaseFacts, ShortDigest
from shipit.targets.heroku.plan_again import Source, plan_again
from shipit.targets.heroku.steps import RestoreConfig, RollBack
from shipit.targets.heroku.wanted import Wanted
from shipit.targets.log_times import SECONDS, parse_log_time

# A deploy sets config vars in one release, and the images in the next: the longest time between them.
_SAME_DEPLOY_S = 120.0
_STATES: Mapping[str, Literal["failed", "begun"]] = {"failed": "failed", "pending": "begun"}


class HerokuRecalled(NamedTuple):
    """An earlier release. `images`: process type -> first twelve digits. `config_marks`: name -> keyed hash of the value then.

    `owned` are the names of the config vars that shipit had set then. `sources`: process type -> where its image is,
    for a release whose images Heroku has deleted.
    """

    version: int
    id: str
    images: Mapping[str, str]
    config_marks: Mapping[str, str]
    owned: frozenset[str] = frozenset()
    sources: Mapping[str, Source] = {}


def past_releases(releases: Sequence[ReleaseFacts]) -> tuple[PastRelease, ...]:
    """The history of an app; `releases` and the result are newest first."""
    running = max((release.version for release in releases if release.status == "succeeded"), default=0)
    by_version = {release.version: release for release in releases}
    return tuple(
        PastRelease(
            f"v{release.version}",
            "begun"
            if _is_half(release, by_version.get(release.version + 1))
            else _STATES.get(release.status, "unknown"),
            released_at=_utc(release.created_at),
            by=release.user,
            changes=(release.description,) if release.description else (),
            is_current=release.version == running,
            gone=_why_gone(release),
            returns_to=f"v{version}" if (version := returned_to(release)) else "",
        )
        for release in releases
    )


def past_images(past: PastRelease) -> frozenset[str]:
    """The first twelve digits of each image that a release deployed, by its description."""
    return frozenset(short for text in past.changes for short in named_images(text).values())


def recalled_of(
    release: ReleaseFacts, releases: Sequence[ReleaseFacts], marks: Mapping[str, str], owned: frozenset[str]
) -> HerokuRecalled:
    """An earlier release, from the releases up to it, and its config vars. Raises: RemoteError where its images are not known."""
    images = running_images(found for found in releases if found.version <= release.version)
    if not images:
        what = f"Heroku names no image for v{release.version}"
        raise RemoteError(what, hint=f"if it had one, heroku rollback v{release.version} returns to it, without a plan")
    return HerokuRecalled(release.version, release.id, images, marks, owned)


def plan_return(recalled: HerokuRecalled, observed: HerokuObserved) -> tuple[Step, ...]:
    """One rollback where other images run, then the config vars of shipit that differ; empty when the release runs.

    Images that Heroku has deleted are pushed and released again in place of the rollback.

    Source: Heroku Platform API, POST /apps/{app}/releases, `release`.
    """
    running = {name: facts.short for name, facts in observed.formation.items()}
    steps: list[Step] = []
    is_back = not recalled.sources and running != dict(recalled.images)
    if is_back:
        steps.append(_roll_back(recalled, observed, running))
    if recalled.sources:
        steps += plan_again(recalled.images, recalled.sources, observed)
    if changed := [name for name in _owned(recalled, observed) if _differs(name, recalled, observed)]:
        steps.append(
            RestoreConfig(
                "config back",
                f"restore {', '.join(changed)}",
                undo="deploy again",
                app=observed.id,
                baseline=observed.version,
                images=recalled.images,
                version=recalled.version,
                marks={name: recalled.config_marks.get(name) for name in changed},
                rolled_back_to=recalled.version if is_back else 0,
            )
        )
    return tuple(steps)


def return_notes(recalled: HerokuRecalled, observed: HerokuObserved) -> tuple[str, ...]:
    """Notes on what else a rollback of Heroku changes, and on what it leaves as it is."""
    owned = _owned(recalled, observed)
    names = sorted({*recalled.config_marks, *observed.config_marks} - set(owned))
    others = [name for name in names if _differs(name, recalled, observed)]
    notes = ["the number and size of dynos stay as they are: Heroku's releases do not have them"]
    if others and not recalled.sources:
        notes.append(f"Heroku may also set {', '.join(others)} back, which shipit has not set")
    return tuple(notes)


def judge_return(recalled: HerokuRecalled, observed: HerokuObserved, seen: Seen, *, pending_s: float) -> Verdict:
    """The health of the app, against the images and config vars of the earlier release."""
    marks = {name: recalled.config_marks[name] for name in _owned(recalled, observed) if name in recalled.config_marks}
    exact = {name: source.config_digest for name, source in recalled.sources.items()}
    images = {name: exact.get(name, ShortDigest(short)) for name, short in recalled.images.items()}
    wanted = Wanted(images=images, quantities={}, sizes={}, env={}, env_marks=marks, secret_marks={})
    return judge_heroku(wanted, observed, seen, pending_s=pending_s)


def _roll_back(recalled: HerokuRecalled, observed: HerokuObserved, running: Mapping[str, str]) -> RollBack:
    names = sorted({*running, *recalled.images})
    return RollBack(
        "rollback",
        f"roll back to v{recalled.version}",
        tuple(
            f"{name}  {running.get(name) or 'none'} -> {recalled.images.get(name) or 'none'}"
            for name in names
            if running.get(name) != recalled.images.get(name)
        ),
        effect="replace",
        undo="deploy again",
        app=observed.id,
        baseline=observed.version,
        images=recalled.images,
        release=recalled.id,
        version=recalled.version,
    )


def _owned(recalled: HerokuRecalled, observed: HerokuObserved) -> list[str]:
    """The config vars that shipit has set, now or then, with its own note of them."""
    return sorted({*recalled.owned, *observed.owned, *({OWNED} & {*recalled.config_marks, *observed.config_marks})})


def _differs(name: str, recalled: HerokuRecalled, observed: HerokuObserved) -> bool:
    return recalled.config_marks.get(name) != observed.config_marks.get(name)


def _is_half(release: ReleaseFacts, following: ReleaseFacts | None) -> bool:
    """True for a release with the config vars of a deploy whose images came with the next one."""
    if following is None or not is_about_config(release) or not released_images(following):
        return False
    at, then = _seconds(release.created_at), _seconds(following.created_at)
    return release.user == following.user and at is not None and then is not None and then - at <= _SAME_DEPLOY_S


def _why_gone(release: ReleaseFacts) -> str:
    if release.status == "expired":
        return "Heroku has deleted its images"
    if release.status == "succeeded" and not release.is_eligible:
        return "Heroku can't roll back to it"
    return ""


def _utc(text: str) -> str:
    """A time of Heroku to the second, RFC 3339 in UTC; empty for text that is no time."""
    time = parse_log_time(text)
    return f"{time[:SECONDS]}Z" if time else ""


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
