"""Temporary errors of Heroku are retried until the deadline, within its rate limit; two deploys at once make one release."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.clock import Clock, Deadline
from shipit.errors import DeadlinePassed
from shipit.events import Event, Warned
from shipit.rehearsal.app import App
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.server import Request, Response
from shipit.targets.heroku.budget import RequestBudget
from tests.runs import FakeClock
from tests.targets.heroku_place import Ended, HerokuPlace, heroku_place
from tests.waits import SOON_S

MIGRATE = "release: [migrate]"


class Away(HerokuStandIn):
    """Answers `fault` to the API while `is_away` says so; streams go on."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.away_until_s = 0.0
        self.after_patch_s = 0.0
        self.fault = Response(503)
        self.asked = 0

    def answer(self, request: Request) -> Response:
        is_api = not request.path.startswith(("/streams/", "/logs/"))
        self.asked += is_api
        if is_api and time.monotonic() < self.away_until_s:
            return self.fault
        answer = super().answer(request)
        if request.method == "PATCH" and b"docker_image" in request.body and self.after_patch_s:
            self.away_until_s, self.after_patch_s = time.monotonic() + self.after_patch_s, 0.0
        return answer


@pytest.fixture
def place(tmp_path: Path) -> Iterator[HerokuPlace]:
    with heroku_place(tmp_path / "project", Away) as made:
        yield made


def away(place: HerokuPlace) -> Away:
    assert isinstance(place.heroku, Away)
    return place.heroku


