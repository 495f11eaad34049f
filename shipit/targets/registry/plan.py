"""The steps from a repository's page on Docker Hub as it is to what deploy.yml says. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shipit.reference import is_tag
from shipit.release import is_run_tag
from shipit.targets.registry.observed import HubTag
from shipit.targets.registry.steps import DeleteTags, DescribeRepository

_SHOWN = 12


def plan_description(repository: str, wanted: str, now: str | None) -> DescribeRepository | None:
    """The step that replaces the description of a repository; None when up to date. `now` is None for no page yet."""
    if now is not None and now.strip() == wanted.strip():
        return None
    verb = "change" if now else "write"
    return DescribeRepository(
        f"describe {repository}",
        f"{verb} the description of {repository}",
        repository=repository,
        text=wanted,
        undo="deploy again with the former readme",
    )


def plan_retention(repository: str, keep: int, own: Collection[str], tags: Sequence[HubTag]) -> DeleteTags | None:
    """The step that deletes all but the newest `keep` tags; None when there are none to delete.

    `own` are the tags of this deploy: they count, and stay. A tag whose time is unknown stays, too, and those of runs are kept by
    themselves.
    """
    others = sorted(
        (tag for tag in tags if tag.name not in own and tag.pushed and is_tag(tag.name) and not is_run_tag(tag.name)),
        key=lambda tag: tag.pushed,
        reverse=True,
    )
    old = [tag.name for tag in others[max(0, keep - len(own)) :]]
    if not old:
        return None
    more = (f"and {len(old) - _SHOWN} more",) if len(old) > _SHOWN else ()
    summary = f"delete {len(old)} old {'tag' if len(old) == 1 else 'tags'} of {repository}"
    detail = (f"older than the {keep} newest: {', '.join(old[:_SHOWN])}", *more)
    return DeleteTags(
        f"retain {repository}",
        summary,
        detail,
        effect="delete",
        repository=repository,
        tags=tuple(old),
        undo="push the tags again",
    )
