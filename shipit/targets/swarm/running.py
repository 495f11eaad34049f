"""Finds a task of a service whose container the engine at hand can run a command in: one of its own node."""

from __future__ import annotations

from collections.abc import Callable

from shipit.errors import RemoteError
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.running import RunningContainer
from shipit.targets.swarm.client import SwarmClient
from shipit.targets.swarm.look import Reader
from shipit.targets.swarm.observed import TaskFacts


def find_running(reader: Reader, service: str, other: Callable[[str], HostClient | None]) -> RunningContainer:
    """The newest task that runs here, or on a node whose engine `other` gives. Raises: RemoteError that says where the tasks run."""
    found = reader.service(service)
    tasks = [one for one in found.tasks if one.state == "running" and one.is_wanted] if found else []
    newest = [one for one in sorted(tasks, key=lambda one: one.since, reverse=True) if one.container]
    for task in newest:
        if reader.client.container(task.container) is not None:
            return RunningContainer(reader.client, task.container, task.name)
    for task in newest:
        client = other(task.node)
        if client is not None and client.container(task.container) is not None:
            return RunningContainer(client, task.container, task.name)
    if not tasks:
        raise RemoteError(f"no task of {service} runs", where=reader.client.host, hint="deploy first: shipit deploy")
    raise elsewhere(tasks, reader.client)


def elsewhere(tasks: list[TaskFacts], client: SwarmClient) -> RemoteError:
    """The error for tasks that all run on other nodes."""
    where = ", ".join(f"{one.name} on {one.node}" for one in tasks)
    what = f"the engine at hand runs none of its tasks: {where}"
    node, container = tasks[0].node, tasks[0].container[:12]
    hint = f"on {node}: docker exec -it {container} COMMAND; or add to the target: nodes: {{{node}: ssh://USER@{node}}}"
    return RemoteError(what, where=client.host, hint=hint)