FAULTS = {
    "503": Response(503),
    "500-page": Response(500, b"<html>", {"Content-Type": "text/html"}),
    "429": Response(429, b'{"id": "rate_limit", "message": "Slow down."}', {"Retry-After": "2"}),
    "not-json": Response(200, b"<html>", {"Content-Type": "text/html"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_api_that_is_away_while_a_release_is_followed(place: HerokuPlace, name: str) -> None:
    away(place).fault = FAULTS[name]
    away(place).after_patch_s = 4.0
    place.runner.lasts_s = 2.0
    done = place.deploy("one", more=MIGRATE)
    assert (done.code, done.finished.state) == (0, "healthy"), done.finished
    assert len(place.runner.phases) == 1
    assert done.output == ["migrating"]
    assert away(place).asked < 80


def test_a_429_without_retry_after_is_retried_after_ten_seconds(place: HerokuPlace) -> None:
    away(place).fault = Response(429, b'{"id": "rate_limit", "message": "Slow down."}')
    away(place).after_patch_s = 1.0
    done = place.deploy("one", more=MIGRATE)
    assert done.code == 0, done.finished
    assert any(event.pause_s == 10.0 for event in done.retried)


def test_an_api_that_stays_away_fails_at_the_deadline_with_its_error(place: HerokuPlace) -> None:
    away(place).after_patch_s = 60.0
    failed = place.deploy("one", more=MIGRATE, target=", timeout: 6s")
    assert failed.code == 1
    assert "answered 503" in failed.finished.reason and "deadline" in failed.finished.reason, failed.finished


def test_an_hour_of_waiting_stays_within_the_rate_limit(tmp_path: Path) -> None:
    class Pending(HerokuStandIn):
        """Answers about releases that stay pending."""

        asked = 0

        def answer(self, request: Request) -> Response:
            if request.path.startswith("/streams/"):
                return Response(404)
            self.asked += 1
            return super().answer(request)

    with heroku_place(tmp_path / "project", Pending) as place:
        place.runner.lasts_s = 10_000
        clock = FakeClock()
        failed = place.deploy(
            "one", more="release: {command: [migrate], timeout: 1h}", target=", timeout: 2h", clock=clock
        )
        assert failed.code == 1
        assert (
            failed.finished.reason == "release v2 was still pending after 3600 s, the timeout of release:, and goes on"
        )
        assert isinstance(place.heroku, Pending)
        assert 500 < place.heroku.asked < 4500, place.heroku.asked


def test_watching_stays_within_the_rate_limit(tmp_path: Path) -> None:
    with heroku_place(tmp_path / "project") as place:
        place.runner.web_status = 500
        place.heroku.remaining = 1400
        clock = FakeClock()
        failed = place.deploy("one", target=", health: /healthz, timeout: 10m, pending: 1h", clock=clock)
        assert failed.code == 1 and failed.finished.reason.startswith("GET /healthz answers 500")
        assert len(place.heroku.log) < 400 + 10 * 60 + 50, "a burst, and then one a second"


def _waited_s(budget: RequestBudget, clock: FakeClock, requests: int = 1) -> float:
    """How long that many requests wait in turn."""
    began_s = clock.now()
    for _ in range(requests):
        budget.wait(Deadline(clock), "GET /")
    return clock.now() - began_s


def test_the_budget_is_spent_fast_at_first_and_then_by_the_second() -> None:
    clock, told = FakeClock(), list[Event]()
    budget = RequestBudget(clock, told.append)
    assert _waited_s(budget, clock, 400) == 0.0
    assert _waited_s(budget, clock) == pytest.approx(1.0, abs=0.02)
    clock.sleep(10_000)
    assert _waited_s(budget, clock, 400) == 0.0
    assert told == []
    assert _waited_s(budget, clock, 3600) == pytest.approx(3600, rel=0.02)
    text = "requests to Heroku wait: shipit sends one every 1 s, to leave some to others"
    assert told == [Warned("", text)], "once"


def test_many_requests_go_at_once_while_heroku_allows_many_more_than_others_may_need() -> None:
    clock, told = FakeClock(), list[Event]()
    budget = RequestBudget(clock, told.append)
    allowed, sent = 4500, 0
    while _waited_s(budget, clock) == 0.0:
        sent, allowed = sent + 1, allowed - 1
        budget.update(str(allowed))
    assert sent == 3500 and told == []


def test_a_request_that_waits_goes_when_an_answer_says_that_more_are_allowed() -> None:
    class Answered(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            budget.update("4400")

    clock, told = Answered(), list[Event]()
    budget = RequestBudget(clock, told.append)
    assert _waited_s(budget, clock, 1000) < 2.0


def test_no_request_waits_beyond_its_deadline() -> None:
    clock, told = FakeClock(), list[Event]()
    budget = RequestBudget(clock, told.append)
    budget.update("0")
    with pytest.raises(DeadlinePassed):
        budget.wait(Deadline.after(clock, 2.0), "GET /apps")


@pytest.mark.parametrize("text", ["", "x", "-5", "1e3", "٣", "9" * 5000, "12.5"])
def test_a_rate_limit_header_that_is_not_a_number_is_ignored(text: str) -> None:
    told: list[Event] = []
    clock = FakeClock()
    budget = RequestBudget(clock, told.append)
    budget.update(text)
    assert told == [] and _waited_s(budget, clock, 400) == 0.0 and _waited_s(budget, clock) > 0.5


def test_few_requests_left_warn_once_and_slow_down(tmp_path: Path) -> None:
    clock, told = FakeClock(), list[Event]()
    budget = RequestBudget(clock, told.append)
    for left in ("4000", "199", "150", "100"):
        budget.update(left)
    assert told == [Warned("", "Heroku allows this account 199 more requests for now: shipit sends fewer")]
    assert _waited_s(budget, clock) == pytest.approx(5.0, abs=0.02)
    budget.update("4500")
    assert _waited_s(budget, clock) == 0.0
    with heroku_place(tmp_path / "project") as place:
        place.heroku.remaining = 150
        done = place.deploy("one", clock=FakeClock())
        assert done.code == 0 and done.warnings[0].startswith("Heroku allows this account 14")


class Together(HerokuStandIn):
    """Lets two deploys look at the same moment: the `at`th look of each waits for the other."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.barrier: threading.Barrier | None = None
        self.path = ""

    def answer(self, request: Request) -> Response:
        answer = super().answer(request)
        if self.barrier is not None and (request.method, request.path) == ("GET", self.path):
            try:
                self.barrier.wait(0.5)
            except threading.BrokenBarrierError:
                self.barrier = None
        return answer


def _twice(place: HerokuPlace, folder: Path, more: str) -> list[Ended]:
    """The same deploy from two machines at once."""
    places = [HerokuPlace(folder / name, place.heroku, place.runner) for name in ("one", "two")]
    ended: list[Ended] = []
    threads = [threading.Thread(target=lambda own=own: ended.append(own.deploy("same", more=more))) for own in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return ended


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("path", ["", "/releases", "/formation", "/config-vars"])
def test_two_deploys_at_once_run_the_release_command_once(tmp_path: Path, path: str, code: int) -> None:
    with heroku_place(tmp_path / "place", Together) as place:
        assert isinstance(place.heroku, Together)
        before = HerokuPlace(tmp_path / "before", place.heroku, place.runner)
        assert before.deploy("before", more="release: [migrate, before]\nenv: {MODE: before}").code == 0
        place.heroku.barrier, place.heroku.path = threading.Barrier(2), f"/apps/shop-prod{path}"
        place.runner.codes, place.runner.lasts_s = [code, 0], 0.5
        ended = _twice(place, tmp_path, "release: [migrate]\nenv: {MODE: new}")
        assert [one.code for one in ended] == [code, code], [one.finished for one in ended]
        own = [phase for phase in place.runner.phases if phase.command == ("migrate",)]
        assert len(own) == 1, place.descriptions()
        assert own[0].env["MODE"] == "new"


def test_a_release_of_another_image_between_plan_and_change_stops(tmp_path: Path) -> None:
    class Rival(HerokuStandIn):
        """Somebody releases another image as soon as the registry has ours, before anything else is answered."""

        rival = False
        lock = threading.Lock()

        def answer(self, request: Request) -> Response:
            app: App = self.apps["shop-prod"]
            with self.lock:
                if self.rival and self.registry.tags:
                    self.rival = False
                    app.formation["web"]["image"] = "sha256:" + "f" * 64
                    app.user = "rival@example.com"
                    app.add_release("Deployed web (ffffffffffff)")
            return super().answer(request)

    with heroku_place(tmp_path / "project", Rival) as place:
        assert place.deploy("one").code == 0
        place.heroku.registry.tags.clear()
        assert isinstance(place.heroku, Rival)
        place.heroku.rival = True
        stopped = place.deploy("two")
        assert stopped.code == 1
        expected = "someone else released v3 (Deployed web (ffffffffffff), by rival@example.com, "
        assert stopped.finished.reason.startswith(expected), stopped.finished.reason
        assert stopped.finished.hint == "deploy again when they are done"
        assert place.app.formation["web"]["image"] == "sha256:" + "f" * 64, "nothing was changed"


def test_interrupted_while_heroku_is_away(place: HerokuPlace) -> None:
    clock = Clock()
    away(place).after_patch_s = 60.0
    threading.Timer(1.5, clock.cancel.set).start()
    started = time.monotonic()
    with pytest.raises(BaseException) as found:
        place.deploy("one", more=MIGRATE, clock=clock)
    assert type(found.value).__name__ == "Interrupted"
    assert time.monotonic() - started < SOON_S
