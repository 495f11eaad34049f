"""Workloads in few words to Kubernetes objects. Pure.

Source: Kubernetes API reference, apps/v1 Deployment, v1 Service, v1 Pod, batch/v1 Job, networking.k8s.io/v1 Ingress,
autoscaling/v2 HorizontalPodAutoscaler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shipit.targets.kubernetes.config import WorkloadConfig

Manifest = dict[str, Any]
MANAGED_BY = "shipit"
CONFIG_ANNOTATION = "shipit.dev/config-digest"
SECRETS_ANNOTATION = "shipit.dev/secrets"
# Of a Secret that has the values which another one had before its last change, and the resourceVersion of that one.
PREVIOUS_LABEL = "shipit.dev/previous"
COPIED_ANNOTATION = "shipit.dev/copied-from"


@dataclass(frozen=True)
class Setting:
    """What every workload of a target shares. `secret_name` holds the env's secrets, `pull_secret` is a name or None."""

    app: str
    namespace: str
    env: Mapping[str, str] = field(default_factory=dict)
    secret_names: Sequence[str] = ()
    secret_mark: str = ""
    secret_name: str = ""
    pull_secret: str | None = None


def render_workload(
    name: str, config: WorkloadConfig, image: str, config_digest: str, setting: Setting
) -> list[Manifest]:
    """The objects of one workload, in the order they are applied: Service, then what runs, then Ingress and autoscaler."""
    objects: list[Manifest] = []
    if config.port is not None:
        objects.append(_service(name, config.port, setting))
    template = _pod_template(name, config, image, config_digest, setting)
    objects.append(
        _pod(name, template, setting) if config.kind == "pod" else _deployment(name, config, template, setting)
    )
    if config.host:
        objects.append(_ingress(name, config.host, setting))
    if config.scale:
        objects.append(_autoscaler(name, config, setting))
    return objects


def render_job(name: str, command: Sequence[str], image: str, setting: Setting) -> Manifest:
    """The Job of a release command: it runs once, and is not tried again."""
    container: Manifest = {"name": "release", "image": image, "command": list(command), **_env({}, None, setting)}
    spec: Manifest = {"restartPolicy": "Never", "containers": [container], **_pull(setting)}
    labels = _labels(name, setting)
    return {
        **head_of("batch/v1", "Job", name, setting),
        "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def _labels(name: str, setting: Setting) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": setting.app,
        "app.kubernetes.io/managed-by": MANAGED_BY,
    }


def head_of(
    version: str, kind: str, name: str, setting: Setting, annotations: Mapping[str, str] | None = None
) -> Manifest:
    metadata: Manifest = {"name": name, "namespace": setting.namespace, "labels": _labels(name, setting)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _selector(name: str, setting: Setting) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": setting.app}


def _env(own: Mapping[str, str | None], port: int | None, setting: Setting) -> Manifest:
    values = {**({"PORT": str(port)} if port is not None else {}), **setting.env}
    values |= {name: value for name, value in own.items() if value is not None}
    rows: list[Manifest] = [
        {"name": name, "value": value} for name, value in values.items() if name not in own or own[name] is not None
    ]
    for name in setting.secret_names:
        # A name that the workload's own env removes, by null, is removed whatever gave it.
        if name not in own:
            rows.append({"name": name, "valueFrom": {"secretKeyRef": {"name": setting.secret_name, "key": name}}})
    return {"env": rows} if rows else {}


def _pull(setting: Setting) -> Manifest:
    return {"imagePullSecrets": [{"name": setting.pull_secret}]} if setting.pull_secret else {}


def _pod_template(name: str, config: WorkloadConfig, image: str, config_digest: str, setting: Setting) -> Manifest:
    container: Manifest = {"name": name, "image": image, **_env(config.env, config.port, setting)}
    if config.command:
        container["command"] = list(config.command)
    if config.port is not None:
        container["ports"] = [{"containerPort": config.port, "name": "http", "protocol": "TCP"}]
    if config.health:
        probe = {"httpGet": {"path": config.health, "port": config.port}, "periodSeconds": 2, "failureThreshold": 3}
        container["readinessProbe"] = probe
    requests = {key: value for key, value in (("cpu", config.cpu), ("memory", config.memory)) if value}
    if requests:
        limits = {"limits": {"memory": config.memory}} if config.memory else {}
        container["resources"] = {"requests": requests, **limits}
    annotations = {CONFIG_ANNOTATION: config_digest}
    if setting.secret_names:
        # A changed secret has to change the template, or no pod would start with it.
        annotations[SECRETS_ANNOTATION] = setting.secret_mark
    return {
        "metadata": {"labels": _labels(name, setting), "annotations": annotations},
        "spec": {"containers": [container], **_pull(setting)},
    }


def _deployment(name: str, config: WorkloadConfig, template: Manifest, setting: Setting) -> Manifest:
    least = config.scale.min if config.scale else 1
    spec: Manifest = {"selector": {"matchLabels": _selector(name, setting)}, "template": template}
    spec["replicas"] = least if config.replicas is None else config.replicas
    return {**head_of("apps/v1", "Deployment", name, setting), "spec": spec}


def _pod(name: str, template: Manifest, setting: Setting) -> Manifest:
    head = head_of("v1", "Pod", name, setting, template["metadata"]["annotations"])
    return {**head, "spec": template["spec"]}


def _service(name: str, port: int, setting: Setting) -> Manifest:
    ports = [{"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}]
    return {**head_of("v1", "Service", name, setting), "spec": {"selector": _selector(name, setting), "ports": ports}}


def _ingress(name: str, host: str, setting: Setting) -> Manifest:
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {**head_of("networking.k8s.io/v1", "Ingress", name, setting), "spec": {"rules": [rule]}}


def _autoscaler(name: str, config: WorkloadConfig, setting: Setting) -> Manifest:
    assert config.scale is not None
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": config.scale.cpu}},
    }
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {
        "scaleTargetRef": reference,
        "minReplicas": config.scale.min,
        "maxReplicas": config.scale.max,
        "metrics": [metric],
    }
    return {**head_of("autoscaling/v2", "HorizontalPodAutoscaler", name, setting), "spec": spec}
