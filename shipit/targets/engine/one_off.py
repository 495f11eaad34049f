"""One-off commands: a container like one that runs, attached to, and removed afterwards.

Source: Docker Engine API 1.41: POST /containers/create, POST /containers/{id}/attach.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from shipit.docker.dial import ByteStream
from shipit.errors import RemoteError, UsageError
from shipit.http.fields import Field
from shipit.targets.engine.attached import Attached
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.copied import one_off_body, without_networks
from shipit.targets.engine.facts import has_ended
from shipit.targets.engine.owner import ATTACHED, RUN, Owner
from shipit.targets.engine.running import RunningContainer
from shipit.targets.engine.secret_files import copy_files
from shipit.targets.log_times import unix_time
from shipit.targets.remote import Command, Started

_REMOVE_S = 30.0
_KEPT_S = 24 * 3600
# How long after its end a shipit that waits for a command may still read its exit code.
_ATTACHED_S = 600


class OneOff(Attached):
    """A one-off command that we are connected to. Its container is removed by `close`."""

    def __init__(
        self,
        stream: ByteStream,
        command: Command,
        client: HostClient,
        identity: str,
        name: str,
        ended: Callable[[HostClient], int | None],
    ) -> None:
        super().__init__(stream, command, client, f"/containers/{identity}", name, ended)
        self._host, self._id = client, identity

    def close(self) -> None:
        super().close()
        self._host.within(_REMOVE_S).remove(self._id)


def check_no_size(target: str, size: str) -> None:
    """Raises: UsageError for a size: these places have none."""
    if size:
        raise UsageError(
            f"{target} has no sizes for --size", hint="leave it out: the command has the limits of the service"
        )


def has_expired(client: HostClient, row: Field, now_s: float) -> bool:
    """True for the container of a one-off command that ended and is a day old: until then its log is of use.

    Also ten minutes after its end for one that a shipit waited for: that shipit removes the container, and was killed before it did.
    """
    labels = row["Labels"].texts()
    if RUN not in labels or not has_ended(row):
        return False
    return row["Created"].whole() < now_s - _KEPT_S or (ATTACHED in labels and _ended_long_ago(client, row, now_s))


def _ended_long_ago(client: HostClient, row: Field, now_s: float) -> bool:
    found = client.container(row["Id"].required())
    # One that was created only now has not ended.
    if found is None or found["State"]["Status"].text() != "exited":
        return False
    ended = unix_time(found["State"]["FinishedAt"].text())
    return bool(ended) and float(ended) < now_s - _ATTACHED_S


def run_once(found: RunningContainer, owner: Owner, service: str, command: Command) -> OneOff:
    """Start a command and connect to it. Raises: RemoteError, after the container is removed."""
    client = found.client
    identity, name = _created(found, owner, service, command, is_detached=False)
    try:
        # Attached before it starts: nothing that it writes is lost.
        stream = client.attach(identity, has_input=command.has_input)
        try:
            _start(client, identity)
        except BaseException:
            stream.close()
            raise
    except BaseException:
        client.within(_REMOVE_S).remove(identity)
        raise

    def ended(client: HostClient) -> int | None:
        answer = client.container(identity)
        if answer is None:
            raise RemoteError(f"somebody removed {name}", where=client.host)
        return None if answer["State"]["Running"].flag() else answer["State"]["ExitCode"].whole()

    return OneOff(stream, command, client, identity, name, ended)


def start_once(found: RunningContainer, owner: Owner, service: str, command: Command) -> Started:
    """Start a command that nobody waits for; its container is removed by a deploy, a day later at the earliest."""
    identity, name = _created(found, owner, service, command, is_detached=True)
    try:
        _start(found.client, identity)
    except BaseException:
        found.client.within(_REMOVE_S).remove(identity)
        raise
    return Started(f"{name} on {found.client.host}", f"docker --host {found.client.host} logs --follow {name}")


def _created(
    found: RunningContainer, owner: Owner, service: str, command: Command, *, is_detached: bool
) -> tuple[str, str]:
    name = f"{owner.prefix}-{service}-run-{secrets.token_hex(4)}"
    like = found.read()
    body: dict[str, Any] = one_off_body(like, owner, service, command, is_detached=is_detached)
    body, others = without_networks(body)
    identity = found.client.create(name, body)
    if not identity:
        raise RemoteError(f"the name {name} is taken", where=found.client.host, hint="run it again", retryable=True)
    try:
        for network in others:
            found.client.connect(network, identity, [])
        copy_files(found.client, like, identity)
    except BaseException:
        found.client.within(_REMOVE_S).remove(identity)
        raise
    return identity, name


def _start(client: HostClient, identity: str) -> None:
    try:
        client.start(identity)
    except RemoteError as error:
        error.hint = error.hint or "check that the image has this program"
        raise
