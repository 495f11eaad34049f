"""Logs of Heroku's dynos: of one process type, once each, from a trusted URL, without a token."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.errors import RemoteError, UsageError
from shipit.events import Event, LogLine, Retried
from shipit.rehearsal.app import App
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.server import Request, Response
from shipit.targets.log_lines import LONGEST_LINE
from shipit.targets.log_query import LogQuery
from shipit.targets.verbs import has_logs
from tests import runs

DEPLOY = (
    "app: shop\nimage: registry.example/shop\ntargets: {heroku: {app: shop-prod, processes: {web: {}, worker: {}}}}\n"
)


class Recording(HerokuStandIn):
    """Keeps every request, and answers a log session with what a test says."""

    def __init__(self) -> None:
        super().__init__(token="token-of-heroku")
        self.requests: list[Request] = []
        self.stream: Iterator[bytes] | None = None
        self.url = ""
        self.more: dict[str, str] = {}
        # The statuses of the next streams; 0 for a stream.
        self.refused: list[int] = []

    def answer(self, request: Request) -> Response:
        self.requests.append(request)
        if request.path.startswith("/logs/") and self.refused and (status := self.refused.pop(0)):
            return Response(status, b"{}")
        if request.path.startswith("/logs/") and self.stream is not None:
            return Response(200, self.stream, {"Content-Type": "text/event-stream"})
        if request.path.endswith("/log-sessions") and self.url:
            return Response(201, json.dumps({"logplex_url": self.url}).encode(), {"Content-Type": "application/json"})
        return super().answer(request)

    def bodies(self) -> list[object]:
        return [json.loads(request.body) for request in self.requests if request.path.endswith("/log-sessions")]


@pytest.fixture
def heroku() -> Iterator[Recording]:
    with Recording() as stand_in:
        stand_in.create_app("shop-prod")
        yield stand_in


@pytest.fixture
def app(heroku: Recording) -> App:
    app = heroku.apps["shop-prod"]
    for number in range(3):
        app.write("app[web.1]", f"one {number}")
        app.write("app[web.2]", f"two {number}")
        app.write("app[worker.1]", f"job {number}")
        app.write("heroku[router]", 'at=info method=GET path="/"')
    app.write("heroku[web.1]", "State changed from starting to up")
    app.write("app[web-extra.1]", "of another process type")
    return app


def logs(heroku: Recording, folder: Path, wanted: LogQuery, events: list[Event] | None = None) -> Iterator[LogLine]:
    environment = runs.environment(folder, **heroku.variables(), **heroku.more)
    project = runs.project(folder, DEPLOY, environment)
    run = runs.run(project, environment, events if events is not None else [], clock=Clock())
    [target] = run.targets
    assert has_logs(target)
    return target.logs("web", wanted, replace(run.session(target), deadline_s=float("inf")))


def test_the_lines_of_the_dynos_of_a_process_type_and_of_the_platform_about_them(
    heroku: Recording, app: App, tmp_path: Path
) -> None:
    lines = list(logs(heroku, tmp_path, LogQuery()))
    assert [(line.instance, line.line) for line in lines] == [
        *[(f"web.{dyno}", f"{word} {number}") for number in range(3) for dyno, word in ((1, "one"), (2, "two"))],
        ("web.1/heroku", "State changed from starting to up"),
    ]
    assert heroku.bodies() == [{"lines": 1500, "tail": False, "dyno": "web"}]
    stream = heroku.requests[-1]
    assert stream.path.startswith("/logs/") and "authorization" not in stream.headers


def test_tail_is_of_each_dyno_and_since_of_the_time(heroku: Recording, app: App, tmp_path: Path) -> None:
    lines = list(logs(heroku, tmp_path, LogQuery(tail=1)))
    assert [line.line for line in lines] == ["one 2", "two 2", "State changed from starting to up"]
    app.log.insert(0, "2020-01-01T00:00:00.000000+00:00 app[web.1]: old")
    assert next(line.line for line in logs(heroku, tmp_path, LogQuery())) == "old"
    assert next(line.line for line in logs(heroku, tmp_path, LogQuery(since_s=600))) == "one 0"


def test_following_goes_on_in_a_new_session_without_a_lost_or_doubled_line(
    heroku: Recording, app: App, tmp_path: Path
) -> None:
    heroku.sessions.lasts_s = 0.3
    following = logs(heroku, tmp_path, LogQuery(follow=True, tail=1))
    assert [next(following).line for _ in range(3)] == ["one 2", "two 2", "State changed from starting to up"]
    found = []
    for number in range(40):
        app.write("app[web.1]", f"new {number // 2}")
        if number % 10 == 9:
            found += [next(following).line for _ in range(10)]
            time.sleep(0.4)
    assert found == [f"new {number // 2}" for number in range(40)]
    app.write("app[worker.1]", "of another process type")
    app.write("app[web.2]", "end")
    assert next(following).line == "end"
    sessions = heroku.bodies()
    assert len(sessions) >= 3 and sessions[1] == {"lines": 1500, "tail": True, "dyno": "web"}


@pytest.mark.parametrize("status", [403, 404, 410, 500])
def test_an_expired_session_and_a_heroku_that_fails_for_a_while_are_followed_through(
    heroku: Recording, app: App, tmp_path: Path, status: int
) -> None:
    events: list[Event] = []
    heroku.sessions.lasts_s = 0.1
    following = logs(heroku, tmp_path, LogQuery(follow=True, tail=1), events)
    assert [next(following).line for _ in range(3)] == ["one 2", "two 2", "State changed from starting to up"]
    heroku.refused = [status, status]
    app.write("app[web.1]", "new")
    assert next(following).line == "new"
    assert heroku.refused == []
    assert sum(isinstance(event, Retried) for event in events) >= 2


def test_what_is_refused_for_good_ends_following(heroku: Recording, app: App, tmp_path: Path) -> None:
    heroku.sessions.lasts_s = 0.1
    following = logs(heroku, tmp_path, LogQuery(follow=True, tail=0))
    heroku.refused = [0, 400]
    with pytest.raises(RemoteError, match="400"):
        next(following)


def test_there_is_no_log_of_a_previous_run(heroku: Recording, app: App, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Heroku keeps none of a previous run") as caught:
        list(logs(heroku, tmp_path, LogQuery(previous=True)))
    assert caught.value.hint == "shipit logs heroku/web --tail 1500"


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/meta-data/", "https://example.com/", "file:///etc/passwd"]
)
def test_a_log_at_an_address_that_is_not_trusted_is_not_requested(
    heroku: Recording, app: App, tmp_path: Path, url: str
) -> None:
    heroku.url = url
    with pytest.raises(RemoteError, match="the URL of the log is not one of a public host over https"):
        list(logs(heroku, tmp_path, LogQuery()))


def test_hostile_lines_are_bounded_and_others_than_lines_left_out(heroku: Recording, app: App, tmp_path: Path) -> None:
    at = b"2026-01-31T12:00:00.000001+00:00 "
    heroku.stream = iter([
        b": a comment\nevent: x\nid: 1\n\n",
        b"data: not a line of a log\n",
        b"data: " + at + b"app[web.1]: \x1b[2J \xff\n",
        b"data: " + at + b"app[../../x]: of a strange dyno\n",
        b"data: yesterday app[web.1]: without a time\n",
        b"data: " + at + b"app[web.1]: " + b"x" * LONGEST_LINE + b"\n",
    ])  # fmt: skip
    lines = list(logs(heroku, tmp_path, LogQuery()))
    assert [line.line[:12] for line in lines] == ["without a time"[:12], "\x1b[2J \ufffd", "x" * 12]
    head = len("data: ") + len(at) + len("app[web.1]: ")
    assert lines[-1].cut_bytes == head and len(lines[-1].line) == LONGEST_LINE - head
    assert lines[0].written_at == ""


def test_a_session_that_stays_open_ends_with_its_silence(heroku: Recording, app: App, tmp_path: Path) -> None:
    """Heroku need not end a session that does not follow."""
    is_over = threading.Event()

    def silent() -> Iterator[bytes]:
        yield b"data: 2026-01-31T12:00:00.000001+00:00 app[web.1]: hello\n\n"
        is_over.wait(30)

    heroku.stream = silent()
    heroku.more = {"SHIPIT_HTTP_TIMEOUT": "1s"}
    assert [line.line for line in logs(heroku, tmp_path, LogQuery())] == ["hello"]
    heroku.stream = iter([b": nothing was ever logged\n"])
    assert list(logs(heroku, tmp_path, LogQuery())) == []
    is_over.set()
