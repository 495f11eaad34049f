"""Release output and logs: bounded in memory and time, requested from trusted URLs only, and without a token."""

from __future__ import annotations

import itertools
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.events import Event
from shipit.rehearsal.server import Request, Response, StrictServer
from shipit.targets.heroku.address import is_trusted_url
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.lines import LONGEST_LINE, Lines
from shipit.targets.heroku.streams import ReleaseOutput, recent_logs
from shipit.targets.heroku.token import Token
from shipit.targets.heroku.wire import HerokuWire
from tests.runs import FakeClock, environment

MIB = 1024 * 1024


def reader(chunks: Iterator[bytes]) -> Lines:
    lines = Lines()
    for chunk in chunks:
        for _ in lines.feed(chunk):
            pass
    return lines


def test_lines_however_they_are_cut() -> None:
    text = b"one\r\n\ntwo \xc3\xa9\nthree"
    for size in range(1, len(text) + 1):
        lines = Lines()
        found = [line for at in range(0, len(text), size) for line in lines.feed(text[at : at + size])]
        assert [*found, *lines.end()] == ["one", "", "two é", "three"]
        assert list(lines.tail) == ["one", "", "two é", "three"]


def test_a_line_without_an_end_is_replaced_by_its_size() -> None:
    lines = Lines()
    assert list(lines.feed(b"before\n" + b"x" * LONGEST_LINE)) == ["before"]
    assert list(lines.feed(b"y")) == []
    assert list(lines.feed(b"z\nafter\n")) == [f"[a line of {LONGEST_LINE + 2} bytes]", "after"]
    assert list(lines.feed(b"x" * (LONGEST_LINE + 1))) == []
    assert list(lines.end()) == [f"[a line of {LONGEST_LINE + 1} bytes]"]


