"""A workload of deploy.yml as Kubernetes objects. Pure."""

from __future__ import annotations

from shipit.targets.kubernetes.concise.render.autoscaler import render_autoscaler
from shipit.targets.kubernetes.concise.render.disruption import render_disruption
from shipit.targets.kubernetes.concise.render.files import render_files
from shipit.targets.kubernetes.concise.render.ingress import render_ingress
from shipit.targets.kubernetes.concise.render.kinds import render_runner
from shipit.targets.kubernetes.concise.render.marks import marked
from shipit.targets.kubernetes.concise.render.patch import patched
from shipit.targets.kubernetes.concise.render.pod import render_template
from shipit.targets.kubernetes.concise.render.security import without_contradictions
from shipit.targets.kubernetes.concise.render.service import render_service
from shipit.targets.kubernetes.concise.render.volumes import render_claims
from shipit.targets.kubernetes.concise.render.work import Work
from shipit.targets.kubernetes.render import Manifest


def render_workload(work: Work) -> list[Manifest]:
    """The objects of one workload, in the order they are applied: what it needs, what runs, and what leads to it.

    Raises: PatchFailed.
    """
    name, config, setting = work.name, work.config, work.setting
    objects = [
        *render_files(name, work.files, setting),
        *render_claims(name, config, setting),
        *render_service(name, config, setting, work.runner),
        render_runner(work.runner, config, render_template(work), setting),
        *render_ingress(name, config, setting),
        *render_autoscaler(name, config, setting, work.runner),
        *render_disruption(name, config, setting, work.runner),
    ]
    whole = (marked(item, config.labels, config.annotations) for item in objects)
    return [without_contradictions(patched(item, config.patch)) for item in whole]
