"""The result of each target, for the last lines of a run, and the command to run next. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

from shipit.config.overlay import environment_option
from shipit.events import Serving, TargetEnd, TargetFinished
from shipit.past_run import RELEASING

# The commands that release. Others change what runs.


class Ending(NamedTuple):
    """The end of a run, as RunFinished has it."""

    exit_code: int
    summary: str
    urls: tuple[Serving, ...] = ()


def ends_of(command: str, finished: Mapping[str, TargetFinished]) -> tuple[TargetEnd, ...]:
    """By the last event about each target."""
    return tuple(_end(command, event) for event in finished.values())


def next_command(
    command: str, environment: str, ends: Sequence[TargetEnd], returnable: Collection[str], source: str = ""
) -> str:
    """The command for what has not ended well; empty where all has, and after a command that releases nothing.

    A target that is down comes first, where it is `returnable`: there is a release to return to. `source` is the
    environment that was promoted from.
    """
    if command not in RELEASING:
        return ""
    if command == "rollback":
        # Another rollback of what has returned already would go further back.
        ends = [end for end in ends if not end.release_state]
    down = [end.target for end in ends if end.state == "down" and end.target in returnable]
    left = [end.target for end in ends if end.state in ("down", "failed", "rolled_back", "not_reached")]
    if not left:
        return ""
    selected = environment_option(environment)
    if down and command != "rollback":
        return f"shipit rollback {' '.join(down)}{selected}"
    if command == "promote":
        return f"shipit promote {' '.join(left)} --from {source} --to {environment}"
    return f"shipit {command} {' '.join(left)}{selected}"


def _end(command: str, event: TargetFinished) -> TargetEnd:
    name = event.target
    match event.state:
        case "healthy":
            return TargetEnd(name, "released" if command in RELEASING else "changed", event.version)
        case "skipped":
            return TargetEnd(name, "not_reached", reason=event.reason)
        case "unchanged" | "removed" | "pruned" | "left":
            return TargetEnd(name, event.state, event.version)
        case _ if event.is_rolled_back:
            return TargetEnd(name, "rolled_back", event.rolled_back_to, event.reason)
        case _:
            state: Literal["down", "failed"] = "down" if event.down else "failed"
            return TargetEnd(name, state, event.version, event.reason, event.release_state)
