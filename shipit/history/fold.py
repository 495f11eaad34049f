"""One run from its events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shipit.envelope import Envelope
from shipit.events import (
    PlanMade,
    RunFailed,
    RunFinished,
    RunStarted,
    StepDone,
    StepFailed,
    StepId,
    StepStarted,
    TargetFinished,
)
from shipit.past_run import PastRun, PastTarget, RunState

# The actions that change a place, or may.
CHANGING = ("apply", "tag", "delete", "hook")
_INTERRUPTED = 130


def fold_run(envelopes: Iterable[Envelope], *, is_running: bool) -> PastRun | None:
    """The run of some events in their order; None where the first is no RunStarted. `is_running` is True while a process still writes it."""
    found: PastRun | None = None
    targets: dict[str, PastTarget] = {}
    begun: dict[StepId, str] = {}
    done: dict[StepId, str] = {}
    for envelope in envelopes:
        event = envelope.event
        if found is None:
            if not isinstance(event, RunStarted):
                continue
            targets = {name: PastTarget(name) for name in event.targets}
            state: RunState = "running" if is_running else "lost"
            found = PastRun(
                envelope.run, event.command, event.app, event.environment, envelope.at, state,
                commit=event.commit, branch=event.branch, by=event.by, promoted_from=event.promoted_from,
            )  # fmt: skip
        elif isinstance(event, PlanMade):
            found = found._replace(changes=event.changes)
            targets |= {
                own.target: PastTarget(own.target, own.place.identity, returns_to=own.returns_to, wanted=own.wanted)
                for own in event.plan.targets
            }
        elif isinstance(event, StepStarted):
            begun[event.step] = event.summary
        elif isinstance(event, StepDone | StepFailed):
            begun.pop(event.step, None)
            if isinstance(event, StepDone):
                done[event.step] = event.summary
        elif isinstance(event, TargetFinished):
            own = targets.get(event.target, PastTarget(event.target))
            targets[event.target] = PastTarget(
                event.target, own.place, event.state, event.reason, event.images, event.is_rolled_back,
                event.rolled_back_to, event.version, elapsed_s=event.elapsed_s,
                returns_to="" if event.verdict.superseded_by else own.returns_to, wanted=own.wanted,
                release_state=event.release_state,
            )  # fmt: skip
        elif isinstance(event, RunFinished | RunFailed):
            summary = event.summary if isinstance(event, RunFinished) else event.message
            found = found._replace(
                state=_state(event.exit_code), ended_at=envelope.at, exit_code=event.exit_code, summary=summary
            )
    if found is None:
        return None
    found = found._replace(targets=tuple(targets.values()))
    return found if found.ended_at else found._replace(begun=_changes(begun), done=_changes(done))


def _changes(steps: Mapping[StepId, str]) -> tuple[str, ...]:
    """The texts of those steps that change a place, or may."""
    changing = ((step.target, text) for step, text in steps.items() if step.action in CHANGING)
    return tuple(f"{target}: {text}" if target else text for target, text in changing)


def _state(exit_code: int) -> RunState:
    if exit_code == _INTERRUPTED:
        return "interrupted"
    return "failed" if exit_code else "done"
