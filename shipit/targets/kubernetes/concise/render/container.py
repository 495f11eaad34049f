"""The containers of a workload. Pure.

Source: Kubernetes API reference, v1 Container; Kubernetes documentation, "Sidecar Containers".
"""

from __future__ import annotations

from shipit.targets.kubernetes.concise.container import ContainerConfig
from shipit.targets.kubernetes.concise.keys import SidecarConfig
from shipit.targets.kubernetes.concise.render.env import render_values
from shipit.targets.kubernetes.concise.render.files import file_mounts
from shipit.targets.kubernetes.concise.render.ports import container_ports
from shipit.targets.kubernetes.concise.render.probes import render_probes
from shipit.targets.kubernetes.concise.render.security import container_security
from shipit.targets.kubernetes.concise.render.volumes import render_mounts
from shipit.targets.kubernetes.concise.render.work import Work
from shipit.targets.kubernetes.render import Manifest, literal_words, render_env


def render_containers(work: Work) -> Manifest:
    """The container that serves, and the init containers: those of `init` first, then the sidecars."""
    first = [_container(name, own, work, _all_env(own, work)) for name, own in work.config.init.items()]
    beside = [_sidecar(name, own, work) for name, own in work.config.sidecars.items()]
    more = {"initContainers": [*first, *beside]} if first or beside else {}
    return {"containers": [_main(work)], **more}


def _main(work: Work) -> Manifest:
    config = work.config
    ports, probes = container_ports(config.port, config.ports), render_probes(config, config.health, config.port)
    env = render_env(render_values(config.env), config.port, work.setting)
    return _container(work.name, config, work, env, {**ports, **probes})


def _sidecar(name: str, own: SidecarConfig, work: Work) -> Manifest:
    """An init container that goes on. It gets its own variables only."""
    env = render_env(render_values(own.env), None, work.setting.without_env())
    more = {"restartPolicy": "Always", **container_ports(None, own.ports), **render_probes(own, None, None)}
    return _container(name, own, work, env, more)


def _all_env(own: ContainerConfig, work: Work) -> Manifest:
    """The variables of the workload, and those of an init container over them."""
    return render_env(render_values({**work.config.env, **own.env}), work.config.port, work.setting)


def _container(name: str, own: ContainerConfig, work: Work, env: Manifest, more: Manifest | None = None) -> Manifest:
    words = {"command": own.command, "args": own.args}
    mounts = [*render_mounts(work.config), *file_mounts(work.files)]
    return {
        "name": name,
        "image": work.image_of(own.image),
        **env,
        **{key: literal_words(value) for key, value in words.items() if value},
        **(more or {}),
        **_resources(own),
        **({"volumeMounts": mounts} if mounts else {}),
        **container_security(work.config.security, work.user_of(own.image)),
    }


def _resources(own: ContainerConfig) -> Manifest:
    requests = {key: value for key, value in (("cpu", own.cpu), ("memory", own.memory)) if value}
    if not requests:
        return {}
    limits = {"limits": {"memory": own.memory}} if own.memory else {}
    return {"resources": {"requests": requests, **limits}}
