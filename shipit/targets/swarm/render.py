"""The spec of a service as the engine takes it. Pure.

In this form it is kept and compared: networks, secrets and configs have names and no ids.
Source: Docker Engine API 1.41, POST /services/create.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shipit.targets.engine.container_values import Publish, Tmpfs, Volume, parse_restart, parse_tmpfs, tmpfs_options
from shipit.targets.engine.healthcheck import render_healthcheck
from shipit.targets.engine.kernel_values import render_ulimits
from shipit.targets.engine.owner import SERVICE, SPEC, VARIABLES, Owner
from shipit.targets.swarm.spec import (
    ConfigFile,
    Placement,
    SecretFile,
    StackPart,
    SwarmSpec,
    Update,
    config_name,
    network_name,
    service_name,
)
from shipit.targets.swarm.templates import literal

_CONDITIONS = {"unless-stopped": "any", "on-failure": "on-failure", "no": "none"}
# The delay before Swarm starts a task again, which Docker's client sends, too.
_RESTART_DELAY_NS = 5_000_000_000


def service_body(
    owner: Owner, spec: SwarmSpec, values: Mapping[str, str], secrets: Mapping[str, str], replicas: int | None
) -> dict[str, Any]:
    """`values` are those of the variables, `secrets`: variable -> name of the secret of each secret file."""
    if spec.stack is not None:
        return _stack_body(owner, spec, spec.stack, values, secrets, replicas)
    return {
        "Name": service_name(owner, spec.service),
        "Labels": _labels(owner, spec, [*values, *secrets]),
        "TaskTemplate": _task(owner, spec, values, secrets),
        "Mode": _mode(spec, replicas),
        "UpdateConfig": _update(spec.update),
        "RollbackConfig": _update(spec.rollback or spec.update._replace(failure_action="pause")),
        "EndpointSpec": {"Mode": spec.endpoint_mode, "Ports": [_port(port, spec) for port in spec.container.publish]},
    }


def _stack_body(
    owner: Owner, spec: SwarmSpec, stack: StackPart, values: Mapping[str, str], secrets: Mapping[str, str],
    replicas: int | None,
) -> dict[str, Any]:  # fmt: skip
    """The spec of a service of the file, with its image, its values, and the names of configs and secrets with their content."""
    body, task = stack.body, stack.body["TaskTemplate"]
    container, env = task["ContainerSpec"], {**values, **spec.container.env}
    own_secrets = [_secret(one, secrets[one.name]) for one in stack.secrets if one.name in secrets]
    rows = {
        "Secrets": [*container.get("Secrets", ()), *own_secrets],
        "Configs": [*container.get("Configs", ()), *(_config(owner, file) for file in spec.configs)],
        "Mounts": [_owned(owner, mount) for mount in container.get("Mounts", ())],
    }
    filled = {
        **{key: value for key, value in container.items() if key not in rows},
        **{key: value for key, value in rows.items() if value},
        "Image": spec.image,
        "Labels": {**container["Labels"], **owner.labels, SERVICE: spec.service},
        "Env": [f"{name}={value}" for name, value in sorted(env.items())],
    }
    rollback = {"RollbackConfig": _update(stack.rollback)} if stack.rollback else {}
    return {
        **body,
        "Name": service_name(owner, spec.service),
        "Labels": {**body["Labels"], **_labels(owner, spec, [*values, *secrets])},
        "TaskTemplate": {**task, "ContainerSpec": filled},
        "Mode": _mode(spec, replicas),
        "UpdateConfig": _update(spec.update),
        **rollback,
    }


def _owned(owner: Owner, mount: Mapping[str, Any]) -> dict[str, Any]:
    """A mount whose volume, where it is made for it, has the labels of its owner."""
    options = mount.get("VolumeOptions")
    if not options or "Labels" not in options:
        return dict(mount)
    return {**mount, "VolumeOptions": {**options, "Labels": {**options["Labels"], **owner.labels}}}


def _labels(owner: Owner, spec: SwarmSpec, names: list[str]) -> dict[str, str]:
    own = {SERVICE: spec.service, SPEC: spec.hash, VARIABLES: ",".join(sorted(names))}
    return {**spec.container.labels, **owner.labels, **own}


def _mode(spec: SwarmSpec, replicas: int | None) -> dict[str, Any]:
    if spec.mode == "global":
        return {"Global": {}}
    return {"Replicated": {"Replicas": replicas} if replicas is not None else {}}


def _task(owner: Owner, spec: SwarmSpec, values: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, Any]:
    container, own = spec.container, network_name(owner)
    limits = {"MemoryBytes": container.memory, "NanoCPUs": container.nano_cpus, "Pids": container.pids_limit}
    driver = {"Name": container.log_driver, "Options": dict(container.log_options)}
    logging = {"LogDriver": driver} if container.log_driver else {}
    return {
        "ContainerSpec": _container(owner, spec, values, secrets),
        "Resources": {"Limits": {key: value for key, value in limits.items() if value}},
        "RestartPolicy": _restart(container.restart),
        "Placement": _placement(spec.placement),
        "Networks": [{"Target": name, "Aliases": container.names} for name in (own, *container.networks)],
        **logging,
    }


def _restart(text: str) -> dict[str, Any]:
    restart = parse_restart(text)
    attempts = {"MaxAttempts": restart.attempts} if restart.attempts else {}
    return {"Condition": _CONDITIONS[restart.name], "Delay": _RESTART_DELAY_NS, **attempts}


def _container(owner: Owner, spec: SwarmSpec, values: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, Any]:
    container = spec.container
    env, dns = {**values, **container.env}, {"Nameservers": container.dns, "Search": container.dns_search}
    optional = {
        "Command": list(container.entrypoint or ()),
        "Args": list(container.command or ()),
        "User": container.user,
        "Dir": container.workdir,
        "Hostname": literal(container.hostname),
        "Hosts": [_host_line(line) for line in container.extra_hosts],
        "DNSConfig": {key: list(value) for key, value in dns.items() if value},
        "Groups": list(container.group_add),
        "StopSignal": container.stop_signal,
        "Sysctls": dict(container.sysctls),
        "Ulimits": render_ulimits(container.ulimits),
        "CapabilityAdd": list(container.cap_add),
        "CapabilityDrop": list(container.cap_drop),
        "Mounts": [
            *_mounts(owner, container.volumes),
            *(_tmpfs(parse_tmpfs(text)) for text in container.tmpfs),
        ],
        "Healthcheck": render_healthcheck(spec.healthcheck) if spec.healthcheck else None,
        "ReadOnly": container.read_only,
        "Init": container.init,
        "Secrets": [_secret(SecretFile(variable, variable), name) for variable, name in sorted(secrets.items())],
        "Configs": [_config(owner, file) for file in spec.configs],
    }
    return {
        "Image": container.image,
        "Labels": {**container.labels, **owner.labels, SERVICE: spec.service},
        # What deploy.yml says reaches the container as it is written; a stack file has docker's templates.
        "Env": [f"{name}={literal(value)}" for name, value in sorted(env.items())],
        "StopGracePeriod": int(container.grace_s * 1e9),
        **{key: value for key, value in optional.items() if value},
    }


def _host_line(line: str) -> str:
    """`NAME:ADDRESS` of docker run as a line of /etc/hosts."""
    name, _, address = line.partition(":")
    return f"{address} {name}"


def _mounts(owner: Owner, volumes: tuple[Volume, ...]) -> Iterator[dict[str, Any]]:
    for volume in volumes:
        kind = "volume" if volume.is_named else "bind"
        options = {"VolumeOptions": {"Labels": owner.labels}} if volume.is_named else {}
        read_only = {"ReadOnly": True} if volume.is_read_only else {}
        places = {"Source": literal(volume.source), "Target": literal(volume.path)}
        yield {"Type": kind, **places, **read_only, **options}


def _tmpfs(found: Tmpfs) -> dict[str, Any]:
    options = tmpfs_options(found)
    return {"Type": "tmpfs", "Target": literal(found.path), **({"TmpfsOptions": options} if options else {})}


def _secret(secret: SecretFile, name: str) -> dict[str, Any]:
    return {"SecretName": name, "File": _file(secret.name, secret)}


def _config(owner: Owner, file: ConfigFile) -> dict[str, Any]:
    return {"ConfigName": config_name(owner, file), "File": _file(file.path, file)}


def _file(path: str, file: SecretFile | ConfigFile) -> dict[str, Any]:
    return {"Name": path, "UID": file.uid, "GID": file.gid, "Mode": file.mode}


def _placement(placement: Placement) -> dict[str, Any]:
    found = {
        "Constraints": list(placement.constraints),
        "Preferences": [{"Spread": {"SpreadDescriptor": label}} for label in placement.spread],
        "MaxReplicas": placement.max_per_node,
    }
    return {key: value for key, value in found.items() if value}


def _update(update: Update) -> dict[str, Any]:
    return {
        "Parallelism": update.parallelism,
        "Delay": update.delay_ns,
        "Monitor": update.monitor_ns,
        "FailureAction": update.failure_action,
        "MaxFailureRatio": update.max_failure_ratio,
        "Order": update.order,
    }


def _port(port: Publish, spec: SwarmSpec) -> dict[str, Any]:
    published = {"PublishedPort": port.host} if port.host else {}
    return {"Protocol": port.protocol, "TargetPort": port.port, **published, "PublishMode": spec.publish_mode}
