"""An app in a namespace of the simulated cluster, of which one version after the other is deployed."""

from __future__ import annotations

from pathlib import Path

from shipit.clock import Clock
from shipit.events import Event
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import prepare
from shipit.pipeline.run import Run
from shipit.release import TargetPlan
from tests import runs
from tests.servers.kube_api import KubeApi

# A deploy.yml, which the workloads of a test follow.
HEAD = """\
app: shop
image: HOST/shop
targets:
  k8s:
    settle: 0s
    timeout: 30s
    workloads:
"""


class Place:
    """`note` of a run is what its version has in its image; its deploy.yml is that of the place when absent."""

    def __init__(self, folder: Path, api: KubeApi, host: str, text: str) -> None:
        self.folder, self.api, self.host, self.text = folder, api, host, text

    def deploy(self, note: str, text: str = "") -> tuple[int, list[Event]]:
        run, events = self.run(note, text)
        return deploy(run), events

    def plan(self, note: str, text: str = "") -> TargetPlan:
        return prepare(self.run(note, text)[0]).plan.targets[0]

    def run(self, note: str, text: str = "") -> tuple[Run, list[Event]]:
        environment = runs.environment(self.folder, KUBECONFIG=self.api.kubeconfig(self.folder / "kube"))
        loaded = runs.project(
            self.folder, (text or self.text).replace("HOST", self.host), environment, dockerfile=runs.WITH_USER
        )
        (self.folder / "hello.txt").write_text(f"hello {note}\n")
        events: list[Event] = []
        return runs.run(loaded, environment, events, clock=Clock()), events
