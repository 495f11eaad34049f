"""Deploys while every second request is lost, and while the clock of the machine jumps."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from shipit.events import Event, Retried
from shipit.pipeline.flow import deploy
from shipit.pipeline.lock_keepers import read_locks
from shipit.pipeline.releases import known_releases
from shipit.pipeline.return_to_release import rollback
from shipit.pipeline.run import Run
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.server import Request, Response
from shipit.release import ImageUse
from tests import runs
from tests.targets.heroku_place import heroku_place

HOUR_S = 3600.0


class Lossy:
    """Loses every second request of a kind: with `is_late` its answer, when it was done.

    Uploads of blobs, whose paths are new each time, have tests of their own for each request.
    """

    def __init__(self, *, is_late: bool) -> None:
        self._is_late, self._seen = is_late, Counter[tuple[str, str]]()

    def answer(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        key = (request.method, request.path)
        self._seen[key] += 1
        is_lost = self._seen[key] % 2 == 1 and "/blobs/" not in request.path
        if is_lost and not self._is_late:
            raise ConnectionError("the request was lost")
        answered = answer(request)
        if is_lost:
            raise ConnectionError("the answer was lost")
        return answered


@pytest.mark.parametrize("is_late", [False, True])
def test_a_deploy_to_a_registry_ends_well_though_every_second_request_is_lost(tmp_path: Path, is_late: bool) -> None:
    lossy = Lossy(is_late=is_late)

    class LossyRegistry(EmbeddedRegistry):
        def answer(self, request: Request) -> Response:
            return lossy.answer(request, super().answer)

    with LossyRegistry() as server:
        environment, clock, digests = runs.environment(tmp_path), runs.FakeClock(), []
        for text in ("one", "two"):
            (tmp_path / "hello.txt").write_text(text)
            loaded = runs.project(
                tmp_path, f"app: shop\nimage: {server.host}/shop\ntargets: {{hub: {{}}}}\n", environment
            )
            events: list[Event] = []
            clock.sleep(1)
            assert deploy(runs.run(loaded, environment, events, clock=clock)) == 0
            assert any(isinstance(event, Retried) for event in events)
            digests.append(server.tags["shop", "latest"])
        assert rollback(runs.run(loaded, environment, [], clock=clock)) == 0
        assert server.tags["shop", "latest"] == digests[0] != digests[1]


@pytest.mark.parametrize("is_late", [False, True])
def test_a_deploy_to_heroku_makes_one_release_though_every_second_request_is_lost(
    tmp_path: Path, is_late: bool
) -> None:
    lossy = Lossy(is_late=is_late)

    class LossyHeroku(HerokuStandIn):
        def answer(self, request: Request) -> Response:
            return lossy.answer(request, super().answer)

    with heroku_place(tmp_path / "project", LossyHeroku) as place:
        done = place.deploy("one")
        assert done.code == 0, done.finished
        assert done.retried
        assert place.descriptions() == ["Initial release", "Deployed web"], "what was done is not done again"


class JumpingClock(runs.FakeClock):
    """The time of day jumps an hour ahead and back, each time somebody looks."""

    def __init__(self) -> None:
        super().__init__()
        self._jumps = itertools.cycle((0.0, HOUR_S, -HOUR_S))

    def wall_s(self) -> float:
        return super().wall_s() + next(self._jumps)


def test_a_deploy_and_a_rollback_end_well_though_the_clock_jumps(tmp_path: Path) -> None:
    place, clock = InMemoryPlace(), JumpingClock()
    with EmbeddedRegistry() as server:

        def make() -> Run:
            environment = runs.environment(tmp_path)
            loaded = runs.project(tmp_path, f"app: shop\nimage: {server.host}/shop\n", environment)
            use = ImageUse("shop", f"{server.host}/shop", "oci", "linux/amd64", None, ("latest",))
            config = MemoryConfig.model_validate({"settle": "1m"})
            return runs.run(
                loaded, environment, [], targets=lambda _: [MemoryTarget("one", place, [use], config)], clock=clock
            )

        images = []
        for text in ("one", "two"):
            (tmp_path / "hello.txt").write_text(text)
            assert deploy(make()) == 0
            images.append(dict(place.images))
        assert rollback(make()) == 0
        assert place.images == images[0] != images[1]
        run = make()
        assert [past.state for past in known_releases(run, run.targets)["one"]] == ["healthy"] * 3
        assert read_locks(run) == {"one": None}
