"""Parses the descriptions of releases: which images each released to which process type, and so which images run. Pure.

Source: `Deployed web (12 digits), worker (12 digits)`, `Rollback to v3`, `Set MODE, TOKEN config vars`, as Heroku writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from shipit.targets.heroku.observed import ReleaseFacts

_IMAGE = re.compile(r"([-A-Za-z0-9_]{1,128}) \(([0-9a-f]{12})\)", re.ASCII)
_DEPLOYED = re.compile(rf"Deployed {_IMAGE.pattern}(, {_IMAGE.pattern})*", re.ASCII)
_ROLLBACK = re.compile(r"Rollback to v([0-9]{1,15})", re.ASCII)
_WORD = re.compile(r"\w+")


def released_images(release: ReleaseFacts) -> dict[str, str]:
    """Process type -> first twelve digits of the image that a release deployed; empty for releases of another kind."""
    return named_images(release.description)


def named_images(description: str) -> dict[str, str]:
    """The same, by the description of a release."""
    return dict(_IMAGE.findall(description)) if description.startswith("Deployed ") else {}


def returned_to(release: ReleaseFacts) -> int:
    """The version that a rollback released again; 0 for releases of another kind."""
    back = _ROLLBACK.fullmatch(release.description)
    return int(back[1]) if back else 0


def sets_variables(release: ReleaseFacts, names: Iterable[str]) -> bool:
    """Whether a release set or removed one of some config vars."""
    return is_about_config(release) and not set(names).isdisjoint(_WORD.findall(release.description))


def is_about_config(release: ReleaseFacts) -> bool:
    return release.description.startswith(("Set ", "Remove ")) and "config var" in release.description


def changes_images(release: ReleaseFacts) -> bool:
    return bool(released_images(release)) or release.description.startswith(("Deploy", "Rollback ", "Promote "))


def has_released(release: ReleaseFacts, process: str, short: str) -> bool:
    """Whether a release deployed an image to a process type."""
    return released_images(release).get(process) == short


def newest_of(releases: Iterable[ReleaseFacts], process: str, short: str) -> ReleaseFacts | None:
    """The newest release that deployed an image to a process type; `releases` newest first."""
    return next((release for release in releases if has_released(release, process, short)), None)


def running_images(releases: Iterable[ReleaseFacts]) -> Mapping[str, str]:
    """Process type -> first twelve digits of its running image, by the releases that succeeded.

    A process type is absent when unknown: its image is older than `releases`, or a release has another description.
    `releases` newest first.
    """
    known: dict[str, str] = {}
    after: dict[int, dict[str, str]] = {}
    for release in sorted(releases, key=lambda release: release.version):
        if release.status in ("succeeded", "expired"):
            back = _ROLLBACK.match(release.description)
            if back:
                known = after.get(int(back[1]), {})
            elif images := released_images(release):
                known = {**known, **images}
            elif release.description.startswith("Remove") and not is_about_config(release):
                gone = set(re.findall(r"[-\w]+", release.description))
                known = {name: short for name, short in known.items() if name not in gone}
            elif changes_images(release):
                known = {}
        after[release.version] = known
    return known


def named_processes(releases: Sequence[ReleaseFacts]) -> frozenset[str] | None:
    """Every process type to which a release deployed an image, also one that was taken out again.

    None where that is not certain: where a release is missing, or one of images does not name them.
    """
    if {release.version for release in releases} != set(range(1, len(releases) + 1)):
        return None
    changing = [release for release in releases if changes_images(release) and not returned_to(release)]
    if not all(_DEPLOYED.fullmatch(release.description) for release in changing):
        return None
    return frozenset(name for release in changing for name in released_images(release))


def without_image(releases: Sequence[ReleaseFacts]) -> frozenset[int]:
    """The versions before the first image that an app ran; empty where the first releases are not among these."""
    found = []
    for version, release in enumerate(sorted(releases, key=lambda release: release.version), 1):
        if release.version != version or (changes_images(release) and release.status != "failed"):
            break
        found.append(version)
    return frozenset(found)


def describe_release(release: ReleaseFacts) -> str:
    """A release for people: version, description, user and time, as far as known."""
    parts = [release.description, f"by {release.user}" if release.user else "", release.created_at]
    known = ", ".join(part for part in parts if part)
    return f"v{release.version}{f' ({known})' if known else ''}"
