"""`rollback: all`: when a target fails, those that the run has changed already are rolled back, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from shipit.events import TargetFinished
from shipit.pipeline.recording import Record, end_record
from shipit.pipeline.rollback import roll_back
from shipit.release import Facts, Place, PublishedImage, Release, State, Verdict

if TYPE_CHECKING:
    from shipit.pipeline.run import Run
    from shipit.targets.base import Target


class Done(NamedTuple):
    """A target that a run has changed, and that is healthy. `before` is what was observed for the plan.

    `but` is what failed after it was verified, such as a hook; empty where nothing did.
    """

    target: Target
    release: Release
    place: Place
    before: Any
    applied: Mapping[str, Facts]
    record: Record | None
    images: tuple[PublishedImage, ...]
    version: str
    but: str = ""


def take_back(run: Run, done: Mapping[str, Done], failed: list[str], note: Callable[[str], None]) -> None:
    """Roll back what is done, one target after the other, the last one first; `note` is called with each name.

    Each of them ends as failed, with another TargetFinished, also where it could not be rolled back.
    """
    for name, item in reversed(list(done.items())):
        started = run.clock.now()
        back = roll_back(run, item.target, item.release, item.place, item.before, item.applied)
        taken = "taken back" if back.is_back else "to be taken back"
        reason = f"{item.but or 'healthy'}, and {taken} because {', '.join(failed)} failed{back.said}"
        end_record(run, item.record, "failed", reason, back.version)
        note(name)
        run.emit(
            TargetFinished(
                name,
                "failed",
                run.clock.now() - started,
                Verdict(State.FAILED, reason),
                item.images,
                back.is_back,
                back.version,
                item.version,
            )
        )
