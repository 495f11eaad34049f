"""Creates, updates and restores services. Each looks at the service again before it writes, and skips what is done already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from shipit.config.author import read_author
from shipit.errors import DeployFailed
from shipit.events import Event, Log, StepApplied
from shipit.http.fields import Field
from shipit.targets.engine.owner import TARGET, origin_labels
from shipit.targets.swarm.compare import fingerprint_of, mode_of, settings_of
from shipit.targets.swarm.contents import content_of
from shipit.targets.swarm.kept import keep_live, keep_new, read_spec
from shipit.targets.swarm.look import find_row, first_ids
from shipit.targets.swarm.observed import ServiceFacts
from shipit.targets.swarm.owned import is_name_of, is_of_docker
from shipit.targets.swarm.parse import stopped_count
from shipit.targets.swarm.plan import PAUSED
from shipit.targets.swarm.render import service_body
from shipit.targets.swarm.secrets import ensure_secret
from shipit.targets.swarm.setting import Setting
from shipit.targets.swarm.spec import (
    CONTENT,
    NODE_NETWORKS,
    SwarmSpec,
    config_name,
    network_name,
    service_name,
    source_of,
)
from shipit.targets.swarm.steps import RestoreService, UpdateService
from shipit.targets.swarm.wanted import WantedService

# Tries of a change when Swarm itself changes the service in between, as when an update ends.
_ATTEMPTS = 10
_RETRY_S, _REMOVAL_S = 0.2, 60.0
# The most tasks that a message names.


def update_service(step: UpdateService, setting: Setting) -> Iterator[Event]:
    """Raises: DeployFailed where somebody else changed the service since the plan was made, or has its name."""
    wanted = WantedService(step.spec, step.marks, step.replicas)
    found = _found(step.service, setting, step.name)
    if found and wanted.is_met_by(found) and wanted.has_number(found) and found.update not in PAUSED:
        return
    if found and not wanted.is_met_by(found):
        _check_known(found, step.known, setting)
    body = _body(step, setting)
    body["Name"] = step.name or body["Name"]
    add_origin(body, setting)
    before = _keep_before(found, setting) if found else ""
    keep_new(setting.client, setting.owner, step.service, body, setting.session)
    ensure_networks(setting, step.spec)
    yield from _send(step.service, body, step.spec.image, found.fingerprint if found else "", setting)
    yield StepApplied(step.id, setting.target, {"service": step.service, "before": before})


def restore_service(step: RestoreService, setting: Setting) -> Iterator[Event]:
    """Raises: DeployFailed as `update_service`, and where the swarm does not keep the spec any more."""
    body = read_spec(setting.client, setting.owner, step.kept)
    if body is None or not is_name_of(body, setting.owner, step.service):
        what = f"the swarm does not keep the spec {step.kept} of {step.service} any more"
        raise DeployFailed(what, where=setting.target, hint="deploy again")
    found = _found(step.service, setting, body["Name"])
    if found and not found.is_own and found.fingerprint == _fingerprint(body, {}, setting):
        return
    if found and found.kept == step.kept and not found.drift and found.update not in PAUSED:
        return
    if found and found.kept != step.kept:
        _check_known(found, step.known, setting)
    if any(one.get("Target") == network_name(setting.owner) for one in body["TaskTemplate"].get("Networks") or ()):
        ensure_network(setting)
    image = str(body["TaskTemplate"]["ContainerSpec"].get("Image", ""))
    yield from _send(step.service, dict(body), image, found.fingerprint if found else "", setting)


def change_live(service: str, setting: Setting, change: Callable[[Field, dict[str, Any]], bool]) -> None:
    """Change the live spec. `change` gives False where there is nothing to do. Raises: DeployFailed."""
    for _ in range(_ATTEMPTS):
        row = own_row(service, setting)
        if row is None:
            raise DeployFailed(f"the swarm has no service {service}", where=setting.target, hint="shipit deploy first")
        body = dict(row["Spec"].map())
        if not change(row, body):
            return
        if setting.client.update_service(row["ID"].required(), row["Version"]["Index"].whole(), body):
            return
        setting.session.deadline.sleep(_RETRY_S, f"{service} is being changed")
    raise setting.superseded(f"{service} is changed again and again")


def _found(service: str, setting: Setting, name: str = "") -> ServiceFacts | None:
    """The service of a name. Raises: DeployFailed where it is not of this target."""
    row = own_row(service, setting, name)
    return setting.reader.facts(row) if row is not None else None


def own_row(service: str, setting: Setting, name: str = "") -> Field | None:
    """The service of a target, or the one of docker with the name of a step that takes it over. Raises: DeployFailed where others have the name."""
    if (row := find_row(setting.client, setting.owner, service)) is not None:
        return row
    name = name or service_name(setting.owner, service)
    row = setting.client.service(name)
    is_adopted = row is not None and name != service_name(setting.owner, service) and is_of_docker(row)
    if row is not None and not is_adopted:
        what = f"the name {name} is taken by a service that shipit did not create here"
        raise DeployFailed(
            what,
            where=setting.target,
            hint=f"give the service another name, or remove that one: docker service rm {name}",
        )
    return row


def _check_known(found: ServiceFacts, known: str, setting: Setting) -> None:
    if found.fingerprint != known:
        raise setting.superseded(f"the service {found.name} changed since the plan was made", found.made)


def _body(step: UpdateService, setting: Setting) -> dict[str, Any]:
    """The spec with the values, and the secrets and configs that it uses. Values are checked before anything is written."""
    values = setting.values(step.spec, step.marks)
    files = step.spec.secret_files
    contents = {file.file: setting.read(file.file) for file in step.spec.configs}
    for file in step.spec.configs:
        if content_of(contents[file.file]) != file.content:
            raise DeployFailed(
                f"{file.file} changed since the plan was made", where=setting.target, hint="make a new plan"
            )
    sources = {name: source_of(step.spec, name) for name in files}
    secrets = {name: ensure_secret(setting.client, setting.owner, sources[name], values[name]) for name in files}
    for file in step.spec.configs:
        labels = {**setting.owner.labels, CONTENT: file.content}
        setting.client.create_config(config_name(setting.owner, file), labels, contents[file.file])
    variables = {name: value for name, value in values.items() if name not in files}
    return service_body(setting.owner, step.spec, variables, secrets, step.replicas)


def add_origin(body: dict[str, Any], setting: Setting) -> None:
    """Label a service and its containers with the run, the commit and who started it; no comparison looks at them."""
    session = setting.session
    origin = origin_labels(session.run, session.commit, read_author(session.environment))
    for labels in (body["Labels"], body["TaskTemplate"]["ContainerSpec"]["Labels"]):
        labels |= origin


def _keep_before(found: ServiceFacts, setting: Setting) -> str:
    """The config that keeps what runs now."""
    if not found.drift:
        return found.kept
    row = own_row(found.service, setting, found.name)
    return keep_live(setting.client, setting.owner, found.service, row["Spec"], setting.session) if row else ""


def ensure_networks(setting: Setting, spec: SwarmSpec) -> None:
    """The networks of a service that shipit makes. One that is there stays as it is."""
    if spec.stack is None:
        ensure_network(setting)
        return
    there = set(setting.client.networks().values()) if spec.stack.networks else set()
    for network in spec.stack.networks:
        if network.name not in there:
            labels = {**network.body["Labels"], **setting.owner.labels}
            setting.client.create_any_network({**network.body, "Name": network.name, "Labels": labels})


def ensure_network(setting: Setting) -> None:
    """The network of the app and environment, which its targets share."""
    name = network_name(setting.owner)
    if name not in setting.client.networks().values():
        labels = {key: value for key, value in setting.owner.labels.items() if key != TARGET}
        setting.client.create_overlay(name, labels)


def _send(service: str, body: dict[str, Any], image: str, known: str, setting: Setting) -> Iterator[Event]:
    """Create or update the service. Swarm itself may change its version meanwhile; what somebody else changes is noticed."""
    expected = (known, _fingerprint(body, {}, setting))
    for _ in range(_ATTEMPTS):
        row = own_row(service, setting, body["Name"])
        if row is not None and _live_fingerprint(row["Spec"], setting) not in expected:
            raise setting.superseded(f"the service {service} changed while it was updated")
        sent = resolved(body, row, setting)
        if row is not None and mode_of(row["Spec"].map()) != mode_of(body):
            grace_s = row["Spec"]["TaskTemplate"]["ContainerSpec"]["StopGracePeriod"].whole() / 1e9
            _remove_and_wait(row["ID"].required(), setting, grace_s)
            row = None
        if row is None:
            if setting.client.create_service(sent, setting.login(image)):
                yield Log(setting.target, service, f"created the service {body['Name']}")
                return
        elif setting.client.update_service(
            row["ID"].required(), row["Version"]["Index"].whole(), sent, setting.login(image)
        ):
            yield Log(setting.target, service, f"updated the service {body['Name']}")
            return
        setting.session.deadline.sleep(_RETRY_S, f"{service} is being changed")
    raise setting.superseded(f"the service {service} is changed again and again")


def _fingerprint(spec: Mapping[str, Any], networks: Mapping[str, str], setting: Setting) -> str:
    return fingerprint_of(settings_of(spec, networks), setting.session.mark)


def _live_fingerprint(spec: Field, setting: Setting) -> str:
    return _fingerprint(spec.map(), setting.client.networks_of([spec]), setting)


def _remove_and_wait(service_id: str, setting: Setting, grace_s: float) -> None:
    """Swarm does not change the mode of a service: it is removed, and created when its tasks are gone.

    Raises: DeployFailed where they are still there a minute after `grace_s`, the time in which they may end.
    """
    setting.client.remove_service(service_id)
    deadline = setting.session.deadline.within(_REMOVAL_S + grace_s)
    while tasks := setting.client.tasks([service_id]):
        if not deadline.remaining_s():
            what = f"the service was removed, and its tasks are not gone: {first_ids(tasks, 'ID')}"
            hint = "deploy again; docker node ls shows a node that does not answer"
            raise DeployFailed(what, where=setting.target, hint=hint)
        setting.session.clock.sleep(_RETRY_S)


def resolved(body: Mapping[str, Any], row: Field | None, setting: Setting) -> dict[str, Any]:
    """The spec as it is sent: with the ids of networks, secrets and configs, and with the number of tasks that stays."""
    task = dict(body["TaskTemplate"])
    container = dict(task["ContainerSpec"])
    networks = {name: found for found, name in setting.client.networks().items()}
    task["Networks"] = [
        # The engine finds the networks that every node has by their names.
        one
        if one.get("Target") in NODE_NETWORKS
        else {**one, "Target": _id_of("overlay network", one.get("Target", ""), networks, setting)}
        for one in task.get("Networks") or ()
    ]
    if rows := container.get("Secrets"):
        ids = {one.name: one.id for one in setting.client.secrets()}
        container["Secrets"] = [
            {**one, "SecretID": _id_of("secret", one.get("SecretName", ""), ids, setting)} for one in rows
        ]
    if rows := container.get("Configs"):
        ids = _config_ids(rows, setting)
        container["Configs"] = [
            {**one, "ConfigID": _id_of("config", one.get("ConfigName", ""), ids, setting)} for one in rows
        ]
    task["ContainerSpec"] = container
    mode = dict(body["Mode"])
    if row is not None:
        spec = row["Spec"]
        paused = row["UpdateStatus"]["State"].text() in PAUSED
        task["ForceUpdate"] = spec["TaskTemplate"]["ForceUpdate"].whole() + int(paused)
    if "Replicated" in mode and "Replicas" not in mode["Replicated"]:
        count = row["Spec"]["Mode"]["Replicated"]["Replicas"].whole(1) if row is not None else 1
        mode["Replicated"] = {"Replicas": (stopped_count(row["Spec"]) if row is not None else 0) or count}
    return {**body, "TaskTemplate": task, "Mode": mode}


def _config_ids(rows: Sequence[Mapping[str, Any]], setting: Setting) -> dict[str, str]:
    """Name -> id. Those of others are read only where one is used: a list has their content."""
    own = {one.name: one.id for one in setting.client.configs(setting.owner.filters)}
    if all(row.get("ConfigName") in own for row in rows):
        return own
    return {one.name: one.id for one in setting.client.configs()}


def _id_of(kind: str, name: str, ids: Mapping[str, str], setting: Setting) -> str:
    if name not in ids:
        network = f"docker network create --driver overlay {name}"
        hint = (
            network
            if kind == "overlay network"
            else f"deploy again; if others made it: docker {kind} create {name} FILE"
        )
        raise DeployFailed(f"the swarm has no {kind} {name}", where=setting.target, hint=hint)
    return ids[name]
