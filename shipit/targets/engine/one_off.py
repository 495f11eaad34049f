"""One-off commands: a container like one that runs, attached to, and removed afterwards.

Source: Docker Engine API 1.41: POST /containers/create, POST /containers/{id}/attach.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

from shipit.docker.dial import ByteStream
from shipit.errors import RemoteError, UsageError
from shipit.http.fields import Field
from shipit.targets.engine.attached import Attached
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.copied import one_off_body, without_networks
from shipit.targets.engine.ending import Ending
from shipit.targets.engine.facts import has_ended
from shipit.targets.engine.guard import Guard
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
    """A one-off command that we are connected to. `close` removes its container, which its engine does where the command has ended."""

    def __init__(
        self, stream: ByteStream, command: Command, client: HostClient, name: str, ending: Ending, made: ExitStack
    ) -> None:
        super().__init__(stream, command, client, f"/containers/{name}", name, lambda _: ending.exit_code())
        self._made = made

    def close(self) -> None:
        self._made.close()


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
    """Start a command and connect to it. Raises: RemoteError, after the container is removed.

    The engine removes the container when the command has ended, and a guard does where this process ends before.
    """
    client, name, like, made = found.client, _name(owner, service), found.read(), ExitStack()
    try:
        guard = made.enter_context(Guard(client.engine, f"/containers/{name}"))
        with guard.creating():
            networks = _create(name, client, one_off_body(like, owner, service, command, is_detached=False))
        made.callback(guard.remove, partial(_remove, client, name))
        _prepare(name, client, like, networks)
        ending = made.enter_context(Ending(client, name))
        # Attached before it starts: nothing that it writes is lost.
        stream = made.enter_context(closing(client.attach(name, has_input=command.has_input)))
        _start(client, name)
        return OneOff(stream, command, client, name, ending, made)
    except BaseException:
        made.close()
        raise


def start_once(found: RunningContainer, owner: Owner, service: str, command: Command) -> Started:
    """Start a command that nobody waits for; its container is removed by a deploy, a day later at the earliest."""
    client, name, like = found.client, _name(owner, service), found.read()
    networks = _create(name, client, one_off_body(like, owner, service, command, is_detached=True))
    try:
        _prepare(name, client, like, networks)
        _start(client, name)
    except BaseException:
        _remove(client, name)
        raise
    return Started(f"{name} on {client.host}", f"docker --host {client.host} logs --follow {name}")


def _name(owner: Owner, service: str) -> str:
    return f"{owner.prefix}-{service}-run-{secrets.token_hex(4)}"


def _create(name: str, client: HostClient, body: Mapping[str, Any]) -> Iterable[str]:
    """The networks that it is still to be connected to."""
    body, others = without_networks(body)
    if not client.create(name, body):
        what = f"the name {name} is taken"
        raise RemoteError(what, where=client.host, hint="run it again", retryable=True, status=409)
    return others


def _prepare(name: str, client: HostClient, like: Field, networks: Iterable[str]) -> None:
    for network in networks:
        client.connect(network, name, [])
    copy_files(client, like, name)


def _remove(client: HostClient, name: str) -> None:
    client.within(_REMOVE_S).remove(name)


def _start(client: HostClient, identity: str) -> None:
    try:
        client.start(identity)
    except RemoteError as error:
        error.hint = error.hint or "check that the image has this program"
        raise
