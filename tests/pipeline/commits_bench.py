"""Two environments in memory, of which each deploy is of a commit of its own, and a run may die at any event."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from shipit.config.load import load_project
from shipit.config.promoted_images import with_promoted
from shipit.envelope import Envelope
from shipit.errors import Interrupted
from shipit.events import Event
from shipit.history.journal import Journal
from shipit.history.saved_plan import SavedPlan
from shipit.pipeline.change import Change, change
from shipit.pipeline.destroy import destroy
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.promise import promise
from shipit.pipeline.promotion_source import ReadSource, read_source
from shipit.pipeline.prune import prune
from shipit.pipeline.return_to_release import rollback, save_rollback
from shipit.pipeline.run import Run
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace, MemoryObserved
from shipit.rehearsal.memory.steps import SetImages
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import Destruction, ImageUse, Step
from shipit.targets.kinds import KindModels
from shipit.targets.locks import LEASE_S
from shipit.targets.orders import RestartOrder, ScaleOrder
from shipit.targets.session import Session
from shipit.targets.verbs import restarts, scales
from tests import runs

STAGING, PRODUCTION = "staging", "production"
_TEXT = """\
app: app
image: {{repository: {host}/staging/app, build: .}}
environments:
  staging: {{env: {{MODE: staging}}, inherit: true}}
  production: {{image: {{repository: {host}/production/app}}, env: {{MODE: production}}, inherit: true}}
