"""The releases of an app as its history, and the return to one of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from shipit.errors import RemoteError
from shipit.past_release import NOTHING_RAN, PastRelease
from shipit.release import Seen, Step, Verdict
from shipit.targets.heroku.descriptions import (
    is_about_config,
    named_images,
    named_processes,
    released_images,
    returned_to,
    running_images,
    without_image,
)
from shipit.targets.heroku.judge import judge_heroku
from shipit.targets.heroku.observed import NO_IMAGE, OWNED, HerokuObserved, ReleaseFacts, ShortDigest
from shipit.targets.heroku.plan_again import plan_again
from shipit.targets.heroku.recalled import HerokuRecalled, uncertain
from shipit.targets.heroku.steps import RestoreConfig, RollBack
from shipit.targets.heroku.wanted import Wanted
from shipit.targets.log_times import SECONDS, parse_log_time

# A deploy sets config vars in one release, and the images in the next: the longest time between them.
_SAME_DEPLOY_S = 120.0
_STATES: Mapping[str, Literal["failed", "begun"]] = {"failed": "failed", "pending": "begun"}


def past_releases(releases: Sequence[ReleaseFacts]) -> tuple[PastRelease, ...]:
    """The history of an app; `releases` and the result are newest first."""
    running = max((release.version for release in releases if release.status == "succeeded"), default=0)
    by_version = {release.version: release for release in releases}
    empty = without_image(releases)
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
            gone=NOTHING_RAN if release.version in empty else _why_gone(release),
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
    earlier = [found for found in releases if found.version <= release.version]
    images = running_images(earlier)
    if not images:
        what = f"Heroku names no image for v{release.version}"
        by_hand = f"if it had one, heroku rollback v{release.version} returns to it, without a plan"
        raise RemoteError(what, hint="" if _why_gone(release) else by_hand)
    return HerokuRecalled(release.version, release.id, images, marks, owned, named_processes(earlier))


def plan_return(recalled: HerokuRecalled, observed: HerokuObserved) -> tuple[Step, ...]:
    """One rollback where other images run, then the config vars of shipit that differ; empty when the release runs.

    A release that Heroku can't return to is released again in place of the rollback, with its images from elsewhere.

    Source: Heroku Platform API, POST /apps/{app}/releases, `release`.
    """
    changed = [name for name in _owned(recalled, observed) if _differs(name, recalled, observed)]
    if recalled.gone:
        return plan_again(recalled, observed, _restore(recalled, observed, changed) if changed else None)
    running = {name: facts.short for name, facts in observed.formation.items()}
    back = [_roll_back(recalled, observed, running)] if running != dict(recalled.images) else []
    config = [_restore(recalled, observed, changed, recalled.version if back else 0)] if changed else []
    return (*back, *config)


def return_notes(recalled: HerokuRecalled, observed: HerokuObserved) -> tuple[str, ...]:
    """Notes on what else a rollback of Heroku changes, and on what it leaves as it is."""
    owned = _owned(recalled, observed)
    names = sorted({*recalled.config_marks, *observed.config_marks} - set(owned))
    others = [name for name in names if _differs(name, recalled, observed)]
    notes = ["the number and size of dynos stay as they are: Heroku's releases do not have them"]
    if others and not recalled.gone:
        notes.append(f"Heroku may also set {', '.join(others)} back, which shipit has not set")
    if recalled.gone:
        notes += _unknown_processes(recalled, observed)
    return tuple(notes)


def _unknown_processes(recalled: HerokuRecalled, observed: HerokuObserved) -> list[str]:
    version = f"v{recalled.version}"
    told = [
        f"{name} stays as it is: Heroku's releases do not tell whether {version} had it"
        for name in uncertain(recalled, observed)
    ]
    if recalled.named is None and not told:
        told.append(
            f"Heroku's releases do not tell all process types of {version}: known are {', '.join(recalled.images)}"
        )
    return told


def judge_return(recalled: HerokuRecalled, observed: HerokuObserved, seen: Seen, *, pending_s: float) -> Verdict:
    """The health of the app, against the images and config vars of the earlier release, and of the process types that stay."""
    marks = {name: recalled.config_marks[name] for name in _owned(recalled, observed) if name in recalled.config_marks}
    exact = {name: source.config_digest for name, source in recalled.sources.items()}
    images = {name: exact.get(name, ShortDigest(short)) for name, short in recalled.images.items()}
    images |= _staying(recalled, observed, seen) if recalled.gone else {}
    wanted = Wanted(images=images, quantities={}, sizes={}, env={}, env_marks=marks, secret_marks={})
    return judge_heroku(wanted, observed, seen, pending_s=pending_s)


def _staying(recalled: HerokuRecalled, observed: HerokuObserved, seen: Seen) -> Mapping[str, ShortDigest]:
    """Process type -> image before the first change, of those that the return leaves as they are."""
    before = seen.before or seen.baseline
    known = before if isinstance(before, HerokuObserved) else observed
    shorts = {name: known.formation[name].short for name in uncertain(recalled, known)}
    return {name: ShortDigest(short) for name, short in shorts.items() if short not in ("", NO_IMAGE)}


def _restore(
    recalled: HerokuRecalled, observed: HerokuObserved, names: Sequence[str], rolled_back_to: int = 0
) -> RestoreConfig:
    return RestoreConfig(
        "config back",
        f"restore {', '.join(names)}",
        undo="deploy again",
        app=observed.id,
        baseline=observed.version,
        images=recalled.images,
        version=recalled.version,
        marks={name: recalled.config_marks.get(name) for name in names},
        rolled_back_to=rolled_back_to,
    )


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
