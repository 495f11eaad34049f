"""What runs the pods of a workload. Pure.

Source: Kubernetes API reference, apps/v1 Deployment, v1 Pod.
"""

from __future__ import annotations

from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.render import Manifest, Setting, head_of, selector_of


def render_runner(name: str, config: WorkloadConfig, template: Manifest, setting: Setting) -> Manifest:
    render = _pod if config.kind == "pod" else _deployment
    return render(name, config, template, setting)


def _deployment(name: str, config: WorkloadConfig, template: Manifest, setting: Setting) -> Manifest:
    least = config.scale.min if config.scale else 1
    spec: Manifest = {"selector": {"matchLabels": selector_of(name, setting)}, "template": template}
    spec["replicas"] = least if config.replicas is None else config.replicas
    return {**head_of("apps/v1", "Deployment", name, setting), "spec": spec}


def _pod(name: str, config: WorkloadConfig, template: Manifest, setting: Setting) -> Manifest:
    head = head_of("v1", "Pod", name, setting, template["metadata"]["annotations"])
    return {**head, "spec": template["spec"]}
