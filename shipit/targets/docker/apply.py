"""Applies the steps of a host. Each looks at the host again before it writes, and skips what is done already."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.errors import DeployFailed
from shipit.events import Event, Log
from shipit.printable import counted, human_bytes
from shipit.release import Step
from shipit.targets.docker.command import run_command
from shipit.targets.docker.expire import remove_sent
from shipit.targets.docker.host_step import HostStep
from shipit.targets.docker.proxy.container import leave, provide
from shipit.targets.docker.proxy.route import dial
from shipit.targets.docker.proxy.steps import ProvideProxy, RemoveRoute, SetRoute
from shipit.targets.docker.proxy.switch import Switch, find_proxy, remove_all
from shipit.targets.docker.replace import Replacement
from shipit.targets.docker.restart import Restart
from shipit.targets.docker.resting import stop_container
from shipit.targets.docker.send import send_image
from shipit.targets.docker.setting import Setting
from shipit.targets.docker.steps import (
    PullImage,
    RemoveAll,
    ReplaceService,
    RestartService,
    RunReleaseCommand,
    SendImage,
    StopContainers,
    StopService,
)
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.images import pull_image
from shipit.targets.engine.owner import Owner
from shipit.targets.engine.records import remove_records


def apply_step(step: Step, client: HostClient, setting: Setting) -> Iterator[Event]:
    """Do one step. Raises: DeployFailed and other ShipitErrors."""
    match step:
        case PullImage():
            pull_image(step.image, step.platform, client, setting.session)
        case SendImage():
            sent = send_image(step.image, client, setting, step.id)
            said = f"{sent.sent_layers} of {counted(sent.layers, 'layer')}, {human_bytes(sent.sent_bytes)}"
            yield Log(setting.target, sent.image, f"sent {said} to {step.host}")
        case RunReleaseCommand():
            yield from run_command(step, client, setting)
        case ReplaceService():
            yield from Replacement(step, client, setting).run()
        case StopService() | StopContainers():
            for name in _own(step.names, client, setting.owner):
                stop_container(client, name)
        case RestartService():
            yield from Restart(step, client, setting).run()
        case ProvideProxy():
            provide(step, client, setting)
        case SetRoute():
            _set_route(step, client, setting)
        case RemoveRoute():
            Switch(client, setting).remove(step.service)
        case RemoveAll():
            _remove(step, client, setting.owner)
        case _:
            raise unknown(step, setting.target)


def unknown(step: Step, target: str) -> DeployFailed:
    what = f"the step {step.id!r} is of the type {step.type}, which a Docker host does not have"
    return DeployFailed(what, where=target, hint="make a new plan")


def host_of(step: Step, target: str) -> str:
    if not isinstance(step, HostStep):
        raise unknown(step, target)
    return step.host


def _set_route(step: SetRoute, client: HostClient, setting: Setting) -> None:
    found = [client.container(name) for name in _own(step.serving, client, setting.owner)]
    dials = [dial(one["Id"].required(), step.route.port) for one in found if one]
    if len(dials) < len(step.serving):
        what = f"a container of {step.route.service} is not on {step.host} any more"
        raise DeployFailed(what, where=setting.target, hint="deploy again")
    switch = Switch(client, setting)
    switch.check_names(dials)
    switch.lead(step.route, dials)


def _own(names: tuple[str, ...], client: HostClient, owner: Owner) -> list[str]:
    """The containers of these names that are of this target: a step may come from a file."""
    rows = client.containers(owner.filters)
    own = {name.text().lstrip("/") for row in rows for name in row["Names"].rows()}
    return [name for name in names if name in own]


def _remove(step: RemoveAll, client: HostClient, owner: Owner) -> None:
    proxy = find_proxy(client)
    if proxy and proxy.is_running and owner.prefix in proxy.networks:
        remove_all(client, proxy, owner)
    for name in _own(step.containers, client, owner):
        client.stop(name)
        client.remove(name)
    remove_sent(client, owner)
    if proxy and not client.containers(owner.app_filters):
        leave(client, owner, proxy)
    client.remove_network(owner.prefix)
    own = {volume.name for volume in client.volumes(owner.filters)}
    for name in step.volumes:
        if name in own:
            client.remove_volume(name)
    remove_records(client, owner)
