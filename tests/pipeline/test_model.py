"""Any order of plans, deploys, crashes, rollbacks, promotions and prunings, against a model of a few lines."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shipit.errors import Interrupted, ShipitError, UsageError
from shipit.events import StepStarted, TargetFinished
from shipit.history.saved_plan import SavedPlan
from shipit.rehearsal.registry import EmbeddedRegistry
from tests import runs
from tests.pipeline.commits_bench import PRODUCTION, STAGING, CommitsBench

ENVIRONMENTS = st.sampled_from([STAGING, PRODUCTION])
# An event of a run after which it dies; a run has about as many.
EVENTS = st.integers(1, 30)


# One for all examples: it takes half a second to stop.
_registry = EmbeddedRegistry()


@pytest.fixture(scope="module", autouse=True)
def registry() -> Iterator[None]:
    with _registry:
        yield


class History(RuleBasedStateMachine):
    """The model, for each environment: `healthy` are the images of healthy releases, the newest last, without those that a
    rollback left; `running` is the image that runs and is healthy, empty where a deploy failed or died; `begun` is what a
    rollback that died leaves of `healthy`; `is_lost` is whether this machine knows that a run died; `saved` is a plan, and the image that ran when it was made. `saved_return` is that of
    a rollback, with the images up to the one that it returns to.
    """

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        _registry.manifests.clear()
        _registry.tags.clear()
        self.bench = CommitsBench(Path(self.folder.name), _registry)
        self.healthy: dict[str, list[str]] = {STAGING: [], PRODUCTION: []}
        self.running = {STAGING: "", PRODUCTION: ""}
        self.begun: dict[str, list[str]] = {STAGING: [], PRODUCTION: []}
        self.is_lost = {STAGING: False, PRODUCTION: False}
        self.saved: tuple[str, SavedPlan, dict[str, str]] | None = None
        self.saved_return: tuple[str, SavedPlan, dict[str, str], list[str]] | None = None
        # Without a release to return to, few orders of rules come to a rollback.
        for _ in range(2):
            self.bench.commit()
            self.deployed(STAGING, self.bench.deploy(STAGING))
        self.bench.commit()

    def teardown(self) -> None:
        runs.close_all()
        self.folder.cleanup()

    def image(self, environment: str) -> str:
        return self.bench.places[environment].images.get("app", "")

    def is_healthy(self, environment: str) -> None:
        """What runs was released, or verified after a run that died."""
        begun, image = self.begun[environment], self.image(environment)
        if not self.has_begun() and self.is_lost[environment] and begun[-1:] == [image]:
            self.returned(environment, begun)
            return
        if self.has_begun() or (not self.running[environment] and self.is_lost[environment]):
            self.healthy[environment].append(image)
        self.is_lost[environment] = False
        self.running[environment], self.begun[environment] = image, []

    def died(self, environment: str) -> None:
        """What is known is what the events say that happened before."""
        if self.has_finished():
            self.is_healthy(environment)
        elif self.has_begun():
            self.running[environment], self.begun[environment], self.is_lost[environment] = "", [], True

    def has_finished(self) -> bool:
        return any(isinstance(event, TargetFinished) and event.state != "failed" for event in self.bench.events)

    def has_begun(self) -> bool:
        return any(isinstance(event, StepStarted) and event.step.action == "apply" for event in self.bench.events)

    def deployed(self, environment: str, code: int, on_failure: str = "stop") -> None:
        assert code == (1 if self.bench.is_broken else 0)
        if code == 0:
            self.is_healthy(environment)
        else:
            healthy = self.healthy[environment]
            self.begun[environment] = []
            # A deploy that changes nothing rolls nothing back.
            is_back = on_failure == "rollback" and healthy and self.has_begun()
            self.running[environment] = healthy[-1] if is_back else ""

    @rule(is_broken=st.booleans())
    def commit(self, is_broken: bool) -> None:
        self.bench.commit(is_broken=is_broken)

    @rule(environment=ENVIRONMENTS, on_failure=st.sampled_from(["stop", "rollback"]))
    def deploy(self, environment: str, on_failure: str) -> None:
        self.deployed(environment, self.bench.deploy(environment, on_failure=on_failure), on_failure)

    @rule(environment=ENVIRONMENTS, event=EVENTS)
    def deploy_and_die(self, environment: str, event: int) -> None:
        self.bench.dies_at = event
        try:
            self.deployed(environment, self.bench.deploy(environment))
        except Interrupted:
            self.died(environment)

    @rule(environment=ENVIRONMENTS, event=st.none() | EVENTS)
    def roll_back(self, environment: str, event: int | None) -> None:
        earlier = self.earlier(environment)
        self.bench.dies_at = event or -1
        try:
            code = self.bench.roll_back(environment)
        except UsageError as error:
            assert not earlier and "nothing to roll back to" in error.what
        except Interrupted:
            if self.has_finished():
                self.returned(environment, earlier)
            elif self.has_begun():
                self.begun[environment], self.running[environment], self.is_lost[environment] = earlier, "", True
        else:
            assert code == 0 and earlier
            self.returned(environment, earlier)

    def earlier(self, environment: str) -> list[str]:
        """The healthy images up to the one that a rollback returns to."""
        healthy = self.healthy[environment]
        return self.begun[environment] or (healthy[:-1] if self.running[environment] else healthy)

    def returned(self, environment: str, earlier: list[str]) -> None:
        self.healthy[environment], self.running[environment], self.begun[environment] = earlier, earlier[-1], []

    @precondition(lambda self: self.running)
    @rule()
    def promote(self) -> None:
        try:
            assert self.bench.promote() == 0
        except UsageError:
            assert not self.running[STAGING]
        else:
            assert self.image(PRODUCTION) == self.running[STAGING]
            self.is_healthy(PRODUCTION)

    @rule(environment=ENVIRONMENTS)
    def save_plan(self, environment: str) -> None:
        self.saved = (environment, self.bench.save(environment), dict(self.bench.places[environment].images))

    @precondition(lambda self: self.saved)
    @rule()
    def deploy_saved_plan(self) -> None:
        assert self.saved
        environment, saved, before = self.saved
        images, writes = dict(self.bench.places[environment].images), len(self.bench.places[environment].writes)
        try:
            code = self.bench.deploy(environment, saved)
        except ShipitError as error:
            assert "does not hold any more" in error.what
            assert self.bench.places[environment].images == images
            assert len(self.bench.places[environment].writes) == writes
        else:
            assert images == before
            self.deployed(environment, code)

    @rule(environment=ENVIRONMENTS)
    def save_rollback(self, environment: str) -> None:
        earlier, images = list(self.earlier(environment)), dict(self.bench.places[environment].images)
        try:
            self.saved_return = (environment, self.bench.save_rollback(environment), images, earlier)
        except UsageError as error:
            assert not earlier and "nothing to roll back to" in error.what
        else:
            assert earlier and self.bench.places[environment].images == images

    @precondition(lambda self: self.saved_return)
    @rule()
    def do_saved_rollback(self) -> None:
        assert self.saved_return
        environment, saved, before, earlier = self.saved_return
        place = self.bench.places[environment]
        images, writes = dict(place.images), len(place.writes)
        try:
            code = self.bench.roll_back(environment, saved)
        except ShipitError as error:
            assert "does not hold any more" in error.what
            assert place.images == images and len(place.writes) == writes
        else:
            assert code == 0 and images == before
            self.returned(environment, earlier)

    @rule()
    def prune(self) -> None:
        """What runs stays; a rollback may have returned to what was pruned before."""
        before = self.stored()
        self.bench.prune()
        assert self.stored() == before

    def stored(self) -> dict[str, bool]:
        """Whether the repository of each environment has what runs there."""
        return {
            name: self.bench.has_image(name, place.images.get("app", "-")) for name, place in self.bench.places.items()
        }

    @rule()
    def forget(self) -> None:
        """Go on from another machine, which does not know that a run died."""
        self.is_lost = dict.fromkeys(self.is_lost, False)
        shutil.rmtree(self.bench.folder / ".shipit", ignore_errors=True)
        shutil.rmtree(self.bench.folder / ".cache", ignore_errors=True)

    @invariant()
    def what_runs_is_what_the_model_says(self) -> None:
        for environment, image in getattr(self, "running", {}).items():
            assert image in ("", self.image(environment))


IS_DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
History.TestCase.settings = settings(
    max_examples=60 if IS_DEEP else 6, stateful_step_count=16 if IS_DEEP else 10, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
TestHistory = pytest.mark.sampled(History.TestCase)
