"""What can be scaled on Kubernetes."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.errors import DeployFailed
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.orders import ScaleOrder
from shipit.targets.verbs import scales
from tests.targets.kube_place import kube_place


@pytest.mark.parametrize("kind", ["ReplicaSet", "ReplicationController", "DaemonSet"])
def test_a_kind_whose_pods_are_not_judged_by_a_number_is_not_scaled(tmp_path: Path, kind: str) -> None:
    version = "v1" if kind == "ReplicationController" else "apps/v1"
    own = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: old}}\nspec: {{replicas: 3}}\n"
    with kube_place(tmp_path / "shop", own) as place:
        [target] = place.run()[0].targets
        assert scales(target)
        with pytest.raises(DeployFailed, match=f"{kind}/old can't be scaled: only Deployment, StatefulSet can"):
            target.plan_scale(ScaleOrder({"old": 5}), KubernetesObserved({}))
