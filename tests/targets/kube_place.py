"""A project that deploys to an API server in memory, and runs of it that share the namespace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipit.clock import Clock
from shipit.events import Event, TargetFinished
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import prepare
from shipit.pipeline.run import Run
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import Release, Step
from shipit.testing.fresh_process import Outcome, apply_in_fresh_process
from tests import runs
from tests.servers.kube_api import KubeApi

TEXT = """\
app: shop
image: HOST/shop
env: {MODE: MODE_VALUE}
secrets: {TOKEN: {env: TOKEN}}
targets:
  k8s: {settle: 0s, timeout: 20s, manifests: [own.yml], workloads: {web: {port: 3000}}}
"""


@dataclass
class KubePlace:
    """The namespace `prod`. `own` is the text of own.yml, `token` the secret TOKEN, `mode` the variable MODE.

    With `keeps_journal`, deploys keep theirs, as those of the command line do.
    """

    folder: Path
    api: KubeApi
    registry: EmbeddedRegistry
    own: str
    token: str = "canary-first-4711"
    mode: str = "old"
    context: str = "mem"
    runs: list[Run] = field(default_factory=list)
    keeps_journal: bool = False

    def run(self, note: str = "", *, meddle: Callable[[Event], None] = lambda event: None) -> tuple[Run, list[Event]]:
        """A run of the shop, whose image holds the note, and the list of its events. `meddle` is called after each event."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "own.yml").write_text(self.own)
        text = TEXT.replace("HOST", self.registry.host).replace("MODE_VALUE", self.mode)
        loaded = runs.project(
            self.folder, text, runs.environment(self.folder, **self.variables()), dockerfile=runs.WITH_USER
        )
        (self.folder / "hello.txt").write_text(f"hello {note}\n")
        events: list[Event] = []
        run = runs.run(loaded, runs.environment(self.folder, **self.variables()), events, clock=Clock())
        runs.react(run, meddle)
        return run, events

    def variables(self) -> dict[str, str]:
        return {"KUBECONFIG": self.api.kubeconfig(self.folder / "kube", self.context), "TOKEN": self.token}

    def deploy(
        self, note: str = "", *, meddle: Callable[[Event], None] = lambda event: None
    ) -> tuple[int, TargetFinished, list[Event]]:
        run, events = self.run(note, meddle=meddle)
        with runs.kept(run) if self.keeps_journal else nullcontext():
            code = deploy(run)
        [finished] = [event for event in events if isinstance(event, TargetFinished)]
        return code, finished, events

    def steps(self, note: str = "") -> tuple[Run, Release, tuple[Step, ...]]:
        """The steps of a plan, with the release that they are for."""
        run, _ = self.run(note)
        preparation = prepare(run)
        return run, preparation.releases["k8s"], preparation.plan.targets[0].steps

    def apply_elsewhere(self, steps: Sequence[Step], release: Release) -> Outcome:
        """Apply steps in a fresh process."""
        variables = runs.environment(self.folder, **self.variables()).variables
        return apply_in_fresh_process(self.folder, variables, "k8s", steps, release)

    def data(self, name: str) -> Any:
        """The data of a Secret."""
        return self.api.objects["secrets", name]["data"]

    @property
    def records(self) -> list[str]:
        """The names of the Secrets that record releases, sorted."""
        secrets = {name: item for (kind, name), item in self.api.objects.items() if kind == "secrets"}
        return sorted(name for name, item in secrets.items() if item.get("type") == "shipit.dev/release")

    @property
    def env_secret(self) -> str:
        """The name of the Secret that the pods of web use."""
        return env_secret_of(self.api)


def env_secret_of(api: KubeApi) -> str:
    """The name of the Secret that the pods of the Deployment web use."""
    [container] = api.objects["deployments", "web"]["spec"]["template"]["spec"]["containers"]
    [name] = {row["valueFrom"]["secretKeyRef"]["name"] for row in container["env"] if "valueFrom" in row}
    return str(name)


@contextmanager
def kube_place(folder: Path, own: str, kind: type[KubeApi] = KubeApi) -> Iterator[KubePlace]:
    with kind() as api, EmbeddedRegistry() as registry:
        yield KubePlace(folder, api, registry, own)
