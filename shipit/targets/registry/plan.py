"""What a repository's page on Docker Hub should become. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shipit.release import PayloadStep as Step
from shipit.targets.registry.observed import HubTag

_SHOWN = 12


def plan_description(repository: str, wanted: str, now: str | None) -> Step | None:
    """The step that puts a text on a repository's page; None where it stands there. `now` is None for no page yet."""
    if now is not None and now.strip() == wanted.strip():
        return None
    verb = "change" if now else "write"
    payload = {"repository": repository, "describe": True}
    return Step(f"describe {repository}", f"{verb} the description of {repository}", payload=payload)


def plan_retention(repository: str, keep: int, own: Collection[str], tags: Sequence[HubTag]) -> Step | None:
    """The step that deletes the tags that are not among the newest `keep`, counting those of this deploy; None for none.

    `own` are the tags of this deploy: they stay. A tag whose time is not known stays, too.
    """
    others = sorted(
        (tag for tag in tags if tag.name not in own and tag.pushed), key=lambda tag: tag.pushed, reverse=True
    )
    old = [tag.name for tag in others[max(0, keep - len(own)) :]]
    if not old:
        return None
    more = (f"and {len(old) - _SHOWN} more",) if len(old) > _SHOWN else ()
    summary = f"delete {len(old)} old {'tag' if len(old) == 1 else 'tags'} of {repository}"
    detail = (f"older than the {keep} newest: {', '.join(old[:_SHOWN])}", *more)
    return Step(f"retain {repository}", summary, detail, payload={"repository": repository, "delete": old})
