"""Commands in containers that run.

Source: Docker Engine API 1.41: POST /containers/{id}/exec, POST /exec/{id}/start, GET /exec/{id}/json.
"""

from __future__ import annotations

from shipit.errors import RemoteError
from shipit.targets.engine.attached import Attached
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.running import RunningContainer
from shipit.targets.remote import Command


def execute(found: RunningContainer, command: Command) -> Attached:
    """A command in a container, begun. Raises: RemoteError."""
    identity = found.client.exec(found.id, command)

    def ended(client: HostClient) -> int | None:
        state = client.exec_state(identity)
        if state["Running"].flag():
            return None
        if state["ExitCode"].is_missing:
            raise RemoteError("the engine does not say how the command ended", where=client.host)
        return state["ExitCode"].whole()

    stream = found.client.start_exec(identity, command)
    return Attached(stream, command, found.client, f"/exec/{identity}", found.name, ended)
