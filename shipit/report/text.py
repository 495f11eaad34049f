"""Events as lines of text. Pure."""

from __future__ import annotations

from shipit.events import (
    Event,
    Log,
    Retried,
    RunFinished,
    RunStarted,
    StepDone,
    StepFailed,
    StepStarted,
    TargetFinished,
    Waiting,
    Warned,
)

# A request that is soon sent again is not worth a line.
SHOWN_PAUSE_S = 1.0
SIGNS = {"healthy": "ok", "unchanged": "ok", "failed": "FAILED", "skipped": "skipped"}


def progress_lines(event: Event) -> list[str]:
    """What a log shows of an event; empty for what is a result, or too fine."""
    if isinstance(event, RunStarted):
        targets = f" to {', '.join(event.targets)}" if event.targets else ""
        return [f"{event.command} {event.app} ({event.environment}){targets}"]
    if isinstance(event, StepStarted):
        return [f"{_prefix(event.target)}{event.summary} ..."]
    if isinstance(event, StepDone):
        return [f"{_prefix(event.target)}{event.summary}  {seconds(event.elapsed_s)}"]
    if isinstance(event, StepFailed):
        return [f"{_prefix(event.target)}failed: {event.reason}"]
    if isinstance(event, Waiting):
        return [f"{_prefix(event.target)}waiting: {event.reason}"]
    if isinstance(event, Log):
        return [f"{_prefix(event.target)}{event.source} | {event.line}"]
    if isinstance(event, Warned):
        return [f"{_prefix(event.target)}warning: {event.message}"]
    if isinstance(event, Retried) and event.pause_s >= SHOWN_PAUSE_S:
        return [f"{event.where}: {event.reason}; again in {event.pause_s:g} s"]
    return []


def result_lines(event: Event) -> list[str]:
    """What is the outcome: one target's verdict with its cause, and the run's last line."""
    if isinstance(event, TargetFinished):
        lines = [f"{SIGNS[event.state]:<7} {event.target}  {event.reason}  {seconds(event.elapsed_s)}"]
        lines += [f"        | {line}" for line in event.detail]
        lines += [f"        {event.down}"] if event.down else []
        return [*lines, f"        hint: {event.hint}"] if event.hint else lines
    if isinstance(event, RunFinished):
        return [f"{'done' if event.exit_code == 0 else 'failed'}: {event.summary} in {seconds(event.elapsed_s)}"]
    return []


def seconds(value: float) -> str:
    if value >= 90:
        return f"{int(value // 60)}m{int(value % 60):02d}s"
    return f"{value:.1f}s"


def _prefix(target: str) -> str:
    return f"{target}: " if target else ""
