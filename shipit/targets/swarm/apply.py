"""Applies the steps of a swarm."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from shipit.errors import DeployFailed, RemoteError
from shipit.events import Event, Log
from shipit.http.fields import Field
from shipit.release import Step
from shipit.targets.swarm.change import change_live, own_row, restore_service, update_service
from shipit.targets.swarm.job import run_command
from shipit.targets.swarm.kept import remove_all_kept
from shipit.targets.swarm.one_off import is_run_row
from shipit.targets.swarm.owned import is_own
from shipit.targets.swarm.parse import stopped_count
from shipit.targets.swarm.setting import Setting
from shipit.targets.swarm.spec import RESTARTED, STOPPED, network_name
from shipit.targets.swarm.steps import (
    RemoveAll,
    RemoveService,
    RestartService,
    RestoreService,
    RunReleaseCommand,
    ScaleService,
    StartService,
    StopService,
    UpdateService,
)

# Seconds that the tasks of removed services may take to leave the network and the volumes.
_REMOVAL_S, _RETRY_S = 60.0, 0.3


def apply_step(step: Step, setting: Setting) -> Iterator[Event]:
    """Do one step. Raises: DeployFailed and other ShipitErrors."""
    match step:
        case RunReleaseCommand():
            yield from run_command(step, setting)
        case UpdateService():
            yield from update_service(step, setting)
        case RestoreService():
            yield from restore_service(step, setting)
        case ScaleService():
            change_live(step.service, setting, partial(_scale, step))
        case StopService():
            change_live(step.service, setting, _stop)
        case StartService():
            change_live(step.service, setting, _start)
        case RestartService():
            change_live(step.service, setting, partial(_restart, step))
        case RemoveService():
            if (row := own_row(step.service, setting)) is not None:
                setting.client.remove_service(row["ID"].required())
        case RemoveAll():
            yield from _remove(step, setting)
        case _:
            what = f"the step {step.id!r} is of the type {step.type}, which a swarm does not have"
            raise DeployFailed(what, where=setting.target, hint="make a new plan")


def _scale(step: ScaleService, row: Field, body: dict[str, Any]) -> bool:
    if row["Spec"]["Mode"]["Replicated"].is_missing:
        raise DeployFailed(f"{step.service} runs on every node, and has no number of tasks", where=step.service)
    if row["Spec"]["Mode"]["Replicated"]["Replicas"].whole() == step.replicas:
        return False
    _set_count(row, body, step.replicas)
    return True


def _set_count(row: Field, body: dict[str, Any], count: int, stopped: int = 0) -> None:
    labels = {key: value for key, value in row["Spec"]["Labels"].texts().items() if key != STOPPED}
    body["Labels"] = {**labels, STOPPED: str(stopped)} if stopped else labels
    body["Mode"] = {"Replicated": {"Replicas": count}}


def _stop(row: Field, body: dict[str, Any]) -> bool:
    if not (count := row["Spec"]["Mode"]["Replicated"]["Replicas"].whole()):
        return False
    _set_count(row, body, 0, count)
    return True


def _start(row: Field, body: dict[str, Any]) -> bool:
    if not (count := stopped_count(row["Spec"])):
        return False
    _set_count(row, body, count)
    return True


def _restart(step: RestartService, row: Field, body: dict[str, Any]) -> bool:
    labels, task = row["Spec"]["Labels"].texts(), row["Spec"]["TaskTemplate"]
    if labels.get(RESTARTED) == step.at:
        return False
    body["Labels"] = {**labels, RESTARTED: step.at}
    body["TaskTemplate"] = {**task.map(), "ForceUpdate": task["ForceUpdate"].whole() + 1}
    return True


def _remove(step: RemoveAll, setting: Setting) -> Iterator[Event]:
    """Removes last what tells a later run that something is left."""
    client, owner = setting.client, setting.owner
    for row in client.services():
        if is_own(row, owner) or is_run_row(row, owner):
            client.remove_service(row["ID"].required())
    yield from _remove_network(network_name(owner), owner.app_filters, setting)
    for name in sorted(client.networks(owner.filters).values()):
        yield from _remove_network(name, owner.filters, setting)
    own = {volume.name for volume in client.volumes(owner.filters)}
    for name in step.volumes:
        if name in own:
            _remove_volume(name, setting)
    remove_all_kept(client, owner)


def _remove_network(name: str, filters: str, setting: Setting) -> Iterator[Event]:
    """One that another target of the app uses stays."""
    client = setting.client
    deadline, is_removed = setting.session.deadline.within(_REMOVAL_S), False
    while deadline.remaining_s():
        found = next((own for own, found in client.networks(filters).items() if found == name), "")
        if not found or any(_uses(row, found, name) for row in client.services()):
            return
        # The engine lists a network that is removed until the last task has left it.
        is_removed = is_removed or client.remove_overlay(found)
        setting.session.clock.sleep(_RETRY_S)
    if not is_removed:
        yield Log(setting.target, "", f"the network {name} stays: a container still uses it")


def _remove_volume(name: str, setting: Setting) -> None:
    """It is in use until the container of the last task is removed."""
    deadline = setting.session.deadline.within(_REMOVAL_S)
    while True:
        try:
            setting.client.remove_volume(name)
            return
        except RemoteError as error:
            if error.status != 409 or not deadline.remaining_s():
                raise
        setting.session.clock.sleep(_RETRY_S)


def _uses(row: Field, network: str, name: str) -> bool:
    return any(one["Target"].text() in (network, name) for one in row["Spec"]["TaskTemplate"]["Networks"].rows())
