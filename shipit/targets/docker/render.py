"""The body of the request that creates a container. Pure.

Source: Docker Engine API 1.41, POST /containers/create.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shipit.targets.engine.container_spec import ContainerSpec
from shipit.targets.engine.container_values import Publish, Volume, mount_options, parse_restart, parse_tmpfs
from shipit.targets.engine.healthcheck import render_healthcheck
from shipit.targets.engine.kernel_values import render_devices, render_ulimits
from shipit.targets.engine.owner import (
    FILES,
    IMAGE,
    IMAGE_ID,
    NUMBER,
    RESTART,
    SECRETS_FOLDER,
    SERVICE,
    SPEC,
    VARIABLES,
    Owner,
)


def create_body(
    owner: Owner,
    spec: ContainerSpec,
    number: int,
    values: Mapping[str, str],
    names: Iterable[str],
    image_id: str = "",
) -> dict[str, Any]:
    """`values` are those of the variables `names`, which the label of the container lists.

    `image_id` is what the host calls an image that was sent to it.
    """
    env = {name: value for name, value in values.items() if name not in spec.secret_files} | dict(spec.env)
    body: dict[str, Any] = {
        "Image": image_id or spec.image,
        "Env": [f"{name}={value}" for name, value in sorted(env.items())],
        "Labels": {**spec.labels, **_labels(owner, spec, number, names, image_id)},
        "ExposedPorts": {port.key: {} for port in spec.publish},
        "StopTimeout": int(spec.grace_s),
        "HostConfig": _host_config(owner, spec),
        "NetworkingConfig": {"EndpointsConfig": {owner.prefix: {"Aliases": spec.names}}},
    }
    optional: dict[str, Any] = {
        "Cmd": list(spec.command) if spec.command else None,
        "Entrypoint": list(spec.entrypoint) if spec.entrypoint else None,
        "User": spec.user,
        "WorkingDir": spec.workdir,
        "Hostname": spec.hostname,
        "StopSignal": spec.stop_signal,
        "Healthcheck": render_healthcheck(spec.healthcheck) if spec.healthcheck else None,
        "Volumes": {SECRETS_FOLDER: {}} if spec.secret_files else None,
    }
    return {**body, **{key: value for key, value in optional.items() if value}}


def _labels(owner: Owner, spec: ContainerSpec, number: int, names: Iterable[str], image_id: str) -> dict[str, str]:
    variables = ",".join(sorted(name for name in names if name not in spec.secret_files))
    own = {SERVICE: spec.service, NUMBER: str(number), SPEC: spec.hash, VARIABLES: variables}
    own |= {RESTART: spec.restart} if spec.restart.startswith("on-failure") else {}
    own |= {FILES: ",".join(spec.secret_files)} if spec.secret_files else {}
    return {**owner.labels, **own, **({IMAGE: spec.image, IMAGE_ID: image_id} if image_id else {})}


def _host_config(owner: Owner, spec: ContainerSpec) -> dict[str, Any]:
    config: dict[str, Any] = {
        "NetworkMode": owner.prefix,
        "RestartPolicy": parse_restart(spec.restart).body,
        "PortBindings": _bindings(spec.publish),
        "Binds": [_bind(volume) for volume in spec.volumes],
        "ReadonlyRootfs": spec.read_only,
    }
    optional = {
        "Memory": spec.memory,
        "NanoCpus": spec.nano_cpus,
        "Init": spec.init,
        "Tmpfs": {found.path: mount_options(found) for found in map(parse_tmpfs, spec.tmpfs)},
        "CapAdd": list(spec.cap_add),
        "CapDrop": list(spec.cap_drop),
        "ExtraHosts": list(spec.extra_hosts),
        "Dns": list(spec.dns),
        "DnsSearch": list(spec.dns_search),
        "GroupAdd": list(spec.group_add),
        "PidsLimit": spec.pids_limit,
        "Ulimits": render_ulimits(spec.ulimits),
        "Sysctls": dict(spec.sysctls),
        "ShmSize": spec.shm_size,
        "Devices": render_devices(spec.devices),
        "SecurityOpt": list(spec.security_opt),
        "Privileged": spec.privileged,
        "LogConfig": {"Type": spec.log_driver, "Config": dict(spec.log_options)} if spec.log_driver else None,
    }
    return {**config, **{key: value for key, value in optional.items() if value}}


def _bindings(ports: Iterable[Publish]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        found.setdefault(port.key, []).append({"HostIp": port.ip, "HostPort": str(port.host) if port.host else ""})
    return found


def _bind(volume: Volume) -> str:
    return f"{volume.source}:{volume.path}:{'ro' if volume.is_read_only else 'rw'}"
