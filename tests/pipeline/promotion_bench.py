"""Two environments in memory, staging and production, whose images are in two repositories of an embedded registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shipit.config.load import load_project
from shipit.config.promoted_images import with_promoted
from shipit.events import Event, PlanMade, TargetFinished
from shipit.pipeline.flow import deploy
from shipit.pipeline.promotion_source import ReadSource, read_source
from shipit.pipeline.run import Run
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import ImageUse, Promotion
from shipit.targets.kinds import KindModels
from tests import runs

TEXT = """\
app: app
image: {{repository: {host}/staging/app, build: .}}
environments:
  staging: {{env: {{MODE: staging}}, inherit: true}}
  production: {{image: {{repository: {other}/production/app}}, env: {{MODE: production}}, inherit: true}}
"""


class PromotionBench:
    """`staging` and `production`: target -> its place. Each call makes a new run."""

    def __init__(self, folder: Path, registry: EmbeddedRegistry, other: EmbeddedRegistry | None = None) -> None:
        self.folder, self.registry, self.other = folder, registry, other or registry
        self.staging = {"one": InMemoryPlace()}
        self.production = {"one": InMemoryPlace()}
        self.events: list[Event] = []
        self.clock = runs.FakeClock()

    def deploy(self, text: str, targets: Sequence[str] = (), fails: str = "") -> int:
        """Build an image with a text and deploy it to targets of staging, or to all of them."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "Dockerfile").write_text('FROM scratch\nCOPY hello.txt /\nCMD ["/hello"]\n')
        (self.folder / "hello.txt").write_text(text)
        for place in self.staging.values():
            place.fails = fails
        with self.source_run(targets) as run:
            code = deploy(run)
        for place in self.staging.values():
            place.fails = ""
        # A promotion needs no Dockerfile.
        (self.folder / "Dockerfile").unlink()
        return code

    def source_run(self, targets: Sequence[str] = ()) -> Run:
        return self._run("staging", {name: self.staging[name] for name in targets or self.staging})

    def read(self, targets: Sequence[str] = (), *, takes_unhealthy: bool = False) -> ReadSource:
        return read_source(self.source_run(targets), takes_unhealthy=takes_unhealthy)

    def promote(self, source: ReadSource | None = None) -> int:
        with self.promoting(source or self.read()) as run:
            return deploy(run)

    def promoting(self, source: ReadSource) -> Run:
        """The run of a promotion to production."""
        self.events.clear()
        run = self._run("production", self.production, source.promotion)
        run.source = source
        return run

    def _run(self, environment: str, places: dict[str, InMemoryPlace], promotion: Promotion | None = None) -> Run:
        variables = runs.environment(self.folder)
        text = TEXT.format(host=self.registry.host, other=self.other.host)
        (self.folder / "deploy.yml").write_text(text)
        loaded = load_project(self.folder / "deploy.yml", variables, KindModels(), selected=environment)
        if promotion:
            loaded = with_promoted(loaded, {image.name: image for image in promotion.images})
        image = loaded.images["app"]
        use = ImageUse("app", image.repository or "", "oci", "linux/amd64", None, loaded.tags("app"))
        config = MemoryConfig.model_validate({"settle": "0s"})
        made = [MemoryTarget(name, place, [use], config) for name, place in places.items()]
        return runs.run(loaded, variables, self.events, targets=lambda _: made, clock=self.clock)

    def planned(self) -> PlanMade:
        [made] = [event for event in self.events if isinstance(event, PlanMade)]
        return made

    def verdicts(self) -> dict[str, str]:
        return {event.target: event.state for event in self.events if isinstance(event, TargetFinished)}
