"""One-off commands: a job of the swarm like a service that runs, whose output is read until it ends, and that is removed afterwards."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from shipit.errors import RemoteError, ShipitError
from shipit.http.fields import Field
from shipit.targets.engine.frames import Frames
from shipit.targets.engine.guard import Guard
from shipit.targets.engine.owner import RUN, Owner
from shipit.targets.log_times import parse_log_time, unix_time
from shipit.targets.remote import Command, Output, Size, Started
from shipit.targets.seen_lines import SeenLines
from shipit.targets.swarm.change import own_row, resolved
from shipit.targets.swarm.client import SwarmClient
from shipit.targets.swarm.compare import portable
from shipit.targets.swarm.observed import NodeFacts, TaskFacts
from shipit.targets.swarm.parse import parse_task
from shipit.targets.swarm.setting import Setting
from shipit.targets.swarm.spec import is_run, run_name

_POLL_S, _REMOVE_S, _WINDOW_S, _PIECE = 0.3, 30.0, 2, 64 * 1024
_KEPT_S = 24 * 3600
# Reads of a log after its task has ended: a node may send the last lines late.
_LAST_READS = 3
# The command waits for one line, which is sent when its terminal is connected: nothing of it is lost.
_WAIT = 'IFS= read -r line || exit 125; exec "$@"'


def run_once(service: str, command: Command, setting: Setting) -> JobRun:
    """On any node. Raises: RemoteError."""
    made = ExitStack()
    try:
        name, identity = attached_job(made, service, command, setting)
        return JobRun(setting.client, identity, name, setting.client.nodes(), made)
    except BaseException:
        made.close()
        raise


def start_once(service: str, command: Command, setting: Setting) -> Started:
    """A command that nobody waits for; its job is removed by a deploy, a day later at the earliest."""
    name = _new_name(service, setting)
    _create_job(name, service, command, setting)
    host = setting.client.host
    return Started(f"{name} in the swarm of {host}", f"docker --host {host} service logs --follow {name}")


def attached_job(made: ExitStack, service: str, command: Command, setting: Setting, node: str = "") -> tuple[str, str]:
    """The name and the id of a job that goes as `made` is closed, or by a guard where this process ends before.

    With `node`, the id of one, it has a terminal there. Raises: RemoteError.
    """
    name = _new_name(service, setting)
    guard = made.enter_context(Guard(setting.client.engine, f"/services/{name}"))
    with guard.creating():
        identity = _create_job(name, service, command, setting, node)
    made.callback(guard.remove, partial(remove_job, setting.client, identity))
    return name, identity


def _new_name(service: str, setting: Setting) -> str:
    return run_name(setting.owner, service, secrets.token_hex(4))


def remove_job(client: SwarmClient, job: str) -> None:
    """Delete the job, also after the deadline."""
    client.within(_REMOVE_S).remove_service(job)


def _create_job(name: str, service: str, command: Command, setting: Setting, node: str = "") -> str:
    """Its id. Raises: RemoteError."""
    row = own_row(service, setting)
    if row is None:
        raise RemoteError(f"the swarm has no service {service}", where=setting.client.host, hint="shipit deploy first")
    # Tells the redactor the values that it has.
    setting.reader.service(service)
    live = portable(row["Spec"].map(), setting.client.networks_of([row["Spec"]]))
    body = job_body(live, setting.owner, service, name, command)
    body = with_terminal(body, node) if node else body
    image = str(body["TaskTemplate"]["ContainerSpec"].get("Image", ""))
    identity = setting.client.create_service(resolved(body, None, setting), setting.login(image))
    if not identity:
        what = f"the name {name} is taken"
        raise RemoteError(what, where=setting.client.host, hint="run it again", retryable=True, status=409)
    return identity


def job_body(spec: dict[str, Any], owner: Owner, service: str, name: str, command: Command) -> dict[str, Any]:
    """A job for one command, with the image, variables, secrets, volumes, limits, nodes and networks of a service.

    It publishes no port, has no alias in its networks, and is not started again. The command replaces the ENTRYPOINT.
    """
    task = {key: value for key, value in spec["TaskTemplate"].items() if key != "ForceUpdate"}
    left_out = ("Args", "Hostname", "Healthcheck", "TTY", "OpenStdin")
    container = {key: value for key, value in task["ContainerSpec"].items() if key not in left_out}
    labels = {**owner.labels, RUN: service}
    return {
        "Name": name,
        "Labels": labels,
        "TaskTemplate": {
            **task,
            "ContainerSpec": {
                **container,
                "Command": list(command.words),
                "Labels": labels,
                "Healthcheck": {"Test": ["NONE"]},
            },
            "RestartPolicy": {"Condition": "none"},
            "Networks": [{"Target": one["Target"]} for one in task.get("Networks") or ()],
        },
        "Mode": {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}},
    }


def with_terminal(body: dict[str, Any], node: str) -> dict[str, Any]:
    """The same job with a terminal, on one node, by its id. Its command waits for a line on its input."""
    task = body["TaskTemplate"]
    container, placement = task["ContainerSpec"], task.get("Placement") or {}
    gate = ["/bin/sh", "-c", _WAIT, "shipit"]
    attached = {**container, "Command": [*gate, *container["Command"]], "TTY": True, "OpenStdin": True}
    constraints = [*(placement.get("Constraints") or ()), f"node.id=={node}"]
    return {
        **body,
        "TaskTemplate": {**task, "ContainerSpec": attached, "Placement": {**placement, "Constraints": constraints}},
    }


def remove_old_runs(client: SwarmClient, owner: Owner, now_s: float) -> None:
    """Remove the jobs of one-off commands that ended and are a day old: until then their log is of use."""
    for row in client.services():
        if is_run_row(row, owner) and _is_old(row, now_s):
            tasks = [parse_task(task, "run", {}) for task in client.tasks([row["ID"].required()])]
            if all(task.has_ended for task in tasks):
                client.remove_service(row["ID"].required())


def is_run_row(row: Field, owner: Owner) -> bool:
    """True for the job of a one-off command of this target, by its labels and the name that belongs to them."""
    labels = row["Spec"]["Labels"].texts()
    is_named = is_run(owner, labels.get(RUN, ""), row["Spec"]["Name"].text())
    return is_named and owner.owns(labels)


def _is_old(row: Field, now_s: float) -> bool:
    created = unix_time(row["CreatedAt"].text())
    return bool(created) and float(created) < now_s - _KEPT_S


class JobRun:
    """A one-off command whose output a thread reads. `close` closes `made`, which removes its job, also where it still runs."""

    has_more = has_unsent = is_full = False

    def __init__(
        self, client: SwarmClient, identity: str, name: str, nodes: dict[str, NodeFacts], made: ExitStack
    ) -> None:
        self.where = name
        self._made = made
        self.is_over = False
        self._client, self._id, self._nodes = client.without_deadline(), identity, nodes
        self._frames = Frames(name)
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._closed = threading.Event()
        self._ended: TaskFacts | None = None
        self._error: ShipitError | None = None
        self._thread = threading.Thread(target=self._read, daemon=True, name=f"output of {name}")
        self._thread.start()

    def fileno(self) -> int:
        return self._ours.fileno()

    def receive(self) -> Iterator[Output]:
        try:
            data = self._ours.recv(_PIECE)
        except BlockingIOError:
            return
        if not data:
            self.is_over = True
        yield from self._frames.take(data)

    def flush(self) -> None:
        """Nothing waits to be sent."""

    def give(self, data: bytes) -> None:
        if data:
            what = "a job of a swarm takes no input"
            raise RemoteError(what, where=self.where, hint="give it a file by configs:, or use shipit exec")

    def end_input(self) -> None:
        """It has none."""

    def resize(self, size: Size) -> None:
        """It has no terminal."""

    def result(self) -> int:
        self._thread.join()
        if self._error is not None:
            raise self._error
        ended = self._ended
        if ended is None:
            raise RemoteError("somebody removed the job", where=self.where, hint="run it again")
        if ended.state == "complete":
            return 0
        if ended.state == "failed" and ended.exit_code:
            return ended.exit_code
        raise RemoteError(f"the command did not run: {ended.ended}", where=self.where)

    def close(self) -> None:
        self._closed.set()
        # Ends a thread that waits for its output to be taken.
        self._ours.close()
        self._made.close()

    def _read(self) -> None:
        try:
            with contextlib.suppress(OSError):
                self._read_all(SeenLines(_WINDOW_S))
        except ShipitError as error:
            self._error = error
        finally:
            self._theirs.close()

    def _read_all(self, seen: SeenLines) -> None:
        left = _LAST_READS
        while left and not self._closed.is_set():
            tasks = [parse_task(row, "run", self._nodes) for row in self._client.tasks([self._id])]
            last = max(tasks, key=lambda one: one.since, default=None)
            if last is None and self._client.service(self._id) is None:
                return
            if last is not None and last.has_ended:
                self._ended, left = last, left - 1
            if last is not None and last.container:
                self._send(last.id, seen)
            self._closed.wait(_POLL_S)

    def _send(self, task: str, seen: SeenLines) -> None:
        """Pass on what is new of the output."""
        since = unix_time(f"{seen.since}Z").partition(".")[0] if seen.since else "0"
        seen.read_again()
        for stream, data in self._client.task_frames(task, {"since": since}):
            time, _, rest = data.partition(b" ")
            if seen.is_new(parse_log_time(time.decode("ascii", "replace")), f"{stream}{hash(rest)}"):
                self._theirs.sendall(bytes([stream, 0, 0, 0]) + len(rest).to_bytes(4, "big") + rest)
