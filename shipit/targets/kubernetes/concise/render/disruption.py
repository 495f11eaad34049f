"""The PodDisruptionBudget of a workload. Pure.

Source: Kubernetes API reference, policy/v1 PodDisruptionBudget.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipit.targets.kubernetes.concise.keys import WorkloadKeys
from shipit.targets.kubernetes.render import Manifest, Setting, head_of, selector_of


def render_disruption(name: str, config: WorkloadKeys, setting: Setting, runner: str) -> Iterator[Manifest]:
    if config.pdb is None:
        return
    bound = {"minAvailable": config.pdb.min} if config.pdb.min is not None else {"maxUnavailable": config.pdb.max}
    spec = {**bound, "selector": {"matchLabels": selector_of(runner, setting)}}
    yield {**head_of("policy/v1", "PodDisruptionBudget", name, setting), "spec": spec}
