"""The return of tags to what they named in an earlier release. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shipit.digest import Digest
from shipit.past_release import PastRelease
from shipit.reference import is_tag
from shipit.release import Seen, State, Verdict
from shipit.targets.registry.observed import RegistryObserved
from shipit.targets.registry.records import wanted_tags
from shipit.targets.registry.steps import MoveTags


class RegistryRecalled(NamedTuple):
    """An earlier release. `tags`: `REPOSITORY TAG` -> the digest that it named."""

    version: str
    tags: Mapping[str, Digest]


def recalled_of(past: PastRelease, repositories: Iterable[str]) -> RegistryRecalled:
    """A release, with those of its tags that are in repositories of deploy.yml."""
    own = set(repositories)
    tags = {name: digest for name, digest in wanted_tags(past).items() if _is_own(name, own)}
    return RegistryRecalled(past.version, tags)


def plan_return(recalled: RegistryRecalled, observed: RegistryObserved) -> tuple[MoveTags, ...]:
    """A step for each image with a tag that names another one now; empty when all are as they were."""
    moved: dict[tuple[str, Digest], dict[str, Digest | None]] = {}
    for name, digest in recalled.tags.items():
        repository, _, tag = name.partition(" ")
        if (now := observed.manifests.get(name)) != digest:
            moved.setdefault((repository, digest), {})[tag] = now
    return tuple(
        MoveTags(
            f"move {repository}@{digest.short}",
            f"move {', '.join(before)} of {repository} to {digest.short}",
            tuple(f"{tag}  {now.short if now else 'none'} -> {digest.short}" for tag, now in before.items()),
            effect="replace",
            undo="deploy again, or roll back to the later release",
            repository=repository,
            digest=digest,
            before=before,
        )
        for (repository, digest), before in moved.items()
    )


def judge_return(recalled: RegistryRecalled, observed: RegistryObserved, seen: Seen) -> Verdict:
    before = seen.before.manifests if isinstance(seen.before, RegistryObserved) else {}
    for name, digest in recalled.tags.items():
        now = observed.manifests.get(name)
        if now == digest:
            continue
        shown = name.replace(" ", ":")
        if now is None or now == before.get(name):
            return Verdict(State.WAITING, f"{shown} does not name {digest.short} yet", shown)
        reason = f"superseded: someone else moved {shown} to {now.short}, and this rollback is to {digest.short}"
        return Verdict(State.FAILED, reason, hint="look who did it, and run it again", superseded_by="someone else")
    names = ", ".join(f"{name.replace(' ', ':')} is {digest.short}" for name, digest in recalled.tags.items())
    return Verdict(State.HEALTHY, names)


def _is_own(name: str, repositories: set[str]) -> bool:
    repository, _, tag = name.partition(" ")
    return repository in repositories and is_tag(tag)