"""


@dataclass
class CommitsBench:
    """`places`: environment -> its place. `dies_at` is the number of the event after which the next run dies, the first is 1; it is
    interrupted there, as by Ctrl-C, unless it `dies`.

    `events` are those of the last run, until it died. `broken` are the images of commits that never get healthy.
    """

    folder: Path
    registry: EmbeddedRegistry
    places: dict[str, InMemoryPlace] = field(
        default_factory=lambda: {STAGING: InMemoryPlace(), PRODUCTION: InMemoryPlace()}
    )
    events: list[Event] = field(default_factory=list)
    clock: runs.FakeClock = field(default_factory=runs.FakeClock)
    dies_at: int = -1
    dies: bool = True
    is_broken: bool = False
    broken: set[str] = field(default_factory=set)
    _commits: int = 0

    def __post_init__(self) -> None:
        (self.folder / "Dockerfile").write_text('FROM scratch\nCOPY hello.txt /\nCMD ["/hello"]\n')
        (self.folder / "deploy.yml").write_text(_TEXT.format(host=self.registry.host))
        self._git("init", "-q", "-b", "main")

    def commit(self, *, is_broken: bool = False) -> None:
        """Change the image."""
        self._commits += 1
        self.is_broken = is_broken
        (self.folder / "hello.txt").write_text(f"{self._commits}")
        self._git("add", ".")
        self._git("commit", "-q", "-m", f"{self._commits}")

    def deploy(self, environment: str, saved: SavedPlan | None = None, on_failure: str = "stop") -> int:
        with self._running(environment, on_failure) as run:
            return deploy(run, saved)

    def save(self, environment: str) -> SavedPlan:
        with self._running(environment) as run:
            return promise(run, plan(run, is_deploy=True), 1e6)

    def roll_back(self, environment: str, saved: SavedPlan | None = None) -> int:
        with self._running(environment) as run:
            return rollback(run, saved=saved)

    def save_rollback(self, environment: str) -> SavedPlan:
        with self._running(environment) as run:
            return save_rollback(run, "", 1e6)

    def scale(self, environment: str, count: int) -> int:
        with self._running(environment) as run:
            [target] = run.targets
            order = ScaleOrder({"app": count})
            assert scales(target)
            return change(
                run, "scale", [Change(target, partial(target.plan_scale, order), partial(target.judge_scale, order))]
            )

    def restart(self, environment: str, at: str) -> int:
        with self._running(environment) as run:
            [target] = run.targets
            order = RestartOrder(("app",), at)
            assert restarts(target)
            return change(
                run,
                "restart",
                [Change(target, partial(target.plan_restart, order), partial(target.judge_restart, order))],
            )

    def destroy(self, environment: str) -> int:
        with self._running(environment) as run:
            return destroy(run, Destruction(), is_selected=True)

    def promote(self) -> int:
        with self._run(STAGING) as source:
            read = read_source(source)
            with self._running(PRODUCTION, source=read) as run:
                return deploy(run)

    def prune(self) -> None:
        for environment in self.places:
            with self._run(environment) as run:
                prune(run, ["app"], {name: self._target(name) for name in self.places}, 1, lambda planned: None)

    def has_image(self, environment: str, config_digest: str) -> bool:
        """Whether the repository of an environment has the image that a place runs."""
        found = (body for (name, _), (_, body) in self.registry.manifests.items() if name == f"{environment}/app")
        return any(config_digest.encode() in body for body in found)

    @contextmanager
    def _running(self, environment: str, on_failure: str = "stop", source: ReadSource | None = None) -> Iterator[Run]:
        """A run with a journal. What it does after it died has not happened; its locks stay, and expire."""
        self.events.clear()
        self.clock.sleep(1)
        with self._run(environment, on_failure, source) as run:
            run.journal = Journal(run.project.root)
            death = _Death(self, run.tell, run.journal)
            run.tell = death
            try:
                yield run
            finally:
                run.close()
                run.journal.close()
                self.dies_at = -1
                death.restore()
        if death.is_dead:
            raise Interrupted

    def _run(self, environment: str, on_failure: str = "stop", source: ReadSource | None = None) -> Run:
        variables = runs.environment(self.folder)
        loaded = load_project(self.folder / "deploy.yml", variables, KindModels(), selected=environment)
        if source:
            loaded = with_promoted(loaded, {image.name: image for image in source.promotion.images})
        made = [self._target(environment, on_failure, loaded.tags("app"))]
        run = runs.run(loaded, variables, self.events, targets=lambda _: made, clock=self.clock)
        run.source = source
        return run

    def _target(self, environment: str, on_failure: str = "stop", tags: tuple[str, ...] = ()) -> MemoryTarget:
        use = ImageUse("app", f"{self.registry.host}/{environment}/app", "oci", "linux/amd64", None, tags)
        config = MemoryConfig.model_validate({"settle": "0s", "on_failure": on_failure})
        return _BenchTarget(self, self.places[environment], use, config)

    def _git(self, *words: str) -> None:
        author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        at = f"@{1_700_000_000 + 60 * self._commits} +0000"
        subprocess.run(
            ["git", "-C", str(self.folder), *author, *words],
            check=True, capture_output=True, env={"PATH": "/usr/bin:/bin", "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at},
        )  # fmt: skip


class _BenchTarget(MemoryTarget):
    """A target whose images of broken commits are broken."""

    def __init__(self, bench: CommitsBench, place: InMemoryPlace, use: ImageUse, config: MemoryConfig) -> None:
        super().__init__("one", place, [use], config)
        self._bench = bench

    def observe(self, session: Session) -> MemoryObserved:
        found = super().observe(session)
        return replace(found, is_broken=found.images.get("app") in self._bench.broken)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        is_built = session.delivery is not None and not session.delivery.project.promoted
        if (
            is_built
            and self._bench.is_broken
            and isinstance(step, SetImages)
            and step.id == "set"
            and "app" in step.images
        ):
            self._bench.broken.add(step.images["app"])
        yield from super().apply(step, session)


class _Death:
    """A reporter at which a run dies: it keeps the places and tags of that moment, and drops all later events."""

    def __init__(self, bench: CommitsBench, *reporters: Callable[[Envelope], None]) -> None:
        self._bench, self._reporters = bench, reporters
        self._kept: tuple[dict[str, InMemoryPlace], dict[tuple[str, str], str]] | None = None
        self._count = 0

    @property
    def is_dead(self) -> bool:
        return self._kept is not None

    def __call__(self, envelope: Envelope) -> None:
        if self.is_dead:
            raise Interrupted
        for tell in self._reporters:
            tell(envelope)
        self._count += 1
        if self._count != self._bench.dies_at:
            return
        if self._bench.dies:
            self._kept = copy.deepcopy((self._bench.places, self._bench.registry.tags))
        raise Interrupted

    def restore(self) -> None:
        if self._kept is None:
            return
        places, tags = self._kept
        for environment, place in places.items():
            vars(self._bench.places[environment]).update(vars(place))
        self._bench.registry.tags.clear()
        self._bench.registry.tags.update(tags)
        self._bench.clock.sleep(LEASE_S + 1)
