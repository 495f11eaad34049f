"""A workload of deploy.yml as Kubernetes objects. Pure."""

from __future__ import annotations

from shipit.targets.kubernetes.concise.render.autoscaler import render_autoscaler
from shipit.targets.kubernetes.concise.render.ingress import render_ingress
from shipit.targets.kubernetes.concise.render.kinds import render_runner
from shipit.targets.kubernetes.concise.render.pod import render_template
from shipit.targets.kubernetes.concise.render.service import render_service
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.render import Manifest, Setting


def render_workload(
    name: str, config: WorkloadConfig, image: str, config_digest: str, setting: Setting
) -> list[Manifest]:
    """The objects of one workload, in the order they are applied: Service, then what runs, then Ingress and autoscaler."""
    template = render_template(name, config, image, config_digest, setting)
    return [
        *render_service(name, config, setting),
        render_runner(name, config, template, setting),
        *render_ingress(name, config, setting),
        *render_autoscaler(name, config, setting),
    ]
