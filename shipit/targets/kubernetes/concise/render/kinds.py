"""What runs the pods of a workload. Pure.

Source: Kubernetes API reference, apps/v1 Deployment, StatefulSet and DaemonSet, batch/v1 Job and CronJob, v1 Pod.
"""

from __future__ import annotations

from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.concise.kinds import RUNNERS
from shipit.targets.kubernetes.concise.render.service import pods_service
from shipit.targets.kubernetes.concise.render.strategy import render_strategy
from shipit.targets.kubernetes.concise.render.volumes import claim_templates
from shipit.targets.kubernetes.render import Manifest, Setting, head_of, selector_of


def render_runner(name: str, config: WorkloadKeys, template: Manifest, setting: Setting) -> Manifest:
    """The Deployment, or what `kind` says, of a pod template."""
    if config.kind == "pod":
        head = head_of("v1", "Pod", name, setting, template["metadata"]["annotations"])
        return {**head, "spec": template["spec"]}
    if config.kind in ("job", "cronjob"):
        return _job(name, config, template, setting)
    spec: Manifest = {"selector": {"matchLabels": selector_of(name, setting)}, "template": template}
    if config.kind != "daemonset":
        least = config.scale.min if config.scale else 1
        spec["replicas"] = least if config.replicas is None else config.replicas
    if config.kind == "statefulset":
        spec |= {"serviceName": pods_service(name), **claim_templates(config)}
    return {**head_of("apps/v1", RUNNERS[config.kind], name, setting), "spec": {**spec, **render_strategy(config)}}


def _job(name: str, config: WorkloadKeys, template: Manifest, setting: Setting) -> Manifest:
    """A Job, or one for each time of a schedule. It is not tried again unless `retries` says so."""
    pod = {**template, "spec": {"restartPolicy": "Never", **template["spec"]}}
    spec: Manifest = {"backoffLimit": config.retries or 0, "template": pod}
    if config.kind == "job":
        return {**head_of("batch/v1", "Job", name, setting), "spec": spec}
    zone = {"timeZone": config.timezone} if config.timezone else {}
    times = {"schedule": config.schedule, **zone, "jobTemplate": {"spec": spec}}
    return {**head_of("batch/v1", "CronJob", name, setting), "spec": times}
