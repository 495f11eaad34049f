"""Health of an app: dynos, the probe of its URL, and the messages when nothing serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.config.position import Keys
from shipit.errors import ConfigErrors
from shipit.events import Event, Waiting
from shipit.pipeline.flow import deploy
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.server import Request, Response
from tests import runs
from tests.runs import SkippingClock
from tests.targets.heroku_place import Ended, HerokuPlace, heroku_place

WEB = ", processes: {web: {command: [serve], quantity: 1}}"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[HerokuPlace]:
    with heroku_place(tmp_path / "project") as made:
        yield made


def test_a_web_that_is_scaled_to_zero_is_a_warning(place: HerokuPlace) -> None:
    target = ", processes: {web: {quantity: 0}}"
    for state in ("healthy", "unchanged"):
        done = place.deploy("one", target=target)
        assert (done.code, done.finished.state, done.finished.reason) == (0, state, f"v{2}: web scaled to 0")
        assert done.warnings == ["web is scaled to 0 dynos: nothing serves. heroku ps:scale web=1 --app shop-prod"]


def test_maintenance_mode_is_a_warning_and_not_probed(place: HerokuPlace) -> None:
    place.app.maintenance, place.runner.web_status = True, 503
    done = place.deploy("one", target=", health: /healthz")
    assert (done.code, done.finished.reason) == (0, "v2: web 1 up, in maintenance mode")
    assert done.warnings[0].startswith("the app is in maintenance mode")


@pytest.mark.parametrize(("status", "is_warned"), [(200, False), (302, False), (404, False), (500, True), (503, True)])
def test_a_web_that_answers_errors_is_warned_of(place: HerokuPlace, status: int, is_warned: bool) -> None:
    place.runner.web_status = status
    done = place.deploy("one")
    assert (done.code, bool(done.warnings)) == (0, is_warned), done.warnings
    if is_warned:
        assert done.warnings[0].startswith(f"web may not serve: GET / answers {status}")


@pytest.mark.parametrize("where", [", health: /healthz", ", processes: {web: {health: /healthz}}"])
@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_path_of_health_has_to_answer_before_it_is_healthy(place: HerokuPlace, where: str, status: int) -> None:
    place.runner.web_status = status
    run, events = place.run("one", target=where)

    def mend(event: Event) -> None:
        if isinstance(event, Waiting) and event.reason == f"GET /healthz answers {status}":
            place.runner.web_status = 200

    runs.react(run, mend)
    with run:
        done = Ended(deploy(run), events)
    assert (done.code, done.finished.state) == (0, "healthy")
    assert place.runner.web_status == 200, "it was waited for"


def test_a_path_of_health_that_never_answers_is_a_failure(place: HerokuPlace) -> None:
    place.runner.web_status = 500
    late = place.deploy("one", target=", health: /healthz, timeout: 60s", clock=SkippingClock())
    assert late.code == 1 and late.finished.reason.startswith("GET /healthz answers 500"), late.finished
    assert "deadline" in late.finished.reason


def test_an_unchanged_app_that_stopped_to_answer_is_a_failure(place: HerokuPlace) -> None:
    target = ", health: /healthz, timeout: 60s"
    assert place.deploy("one", target=target).code == 0
    place.runner.web_status = 500
    same = place.deploy("one", target=target, clock=SkippingClock())
    assert same.code == 1 and same.finished.reason.startswith("GET /healthz answers 500"), same.finished


@pytest.mark.parametrize(
    ("target", "keys"),
    [
        (", processes: {worker: {health: /x}}", ("processes", "worker", "health")),
        (", health: /x, processes: {worker: {}}", ("health",)),
        (", health: /x, processes: {web: {health: /x}}", ("health",)),
        (", health: x", ("health",)),
    ],
)
def test_health_without_a_web_process_is_an_error(place: HerokuPlace, target: str, keys: Keys) -> None:
    with pytest.raises(ConfigErrors) as found:
        place.deploy("one", target=target)
    assert [problem.path for problem in found.value.problems] == [".".join(map(str, ("targets", "heroku", *keys)))]


def test_an_app_that_is_down_says_so_and_how_to_return(place: HerokuPlace) -> None:
    assert place.deploy("one", target=WEB).code == 0
    failed = place.deploy("two", target=WEB.replace("serve", "crash"))
    assert (failed.code, failed.finished.reason) == (1, "web.1 crashed at v3")
    assert failed.finished.down == "shop-prod is DOWN at v3; to return to v2: heroku rollback v2 --app shop-prod"
    assert failed.end.next == "shipit rollback heroku"


def test_a_first_deploy_that_is_down_has_nothing_to_return_to(place: HerokuPlace) -> None:
    failed = place.deploy("one", target=WEB.replace("serve", "crash"))
    assert failed.finished.down == "shop-prod is DOWN at v2"
    assert failed.end.next == "shipit deploy heroku"
    # What ran before has crashed as well.
    again = place.deploy("two", target=WEB.replace("serve", "crash"))
    assert again.finished.down == "shop-prod is DOWN at v3"


def test_a_first_deploy_that_is_down_is_not_rolled_back(place: HerokuPlace) -> None:
    target = WEB.replace("serve", "crash")
    failed = place.deploy("one", target=f"{target}, on_failure: rollback")
    assert failed.finished.reason == (
        "web.1 crashed at v2; nothing was rolled back: nothing ran before, and what this deploy released stays: web"
    )
    assert (failed.finished.down, failed.finished.is_rolled_back) == ("shop-prod is DOWN at v2", False)


def test_an_app_that_was_rolled_back_is_not_down(place: HerokuPlace) -> None:
    target = f"{WEB}, on_failure: rollback"
    assert place.deploy("one", target=target).code == 0
    failed = place.deploy("two", target=target.replace("serve", "crash"))
    assert failed.finished.reason.startswith("web.1 crashed at v3; rolled back to what ran before (v4: web 1 up): v2 (")
    assert failed.finished.rolled_back_to == "v2"
    assert failed.finished.down == ""


def test_a_worker_that_crashes_does_not_take_the_app_down(place: HerokuPlace) -> None:
    target = ", processes: {web: {}, worker: {command: [work], quantity: 1}}"
    assert place.deploy("one", target=target).code == 0
    failed = place.deploy("two", target=target.replace("work]", "crash]"))
    assert (failed.finished.reason, failed.finished.down) == ("worker.1 crashed at v3", "")


def _nothing() -> None:
    """What nobody does."""


class Meddled(HerokuStandIn):
    """Somebody else does what `meddle` does, once, right after a release of images."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.meddle: Callable[[], None] = _nothing

    def answer(self, request: Request) -> Response:
        answer = super().answer(request)
        if request.method == "PATCH" and b"docker_image" in request.body:
            meddle, self.meddle = self.meddle, _nothing
            meddle()
        return answer


