"""The manifests of Kubernetes' own source, kubectl's test data among them: applied to the real cluster, then unchanged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.events import Event, StepFailed
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import prepare
from shipit.pipeline.run import Run
from tests import runs
from tests.conftest import started
from tests.sampled import sampled
from tests.servers.cluster import Cluster
from tests.servers.install import example_names, examples_folder
from tests.servers.process import Unavailable

pytestmark = pytest.mark.cluster

# The images are not there, so that no pod becomes ready: what is looked at is the plan.
TEXT = """\
app: shop
targets:
  k8s: {namespace: NAMESPACE, settle: 0s, pending: 1s, timeout: 240s, manifests: [FILE]}
"""
QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "none"},
    "spec": {"hard": {"pods": "0"}},
}
SIDE_BY_SIDE = 4
# Few enough for the time limit of a test on a loaded machine.
_PART = 24
CHOSEN = sampled(list(enumerate(example_names())), 8, of="examples")
PARTS = [CHOSEN[at : at + _PART] for at in range(0, len(CHOSEN), _PART)]


def run_of(folder: Path, cluster: Cluster, namespace: str, file: str, events: list[Event]) -> Run:
    environment = runs.environment(folder, KUBECONFIG=str(cluster.kubeconfig))
    project = runs.project(folder, TEXT.replace("NAMESPACE", namespace).replace("FILE", file), environment)
    return runs.run(project, environment, events, clock=Clock())


def deployed_twice(folder: Path, cluster: Cluster, number: int, example: Path) -> str:
    """What the second plan has to do, or what failed; empty where all is well."""
    namespace, text, events = f"example-{number}", example.read_text(), list[Event]()
    folder.mkdir()
    file = f"objects{example.suffix}"
    (folder / file).write_text(text)
    cluster.kubectl("create", "namespace", namespace)
    if "kind: Pod\n" not in text and '"Pod"' not in text:
        # Without it, controllers would make pods that pull.
        cluster.kubectl("-n", namespace, "create", "-f", "-", data=json.dumps(QUOTA))
    try:
        with run_of(folder, cluster, namespace, file, events) as run:
            deploy(run)
        if failed := [event.reason for event in events if isinstance(event, StepFailed)]:
            return f"{example}: {failed}"
        with run_of(folder, cluster, namespace, file, []) as run:
            steps = prepare(run).plan.targets[0].steps
        return f"{example}: {[(step.summary, step.detail) for step in steps]}" if steps else ""
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.sampled
@pytest.mark.parametrize("chosen", PARTS, ids=lambda part: part[0][1])
def test_the_example_manifests_of_kubernetes_are_unchanged_after_their_deploy(
    tmp_path: Path, cluster: Cluster, chosen: Sequence[tuple[int, str]]
) -> None:
    assert len(example_names()) >= 150
    folder = started(_examples)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        calls = [pool.submit(deployed_twice, tmp_path / str(n), cluster, n, folder / name) for n, name in chosen]
        found = [call.result() for call in calls]
    assert [said for said in found if said] == []


def _examples() -> Path:
    folder = examples_folder()
    if not all((folder / name).is_file() for name in example_names()):
        raise Unavailable("Kubernetes' example manifests are not there (python -m tests.servers.install; it needs Go)")
    return folder
