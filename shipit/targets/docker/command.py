"""Runs the release command of a release in a container of its own, and waits for its end."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.errors import DeployFailed, RemoteError
from shipit.events import Event, Log
from shipit.targets.docker.look import read_container
from shipit.targets.docker.observed import ContainerFacts
from shipit.targets.docker.owned import is_own, make_network
from shipit.targets.docker.render import create_body
from shipit.targets.docker.send import send_image
from shipit.targets.docker.setting import Setting
from shipit.targets.docker.steps import RunReleaseCommand
from shipit.targets.engine.client import HostClient

_POLL_S = 0.2
_WHAT = "the release command"


def run_command(step: RunReleaseCommand, client: HostClient, setting: Setting) -> Iterator[Event]:
    """One that still runs, as a killed deploy leaves it, is waited for. Raises: DeployFailed with its last lines."""
    values = setting.session.planned_values(step.marks, setting.target)
    found = _read(step, client, setting)
    if found is None or not found.is_running:
        client.remove(step.name)
        make_network(client, setting.owner)
        image = send_image(step.spec.image, client, setting, step.id).id if step.spec.is_sent else ""
        client.create(step.name, create_body(setting.owner, step.spec, 1, values, step.marks, image))
        _start(step, client, setting)
    ended = _await(step, client, setting)
    lines = client.within(15.0).last_lines(ended.id)
    client.remove(ended.id)
    if ended.exit_code or ended.error or ended.is_out_of_memory:
        raise DeployFailed(f"{_WHAT} {ended.ended} on {step.host}", where=setting.target, detail=lines)
    yield from (Log(setting.target, "release", line) for line in lines)


def _read(step: RunReleaseCommand, client: HostClient, setting: Setting) -> ContainerFacts | None:
    if not is_own(client, step.name, setting):
        return None
    return read_container(client, step.name, setting.secrets, setting.session)


def _start(step: RunReleaseCommand, client: HostClient, setting: Setting) -> None:
    try:
        client.start(step.name)
    except RemoteError as error:
        client.remove(step.name)
        raise DeployFailed(f"{_WHAT} can't be started on {step.host}: {error.what}", where=setting.target) from None


def _await(step: RunReleaseCommand, client: HostClient, setting: Setting) -> ContainerFacts:
    """The container when it has ended. One that takes too long is stopped."""
    deadline = setting.session.deadline.within(step.timeout_s)
    while True:
        found = _read(step, client, setting)
        if found is None:
            raise DeployFailed(f"{_WHAT} was removed by someone else", where=setting.target, hint="deploy again")
        if not found.is_running:
            return found
        if not deadline.remaining_s():
            own = client.within(30.0)
            own.stop(found.id)
            lines = own.last_lines(found.id)
            own.remove(found.id)
            what = f"{_WHAT} did not end within {step.timeout_s:.0f} s on {step.host}"
            raise DeployFailed(what, where=setting.target, detail=lines)
        setting.session.clock.sleep(_POLL_S)
