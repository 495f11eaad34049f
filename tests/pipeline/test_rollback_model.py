"""Any order of deploys, failures, kills and rollbacks, against a model of a few lines."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shipit.errors import Interrupted, UsageError
from shipit.events import Event, StepDone
from shipit.pipeline.flow import deploy
from shipit.pipeline.return_to_release import rollback
from shipit.rehearsal.registry import EmbeddedRegistry
from tests import runs
from tests.pipeline.bench import Bench


class Rollbacks(RuleBasedStateMachine):
    """`healthy` are the texts of the releases that were healthy, without those that a rollback went past.

    `running` is the text of what runs, None where a deploy or a rollback was killed or failed.
    """

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.registry = EmbeddedRegistry()
        self.registry.start()
        self.bench = Bench(Path(self.folder.name), self.registry)
        self.place = self.bench.add("one")
        self.healthy: list[str] = []
        self.images: dict[str, str] = {}
        self.number = 0
        self.running = ""

    def teardown(self) -> None:
        runs.close_all()
        self.registry.stop()
        self.folder.cleanup()

    def deploy(self, fails: str = "", on_failure: str = "stop", kill_after: bool = False) -> int:
        self.number += 1
        text = f"release {self.number}"
        (self.bench.folder / "hello.txt").write_text(text)
        self.bench.add("one", on_failure=on_failure)
        self.place.fails = fails
        run = self.bench.run()

        def react(event: Event) -> None:
            if isinstance(event, StepDone) and event.step.action == "apply":
                if kill_after and event.step.subject == "set":
                    self.place.fails = ""
                    raise Interrupted
                if event.step.subject.startswith(("return to", "set back")):
                    self.place.fails = ""

        runs.react(run, react)
        try:
            return deploy(run)
        finally:
            run.close()
            self.place.fails = ""
            self.images[text] = self.place.images.get("app", "")

    @rule()
    def good(self) -> None:
        assert self.deploy() == 0
        self.running = f"release {self.number}"
        self.healthy.append(self.running)

    @rule()
    def bad(self) -> None:
        assert self.deploy(fails="judge") == 1
        self.running = ""

    @precondition(lambda self: self.healthy)
    @rule()
    def bad_and_rolled_back(self) -> None:
        assert self.deploy(fails="judge", on_failure="rollback") == 1
        self.running = self.healthy[-1]

    @rule()
    def killed(self) -> None:
        try:
            self.deploy(kill_after=True)
        except Interrupted:
            self.running = ""

    @rule()
    def roll_back(self) -> None:
        earlier = self.healthy[:-1] if self.running else self.healthy
        try:
            code = rollback(self.bench.run())
        except UsageError as error:
            assert not earlier and "nothing to roll back to" in error.what
            return
        assert code == 0 and earlier
        self.healthy = earlier
        self.running = earlier[-1]

    @invariant()
    def what_runs_is_what_the_model_says(self) -> None:
        if getattr(self, "running", ""):
            assert self.place.images["app"] == self.images[self.running]


Rollbacks.TestCase.settings = settings(
    max_examples=8, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRollbacks = Rollbacks.TestCase
