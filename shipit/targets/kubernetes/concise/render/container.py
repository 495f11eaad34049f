"""The main container of a workload. Pure.

Source: Kubernetes API reference, v1 Container.
"""

from __future__ import annotations

from shipit.targets.kubernetes.concise.render.env import render_values
from shipit.targets.kubernetes.concise.render.ports import container_ports
from shipit.targets.kubernetes.concise.render.probes import render_probes
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.render import Manifest, Setting, render_env


def render_container(name: str, config: WorkloadConfig, image: str, setting: Setting) -> Manifest:
    env = render_env(render_values(config.env), config.port, setting)
    words = {"command": config.command, "args": config.args}
    return {
        "name": name,
        "image": image,
        **env,
        **{key: list(value) for key, value in words.items() if value},
        **container_ports(config),
        **render_probes(config),
        **render_resources(config),
    }


def render_resources(config: WorkloadConfig) -> Manifest:
    requests = {key: value for key, value in (("cpu", config.cpu), ("memory", config.memory)) if value}
    if not requests:
        return {}
    limits = {"limits": {"memory": config.memory}} if config.memory else {}
    return {"resources": {"requests": requests, **limits}}
