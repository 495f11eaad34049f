"""One kind of target with a place of its own, as the contract needs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from shipit.clock import Clock
from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.envelope import Envelope
from shipit.events import Event
from shipit.past_release import PastRelease
from shipit.pipeline.run import Run
from shipit.record import to_json
from shipit.release import Release, Step
from shipit.targets.kinds import KindModels, create_target
from shipit.testing.fresh_process import apply_in_fresh_process

SECRET = "canary-secret-4711"
# What deploy.yml of a case holds beside its app, its image and its only target.
SECRETS = "env: {MODE: test}\nsecrets: {TOKEN: {env: TOKEN}}\n"
DOCKERFILE = 'FROM scratch\nCOPY app.txt /\nCMD ["/app"]\n'


@dataclass
class Case:
    """A project with one target, in a folder, and what the contract has to know of its place.

    `deploy_yml` has one target, one image built from `.`, and the lines of SECRETS. `variables` is the whole process
    environment. `source` is the file of the image that holds the note of `make`.
    `writes` gives a number that differs after each write to the place. `replace` is somebody else who brings back what the very first deploy
    released; `who` is how a verdict calls them. `reset` is somebody else who sets the variable MODE; None for a kind that
    does not verify variables. `latest` gives the digest that the tag `latest` names; None where no tag moves.
    `has_steps` is False for a kind whose plan is uploads only. `more` adds an object to the text of deploy.yml, which the
    plan calls `left`; None for a kind that has no objects. `has_input` is False for a kind whose one-off commands get no input.
    `port` is one that what runs answers over HTTP; 0 for a kind that forwards none.
    A context manager: it ends the runs that were made.
    """

    folder: Path
    deploy_yml: str
    writes: Callable[[], int]
    replace: Callable[[], None]
    variables: Mapping[str, str] = field(default_factory=dict)
    reset: Callable[[], None] | None = None
    latest: Callable[[], str] | None = None
    who: str = "someone else"
    has_steps: bool = True
    dockerfile: str = DOCKERFILE
    source: str = "app.txt"
    source_text: str = ""
    more: Callable[[str], str] | None = None
    left: str = ""
    has_input: bool = True
    port: int = 0
    runs: list[Run] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self.runs:
            self.runs.pop().close()

    @property
    def environment(self) -> ProcessEnvironment:
        """A cache in the folder, the secret of SECRETS, and the variables of the case."""
        own = {"SHIPIT_CACHE_DIR": str(self.folder / ".cache"), "PATH": "/usr/bin:/bin", "TOKEN": SECRET}
        return ProcessEnvironment({**own, **self.variables}, self.folder, self.folder)

    def make(self, note: str = "", told: Callable[[Event], None] = lambda event: None, variable: str = "") -> Run:
        """A fresh run on the same place, of an image that holds the note. `told` is called with each event.

        Events are printed, too: pytest shows them when a test fails.
        `variable` is the name of one more variable of `env`; empty for none.
        """
        env = "env: {MODE: test" + (f", {variable}: more" if variable else "")
        for name, text in (
            ("deploy.yml", self.deploy_yml.replace("env: {MODE: test", env)),
            ("Dockerfile", self.dockerfile),
            (self.source, f"{self.source_text}# {note}\n"),
        ):
            (self.folder / name).write_text(text)
        environment = self.environment
        project = load_project(self.folder / "deploy.yml", environment, KindModels())
        targets = [create_target(name, config, project, environment) for name, config in project.targets.items()]

        def tell(envelope: Envelope) -> None:
            print(json.dumps(to_json(envelope)))
            told(envelope.event)

        run = Run(project, targets, environment, Clock(), tell)
        self.runs.append(run)
        return run

    def apply(self, steps: Sequence[Step], release: Release, past: PastRelease | None = None) -> str:
        """Apply steps from their JSON in a process that did not plan them; the error that ended them, or nothing.

        `past` is the release that the steps return to; None for those of another plan.
        """
        [target] = self.make().targets
        variables = self.environment.variables
        return apply_in_fresh_process(self.folder, variables, target.name, steps, release, past).error
