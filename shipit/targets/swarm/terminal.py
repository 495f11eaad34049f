"""One-off commands with a terminal: a job on a node whose engine can be reached, which connects to its container.

Source: Docker Engine API 1.41: ContainerSpec (TTY, OpenStdin), POST /containers/{id}/attach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

from shipit.docker.dial import ByteStream
from shipit.errors import RemoteError
from shipit.targets.engine.attached import Attached
from shipit.targets.engine.client import HostClient
from shipit.targets.remote import Command, Output
from shipit.targets.swarm.observed import TaskFacts
from shipit.targets.swarm.one_off import attached_job
from shipit.targets.swarm.parse import parse_task
from shipit.targets.swarm.running import find_running
from shipit.targets.swarm.setting import Setting

_POLL_S = 0.2
# What a terminal shows of the line that lets the command begin.
_ECHO = b"\r\n"


def run_at_terminal(
    service: str, command: Command, setting: Setting, other: Callable[[str], HostClient | None]
) -> TerminalRun:
    """On the node of a task of the service, if any runs. `other` gives the engine of another node than the manager's. Raises: RemoteError."""
    engine = _engine(service, setting, other)
    node = engine.info()["Swarm"]["NodeID"].required()
    made = ExitStack()
    try:
        name, identity = attached_job(made, service, command, setting, node)
        container = _started(identity, name, setting)
        stream = made.enter_context(closing(engine.attach(container, has_input=True)))
        return TerminalRun(stream, command, engine, container, name, made)
    except BaseException:
        made.close()
        raise


def _engine(service: str, setting: Setting, other: Callable[[str], HostClient | None]) -> HostClient:
    """That of the manager for a service that is stopped."""
    found = setting.reader.service(service)
    is_stopped = found is not None and not any(one.state == "running" and one.is_wanted for one in found.tasks)
    return setting.client if is_stopped else find_running(setting.reader, service, other).client


def _started(identity: str, name: str, setting: Setting) -> str:
    """The container of the job when it runs. Raises: RemoteError where it can't run."""
    nodes = setting.client.nodes()
    while True:
        tasks = [parse_task(row, "run", nodes) for row in setting.client.tasks([identity])]
        last = max(tasks, key=lambda one: one.since, default=None)
        if last is not None and last.has_ended:
            raise _not_run(last, name)
        if last is not None and last.state == "running" and last.container:
            return last.container
        setting.session.deadline.sleep(_POLL_S, last.said if last is not None and last.said else f"the task of {name}")


def _not_run(task: TaskFacts, name: str) -> RemoteError:
    hint = (
        "a command with a terminal needs a /bin/sh in the image; --no-tty needs none" if "/bin/sh" in task.said else ""
    )
    return RemoteError(f"the command did not run: {task.ended}", where=name, hint=hint)


class TerminalRun(Attached):
    """A command in the container of a job. `close` closes `made`, which removes the job."""

    def __init__(
        self, stream: ByteStream, command: Command, engine: HostClient, container: str, name: str, made: ExitStack
    ) -> None:
        super().__init__(stream, command, engine, f"/containers/{container}", name, self._code)
        self._container, self._made = container, made
        self._echo = _ECHO
        self.give(b"\n")

    def receive(self) -> Iterator[Output]:
        for output in super().receive():
            data = output.data
            while self._echo and data:
                # Anything else than the echo is of the command.
                self._echo, data = (self._echo[1:], data[1:]) if data[:1] == self._echo[:1] else (b"", data)
            if data:
                yield output._replace(data=data)

    def close(self) -> None:
        self._made.close()

    def _code(self, client: HostClient) -> int | None:
        found = client.container(self._container)
        if found is None:
            raise RemoteError("somebody removed the job", where=self.where, hint="run it again")
        return None if found["State"]["Running"].flag() else found["State"]["ExitCode"].whole()
