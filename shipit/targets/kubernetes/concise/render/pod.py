"""The pod template of a workload. Pure.

Source: Kubernetes API reference, v1 PodTemplateSpec.
"""

from __future__ import annotations

from shipit.targets.kubernetes.concise.render.container import render_containers
from shipit.targets.kubernetes.concise.render.files import file_volumes
from shipit.targets.kubernetes.concise.render.placement import render_placement
from shipit.targets.kubernetes.concise.render.security import pod_security
from shipit.targets.kubernetes.concise.render.volumes import render_volumes
from shipit.targets.kubernetes.concise.render.work import Work
from shipit.targets.kubernetes.render import CONFIG_ANNOTATION, SECRETS_ANNOTATION, Manifest, labels_of, render_pull


def render_template(work: Work) -> Manifest:
    setting, config = work.setting, work.config
    annotations = {CONFIG_ANNOTATION: work.config_digest}
    if setting.secret_names:
        # A changed secret has to change the template, or no pod would start with it.
        annotations[SECRETS_ANNOTATION] = setting.secret_mark
    volumes = [*render_volumes(work.name, config), *file_volumes(work.name, work.files)]
    own = {"serviceAccountName": config.service_account, "terminationGracePeriodSeconds": _seconds(config.grace)}
    spec = {
        **render_containers(work),
        **render_pull(setting),
        **{key: value for key, value in own.items() if value is not None},
        **render_placement(work.runner, config, setting),
        **pod_security(config.security),
        **({"volumes": volumes} if volumes else {}),
    }
    return {"metadata": {"labels": labels_of(work.runner, setting), "annotations": annotations}, "spec": spec}


def _seconds(duration: float | None) -> int | None:
    return None if duration is None else int(duration)
