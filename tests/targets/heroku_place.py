"""A Heroku app to deploy to in this process, on the stand-in, and how such a deploy ends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.events import Event, Log, PlanMade, Retried, RunFinished, TargetFinished, Warned
from shipit.pipeline.flow import deploy
from shipit.pipeline.run import Run
from shipit.rehearsal.app import App
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.report.plan_text import render_plan
from tests import runs
from tests.servers.dynos import ScriptedRunner

APP = "shop-prod"


class Ended(NamedTuple):
    """How a deploy ended."""

    code: int
    events: list[Event]

    @property
    def plan(self) -> str:
        return next(render_plan(event.plan) for event in self.events if isinstance(event, PlanMade))

    @property
    def finished(self) -> TargetFinished:
        return next(event for event in self.events if isinstance(event, TargetFinished))

    @property
    def end(self) -> RunFinished:
        return next(event for event in self.events if isinstance(event, RunFinished))

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    @property
    def output(self) -> list[str]:
        return [event.line for event in self.events if isinstance(event, Log)]

    @property
    def retried(self) -> list[Retried]:
        return [event for event in self.events if isinstance(event, Retried)]


class HerokuPlace:
    """`deploy(...)` writes deploy.yml and deploys it. `note` is in the image: another note makes another image."""

    def __init__(self, folder: Path, heroku: HerokuStandIn, runner: ScriptedRunner) -> None:
        self.folder = folder
        self.heroku = heroku
        self.runner = runner
        self.variables: dict[str, str] = {}

    @property
    def app(self) -> App:
        return self.heroku.apps[APP]

    @property
    def writes(self) -> list[tuple[str, str]]:
        """What was changed through the API."""
        return [row for row in self.heroku.log if row[0] not in ("GET", "HEAD") and "log-sessions" not in row[1]]

    @property
    def environment(self) -> ProcessEnvironment:
        return runs.environment(self.folder, **self.heroku.variables(), **self.variables)

    def run(
        self, note: str = "", *, more: str = "", target: str = "", clock: Clock | None = None
    ) -> tuple[Run, list[Event]]:
        """A run that has not begun, and the list of its events."""
        text = f"app: shop\nimage: {{build: .}}\n{more}\ntargets: {{heroku: {{app: {APP}, settle: 0s{target}}}}}\n"
        self.folder.mkdir(exist_ok=True)
        (self.folder / "hello.txt").write_text(f"hello {note}\n")
        events: list[Event] = []
        loaded = runs.project(self.folder, text, self.environment)
        return runs.run(loaded, self.environment, events, clock=clock or Clock()), events

    def deploy(self, note: str = "", *, more: str = "", target: str = "", clock: Clock | None = None) -> Ended:
        run, events = self.run(note, more=more, target=target, clock=clock)
        try:
            return Ended(deploy(run), events)
        finally:
            run.close()

    def descriptions(self) -> list[str]:
        """What the releases were, without their images."""
        return [row["description"].split(" (")[0] for row in self.app.releases]

    def statuses(self) -> list[str]:
        return [row["status"] for row in self.app.releases]


def destroy_images(heroku: HerokuStandIn, app: App, version: int) -> Mapping[str, str]:
    """Delete the images of a release, as Heroku does: its release can't be released again, and its blobs are gone."""
    release, registry = app.releases[version - 1], heroku.registry
    images, _ = app.past.pop(release["id"])
    release.update(status="expired", eligible_for_rollback=False)
    for (name, digest), (_, manifest) in list(registry.manifests.items()):
        if json.loads(manifest)["config"]["digest"] in images.values():
            del registry.manifests[name, digest]
            registry.tags = {key: value for key, value in registry.tags.items() if value != digest}
    kept = {row["digest"] for _, data in registry.manifests.values() for row in json.loads(data)["layers"]}
    for digest in images.values():
        assert digest not in kept
        registry.blobs.pop(digest, None)
        registry.linked -= {key for key in registry.linked if key[1] == digest}
    return images


@contextmanager
def heroku_place(folder: Path, kind: type[HerokuStandIn] = HerokuStandIn, **choices: Any) -> Iterator[HerokuPlace]:
    """A place with one app. `choices` are about what is not known of Heroku; see the stand-in."""
    runner = ScriptedRunner()
    with kind(token="token-of-heroku", runner=runner) as heroku:
        heroku.create_app(APP)
        for name, value in choices.items():
            setattr(heroku.formation if hasattr(heroku.formation, name) else heroku.releases, name, value)
        yield HerokuPlace(folder, heroku, runner)
