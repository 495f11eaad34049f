"""A past run of shipit: its command, its changes and its end. Imports printable and release."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from shipit.printable import FreeText, Name
from shipit.release import PublishedImage

# The clocks of a place and of the machine of a run may differ by so much.
_CLOCKS = timedelta(seconds=30)
# The commands that release.
RELEASING = ("deploy", "promote", "rollback")
RunState = Literal["done", "failed", "interrupted", "running", "lost", "unknown"]


class PastTarget(NamedTuple):
    """The result of a run at one target. `state` is that of TargetFinished; empty where the run has no end for it.

    `rolled_back_to` and `version` are those of TargetFinished, too. `is_current` is True where its release runs now, and
    `changes` are the summaries of its steps, as the place tells them. `elapsed_s` is how long it took; None where not known.
    `returns_to` is the version that a rollback by command was to return to; empty where somebody else changed the place
    meanwhile. `wanted` is that of its plan. `release_state` is `healthy` where the target failed and its release is healthy
    all the same: it was verified before that, or since; empty otherwise.
    """

    name: Name
    place: Name = ""
    state: Name = ""
    reason: FreeText = ""
    images: tuple[PublishedImage, ...] = ()
    is_rolled_back: bool = False
    rolled_back_to: Name = ""
    version: Name = ""
    is_current: bool = False
    changes: tuple[FreeText, ...] = ()
    elapsed_s: float | None = None
    returns_to: Name = ""
    wanted: Name = ""
    release_state: Literal["", "healthy"] = ""

    @property
    def is_verified(self) -> bool:
        """True where its release was verified, also where the target failed otherwise."""
        return self.state in ("healthy", "unchanged") or self.release_state == "healthy"


class CommandStatistics(NamedTuple):
    """The runs of one command that ended or were killed. `failed` counts those that failed; times are in seconds, None where not known."""

    command: Name
    runs: int
    failed: int
    median_s: float | None = None
    longest_s: float | None = None


class PastRun(NamedTuple):
    """One run. Times are RFC 3339 in UTC; `ended_at` is empty and `exit_code` None while the end is not known.

    `run` is empty for a release whose run is not known: one of another tool, or of another machine where the place keeps no ids.
    `state` is `lost` where the journal has no end of the run, as when it was killed. `changes` are those of its plan.
    `begun` are the steps of a target that began and had no end, and `done` those that ended, of a run without an end.
    `by` is who made it. A run of another machine is known from the places only, and its state is `unknown` where they keep
    no verdict. `promoted_from` is the source of a promotion.
    """

    run: Name
    command: Name
    app: Name
    environment: Name
    started_at: Name
    state: RunState
    ended_at: Name = ""
    exit_code: int | None = None
    commit: Name = ""
    branch: Name = ""
    changes: int = 0
    summary: FreeText = ""
    targets: tuple[PastTarget, ...] = ()
    begun: tuple[FreeText, ...] = ()
    by: FreeText = ""
    promoted_from: FreeText = ""
    done: tuple[FreeText, ...] = ()

    @property
    def elapsed_s(self) -> float | None:
        """From the start to the end; of a run that only the places know, as long as its slowest target. None where not known."""
        if self.state in ("lost", "running"):
            return None
        if not self.ended_at:
            return max((own.elapsed_s for own in self.targets if own.elapsed_s is not None), default=None)
        try:
            took = datetime.fromisoformat(self.ended_at) - datetime.fromisoformat(self.started_at)
        except (ValueError, TypeError):
            # One that is no time, or only one with a zone.
            return None
        return max(0.0, took.total_seconds())

    def ended_before(self, at: str) -> bool:
        """True where the run had ended when something happened, also if the clocks differ by a few seconds."""
        return bool(self.ended_at) and time_of(at) - time_of(self.ended_at) > _CLOCKS


def time_of(text: str) -> datetime:
    """A time in UTC, to the second and without its zone; the first of all for text that is no time."""
    try:
        at = datetime.fromisoformat(text)
        return (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None, microsecond=0)
    except (ValueError, OverflowError):
        return datetime.min