@pytest.mark.large
@pytest.mark.parametrize("line", [b"a line of output like any other\n", b"x" * MIB])
def test_twenty_megabytes_need_little_memory(line: bytes) -> None:
    tracemalloc.start()
    lines = reader(itertools.repeat(line * (MIB // len(line)), 20))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MIB
    assert len(lines.tail) <= 20


class Streams(StrictServer):
    """Streams of choice, and a log session that names one. Credentials are refused."""

    def __init__(self) -> None:
        super().__init__()
        self.chunks: Iterator[bytes] = iter(())
        self.log_url = ""
        self.requests: list[Request] = []
        self.route("GET", "/stream", lambda request: Response(200, self.chunks, {"Content-Type": "text/plain"}))
        self.route("POST", "/apps/app/log-sessions", lambda request: self.session())

    def session(self) -> Response:
        return Response(201, b'{"logplex_url": "%s"}' % (self.log_url or f"http://{self.host}/stream").encode())

    def answer(self, request: Request) -> Response:
        self.requests.append(request)
        return super().answer(request)


@pytest.fixture
def streams() -> Iterator[Streams]:
    with Streams() as server:
        yield server


def client(streams: Streams, process_environment: ProcessEnvironment, clock: Clock, seconds: float) -> HerokuClient:
    process_environment = process_environment._replace(
        variables={**process_environment.variables, "SHIPIT_HEROKU_API": f"http://{streams.host}"}
    )
    events: list[Event] = []
    wire = HerokuWire(process_environment, Token("token-of-heroku", "a test"), clock, events.append)
    return HerokuClient(wire, "app", Deadline.after(clock, seconds))


def ticking(clock: FakeClock, taken: threading.Semaphore | None = None) -> Iterator[bytes]:
    """A line a second, without an end; a second takes one hundredth of one, or until the line before was taken."""
    for number in itertools.count():
        clock.sleep(1)
        if taken is None:
            time.sleep(0.01)
        elif not taken.acquire(timeout=60):
            return
        yield b"tick %d\n" % number


def test_output_ends_at_the_deadline(tmp_path_factory: pytest.TempPathFactory, streams: Streams) -> None:
    clock = FakeClock()
    asking = client(streams, environment(tmp_path_factory.mktemp("home")), clock, 5)
    taken = threading.Semaphore()
    streams.chunks = ticking(clock, taken)
    lines = []
    for line in ReleaseOutput(asking.wire, f"http://{streams.host}/stream").more(asking.deadline):
        lines.append(line)
        taken.release()
    taken.release()
    assert 1 <= len(lines) <= 8, lines
    assert "authorization" not in streams.requests[-1].headers


def test_a_log_that_never_ends_is_left_after_ten_seconds(
    tmp_path_factory: pytest.TempPathFactory, streams: Streams
) -> None:
    clock = FakeClock()
    asking = client(streams, environment(tmp_path_factory.mktemp("home")), clock, 600)
    streams.chunks = ticking(clock)
    lines = recent_logs(asking, "web.1", 3)
    assert len(lines) == 3 and lines[0].startswith("tick ")
    assert "authorization" not in streams.requests[-1].headers


def test_a_passed_deadline_leaves_time_for_the_log(tmp_path_factory: pytest.TempPathFactory, streams: Streams) -> None:
    asking = client(streams, environment(tmp_path_factory.mktemp("home")), Clock(), 600)
    asking = replace(asking, deadline=Deadline(asking.wire.clock, 0))
    streams.chunks = iter([b"last words\n"])
    assert recent_logs(asking) == ["last words"]


def test_what_was_read_is_not_read_again(tmp_path_factory: pytest.TempPathFactory, streams: Streams) -> None:
    asking = client(streams, environment(tmp_path_factory.mktemp("home")), Clock(), 60)
    output = ReleaseOutput(asking.wire, f"http://{streams.host}/stream")
    streams.chunks = iter([b"one\ntw"])
    assert list(output.more(asking.deadline)) == ["one"]
    streams.chunks = iter([b"one\n", b"two\nthree\n"])
    assert list(output.more(asking.deadline)) == ["two", "three"]
    assert [request.headers.get("range") for request in streams.requests] == [None, "bytes=6-"]


REAL = "https://api.heroku.com"


@pytest.mark.parametrize(
    ("url", "base", "is_followed"),
    [
        ("https://release-output.heroku.com/streams/1", REAL, True),
        ("https://logs-api.heroku.com/streams/1?srv=1", REAL, True),
        ("https://logplex.example.net:8443/x", REAL, True),
        ("http://release-output.heroku.com/streams/1", REAL, False),
        ("ftp://release-output.heroku.com/1", REAL, False),
        ("file:///etc/passwd", REAL, False),
        ("https://me:pass@release-output.heroku.com/", REAL, False),
        ("https://me@release-output.heroku.com/", REAL, False),
        ("https://127.0.0.1/", REAL, False),
        ("https://127.1/", REAL, False),
        ("https://2130706433/", REAL, False),
        ("https://0x7f000001/", REAL, False),
        ("https://0177.0.0.1/", REAL, False),
        ("https://169.254.169.254/latest/meta-data/", REAL, False),
        ("https://[::1]/", REAL, False),
        ("https://[::ffff:127.0.0.1]/", REAL, False),
        ("https://[fe80::1]/", REAL, False),
        ("https://localhost/", REAL, False),
        ("https://localhost./", REAL, False),
        ("https://a.localhost/", REAL, False),
        ("https://metadata.google.internal/", REAL, False),
        ("https://printer.local/", REAL, False),
        ("https://metadata/", REAL, False),
        ("https://10.0.0.1./", REAL, False),
        ("https:///x", REAL, False),
        ("https://", REAL, False),
        ("https://[", REAL, False),
        ("https://a.b:99999/", REAL, False),
        ("https://a.b/\r\nHost: x", REAL, False),
        ("", REAL, False),
        ("http://127.0.0.1:4000/streams/1", "http://127.0.0.1:3000", True),
        ("https://release-output.heroku.com/streams/1", "http://127.0.0.1:3000", False),
        ("http://169.254.169.254/", "http://127.0.0.1:3000", False),
    ],
)
def test_where_a_stream_is_followed(url: str, base: str, is_followed: bool) -> None:
    assert is_trusted_url(url, base) is is_followed


def test_a_log_session_at_a_private_address_is_not_requested(
    tmp_path_factory: pytest.TempPathFactory, streams: Streams
) -> None:
    asking = client(streams, environment(tmp_path_factory.mktemp("home")), Clock(), 60)
    streams.log_url = "http://169.254.169.254/latest/meta-data/"
    assert recent_logs(asking) == []
    output = ReleaseOutput(asking.wire, streams.log_url)
    assert output.is_refused and list(output.more(asking.deadline)) == []
