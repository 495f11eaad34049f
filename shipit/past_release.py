"""A release that a place had, as the place itself tells it. Imports printable and release."""

from __future__ import annotations

from typing import Literal, NamedTuple

from shipit.printable import FreeText, Name
from shipit.release import PublishedImage

# Why a place can't return to a release, where it ran nothing then, as Heroku before the first image of an app.
NOTHING_RAN = "nothing ran then"


class PastRelease(NamedTuple):
    """One release of a target. Times are RFC 3339 in UTC; a text is empty where the place does not say it.

    `version` is the place's own name for it, such as `v12` of Heroku, or the id of the run; `run` is that id, too, where
    the place has it. `state` is the verdict on it: `unknown` where the place keeps none, `begun` for one without an end.
    `by` is who made it. `changes` are the summaries of its steps. `gone` says why the place can't return to it.
    `returns_to` is the version that runs again since this one: a release that returned to it, or that failed and was
    rolled back to it; with `command` rollback, a failed one may not have reached it. `command` is that of the run.
    `promoted_from` is the source of a promotion, as `Promotion.source` gives it, and `wanted` that of the target's plan.
    `run_state` is how its run ended where the release is healthy all the same: `failed` after it was verified, or `failed`
    or `lost` before a later run verified it; empty otherwise.
    """

    version: Name
    state: Literal["healthy", "failed", "begun", "unknown"] = "unknown"
    run: Name = ""
    released_at: Name = ""
    elapsed_s: float | None = None
    by: FreeText = ""
    commit: Name = ""
    branch: Name = ""
    images: tuple[PublishedImage, ...] = ()
    changes: tuple[FreeText, ...] = ()
    reason: FreeText = ""
    is_current: bool = False
    gone: FreeText = ""
    returns_to: Name = ""
    command: Name = ""
    promoted_from: FreeText = ""
    wanted: Name = ""
    run_state: Literal["", "failed", "lost"] = ""

    @property
    def is_return(self) -> bool:
        """True for the release of a rollback by command: it has what the record of `returns_to` holds."""
        return self.command == "rollback" and bool(self.returns_to)
