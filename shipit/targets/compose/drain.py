"""Runs `before_stop` in a container that is about to be taken away from its proxy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shipit.events import Event, Log
from shipit.targets.compose.observed import ContainerFacts
from shipit.targets.compose.setting import Setting
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.exec import run_to_end
from shipit.targets.engine.running import RunningContainer

_COMMAND_S = 60.0


def before_stop(
    one: ContainerFacts, service: str, command: Sequence[str], client: HostClient, setting: Setting
) -> Iterator[Event]:
    """A command that fails is told, and the container is taken away all the same. Raises: RemoteError, DeadlinePassed."""
    deadline = setting.session.deadline.within(_COMMAND_S)
    code, line = run_to_end(RunningContainer(client, one.id, one.name), command, deadline)
    if code:
        said = f": {line}" if line else ""
        yield Log(setting.target, service, f"before_stop ended with {code} in {one.name}{said}")
