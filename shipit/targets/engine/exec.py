"""Commands in containers that run.

Source: Docker Engine API 1.41: POST /containers/{id}/exec, POST /exec/{id}/start, GET /exec/{id}/json.
"""

from __future__ import annotations

import select
from collections.abc import Sequence

from shipit.clock import Deadline
from shipit.errors import RemoteError
from shipit.targets.engine.attached import Attached
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.running import RunningContainer
from shipit.targets.remote import Command

_LOOK_S, _LONGEST = 0.2, 4096


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


def run_to_end(found: RunningContainer, words: Sequence[str], deadline: Deadline) -> tuple[int, str]:
    """Run a command in a container: its exit code, and the last line that it wrote. Raises: RemoteError, DeadlinePassed."""
    remote, kept = execute(found, Command(tuple(words))), b""
    try:
        while not remote.is_over:
            deadline.check(f"{words[0]} in {found.name}")
            select.select([remote] if not remote.has_more else [], [], [], 0.0 if remote.has_more else _LOOK_S)
            kept = (kept + b"".join(output.data for output in remote.receive()))[-_LONGEST:]
        lines = [line.strip() for line in kept.decode("utf-8", "replace").splitlines() if line.strip()]
        return remote.result(), lines[-1] if lines else ""
    finally:
        remote.close()