MEDDLING = {
    "variable": (
        "MODE is not what this run wanted: someone else released v5 (Set MODE config vars, by rival@example.com, "
    ),
    "removal": (
        "MODE is not what this run wanted: someone else released v5 (Remove MODE config vars, by rival@example.com, "
    ),
    "scale": "web is scaled to 3, not 1: someone else changed it",
    "size": "web is of the size Standard-2X, not basic: someone else changed it",
}


@pytest.mark.parametrize("name", MEDDLING)
def test_what_somebody_changes_while_we_watch_is_a_failure(tmp_path: Path, name: str) -> None:
    with heroku_place(tmp_path / "project", Meddled) as place:
        target = ", processes: {web: {quantity: 1, size: basic}}"
        app = place.app

        def meddle() -> None:
            app.user = "rival@example.com"
            if name in ("variable", "removal"):
                place.heroku.releases.config(app, {"MODE": "theirs" if name == "variable" else None})
            elif name == "scale":
                app.formation["web"]["quantity"] = 3
            else:
                app.formation["web"]["size"] = "Standard-2X"

        assert place.deploy("zero", more="env: {MODE: ours}", target=target).code == 0
        assert isinstance(place.heroku, Meddled)
        place.heroku.meddle = meddle
        failed = place.deploy("one", more="env: {MODE: ours}", target=target)
        assert failed.code == 1
        assert failed.finished.reason.startswith(MEDDLING[name]), failed.finished.reason
        app.user = "rehearsal@localhost"
        assert place.deploy("one", more="env: {MODE: ours}", target=target).code == 0, "the next run converges"


def test_the_plan_says_that_nothing_serves_without_web(place: HerokuPlace) -> None:
    place.deploy(target=", processes: {web: {}, worker: {command: [work]}}")
    ended = place.deploy(target=", processes: {worker: {command: [work]}}")
    assert ended.code == 0 and "nothing serves requests then" in ended.plan, ended.plan
