"""The pod template of a workload. Pure.

Source: Kubernetes API reference, v1 PodTemplateSpec.
"""

from __future__ import annotations

from shipit.targets.kubernetes.concise.render.container import render_container
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.render import (
    CONFIG_ANNOTATION,
    SECRETS_ANNOTATION,
    Manifest,
    Setting,
    labels_of,
    render_pull,
)


def render_template(name: str, config: WorkloadConfig, image: str, config_digest: str, setting: Setting) -> Manifest:
    annotations = {CONFIG_ANNOTATION: config_digest}
    if setting.secret_names:
        # A changed secret has to change the template, or no pod would start with it.
        annotations[SECRETS_ANNOTATION] = setting.secret_mark
    return {
        "metadata": {"labels": labels_of(name, setting), "annotations": annotations},
        "spec": {"containers": [render_container(name, config, image, setting)], **render_pull(setting)},
    }
