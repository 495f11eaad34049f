"""The log of a service on Docker engines, from instances that give their logs by a query."""

from __future__ import annotations

import fcntl
import itertools
import resource
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import EngineAddress
from shipit.docker.dial import ByteStream
from shipit.docker.upgrade import SilentEngine
from shipit.errors import RemoteError
from shipit.events import Event, LogLine, Retried, Warned
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.log import Endings, Instance, InstanceLog, LostHost, ServiceLog
from shipit.targets.engine.log_streams import LONGEST_UNENDED, LogStream, LogStreams
from shipit.targets.engine.owner import SERVICE, Owner
from shipit.targets.log_query import LogQuery
from shipit.targets.session import Clients, Session
from tests.targets.answering_host import answering_host
from tests.waits import wait_until


def test_a_log_that_is_followed_is_read_again_from_a_time_that_an_engine_takes(tmp_path: Path) -> None:
    clock, queries = Clock(), list[Mapping[str, str]]()
    environment = ProcessEnvironment({}, tmp_path, tmp_path)
    session = Session(environment, clock, lambda event: None, str, clock.now() + 60, Clients(clock))
    rows = [b"2026-01-31T12:00:09.5Z first\n"]

    def read(query: Mapping[str, str]) -> bytes:
        queries.append(query)
        return b"".join(rows)

    log = InstanceLog("docker", "web", session, lambda: [Instance("host web-1", "web-1", read)])
    lines = log.lines(LogQuery(follow=True, tail=1))
    assert next(lines).line == "first"
    rows.append(b"2026-01-31T12:00:10Z second\n")
    second = next(lines)
    assert (second.line, second.instance, second.workload) == ("second", "web-1", "web")
    assert queries[0] == {"tail": "1", "since": "0"}
    # 12:00:09 less the two seconds in which lines may arrive late. An engine takes seconds since the epoch only.
    assert queries[-1] == {"tail": "all", "since": "1769860807"}


def test_the_log_of_a_host_that_does_not_answer_is_left_out_with_a_warning(tmp_path: Path) -> None:
    clock, events = Clock(), list[Event]()
    session = Session(
        ProcessEnvironment({}, tmp_path, tmp_path), clock, events.append, str, clock.now() + 60, Clients(clock)
    )
    row = {"Id": "1", "Names": ["/web-1"], "State": "running", "Labels": {SERVICE: "web"}}
    line = b"2026-01-31T12:00:09Z first\n"
    answers = {
        "GET /containers/json": [row],
        "GET /containers/web-1/logs": b"\x01\0\0\0" + len(line).to_bytes(4, "big") + line,
    }

    def log(*addresses: str) -> list[str]:
        hosts = Hosts({address: EngineAddress(address) for address in addresses})
        own = ServiceLog("docker", "web", hosts, Owner("shop", "production", "docker"), session, SERVICE)
        return [line.line for line in own.lines(LogQuery())]

    lost = "unix:///none/docker.sock"
    with answering_host(tmp_path, answers) as (client, _):
        assert log(lost, client.engine.address.host) == ["first"]
        session.clients.close()
    reason = "no Docker engine answers: no such file or directory"
    assert events == [Warned("docker", f"the log of {lost} is not shown: {reason}")]
    with pytest.raises(RemoteError, match=reason):
        log(lost)
    assert len(events) == 1, "the only host is an error"


def test_an_instance_that_ended_is_read_once_more_and_so_is_one_that_came_and_ended_between_two_looks() -> None:
    endings = Endings()
    assert endings.to_read(["old", "a"], {"a"}) == ["a"]
    assert endings.to_read(["old", "a", "b"], {"b"}) == ["a", "b"]
    assert endings.to_read(["old", "a", "b", "brief"], {"b"}) == ["b", "brief"]
    assert endings.to_read(["old", "a", "b", "brief"], {"a", "b"}) == ["a", "b"], "it was started again"
    assert endings.to_read(["old", "b"], set()) == ["b"]
    assert endings.to_read(["old", "b"], set()) == []


def frame(text: str) -> bytes:
    return b"\x01\0\0\0" + len(text.encode()).to_bytes(4, "big") + text.encode()


@pytest.fixture
def pair() -> Iterator[tuple[LogStream, socket.socket]]:
    """A stream, and the engine's end of its connection."""
    own, other = socket.socketpair()
    stream = LogStream(ByteStream(own, "GET /logs"))
    yield stream, other
    stream.close()
    other.close()


@pytest.mark.parametrize("is_framed", [True, False])
def test_a_stream_gives_whole_lines_and_at_its_end_the_rest(
    pair: tuple[LogStream, socket.socket], is_framed: bool
) -> None:
    stream, other = pair
    lines = ["2026-01-31T12:00:09Z first\n", "2026-01-31T12:00:10Z sec", "ond\n2026-01-31T12:00:11Z rest"]
    data = b"".join(map(frame, lines)) if is_framed else "".join(lines).encode()
    found = []
    for start in range(0, len(data), 7):
        other.sendall(data[start : start + 7])
        found.append(stream.take())
    assert b"".join(found) == b"2026-01-31T12:00:09Z first\n2026-01-31T12:00:10Z second\n"
    assert all(piece.endswith(b"\n") for piece in found if piece)
    other.close()
    assert stream.take() == b"2026-01-31T12:00:11Z rest" and stream.is_over


def test_a_message_of_the_engine_is_a_line_of_the_log(pair: tuple[LogStream, socket.socket]) -> None:
    stream, other = pair
    message = b"Error grabbing logs: unexpected EOF\n"
    other.sendall(b"\x03\0\0\0" + len(message).to_bytes(4, "big") + message + frame("2026-01-31T12:00:09Z first\n"))
    assert stream.take() == message + b"2026-01-31T12:00:09Z first\n" and not stream.is_over


def followed(tmp_path: Path, streams: dict[str, socket.socket], events: list[Event], **query: Any) -> Iterator[LogLine]:
    """The lines of instances with a stream each, by their names."""
    clock, engines = Clock(), {name: LogEngine(own) for name, own in streams.items()}
    session = Session(
        ProcessEnvironment({}, tmp_path, tmp_path), clock, events.append, str, clock.now() + 60, Clients(clock)
    )
    instances = [Instance(name, name, lambda query: b"", engine.follow) for name, engine in engines.items()]
    return InstanceLog("docker", "web", session, lambda: instances).lines(LogQuery(follow=True, **query))


class LogEngine:
    """Gives a connection once; a second one is an error of the test."""

    def __init__(self, own: socket.socket) -> None:
        self._own = [own]

    def follow(self, query: Mapping[str, str]) -> ByteStream:
        return ByteStream(self._own.pop(), "GET /logs")


def test_a_stream_that_is_no_log_ends_alone_with_a_warning(tmp_path: Path) -> None:
    events = list[Event]()
    (own, broken), (other_own, other) = socket.socketpair(), socket.socketpair()
    broken.sendall(frame("2026-01-31T12:00:09Z first\n") + b"\x07\0\0\0\0\0\0\x01")
    lines = followed(tmp_path, {"web-1": own, "web-2": other_own}, events)
    assert next(lines).line == "first"
    other.sendall(frame("2026-01-31T12:00:10Z second\n"))
    assert next(lines).line == "second"
    what = "the log of web-1 is not followed any more: the engine sent something that is no frame of output"
    assert events == [Warned("docker", what)]
    lines.close()  # type: ignore[attr-defined]
    broken.close()
    other.close()


def test_what_an_engine_says_itself_is_shown_with_since_too(tmp_path: Path) -> None:
    own, other = socket.socketpair()
    message = b"Error grabbing logs: unexpected EOF\n"
    other.sendall(b"\x03\0\0\0" + len(message).to_bytes(4, "big") + message)
    lines = followed(tmp_path, {"web-1": own}, [], since_s=60)
    assert next(lines).line == "Error grabbing logs: unexpected EOF"
    lines.close()  # type: ignore[attr-defined]
    other.close()


def taken(stream: LogStream, other: socket.socket, data: bytes) -> list[bytes]:
    """What a stream gives of some bytes that arrive piece by piece."""
    found = []
    for start in range(0, len(data), 16384):
        other.sendall(data[start : start + 16384])
        found.append(stream.take())
    return [one for one in found if one]


def test_a_line_without_an_end_is_divided_at_the_same_bytes_and_its_parts_have_its_time(
    pair: tuple[LogStream, socket.socket],
) -> None:
    stream, other = pair
    time = b"2026-01-31T12:00:09.5Z "
    first, second, last = taken(stream, other, time + b"x" * (LONGEST_UNENDED * 2) + b"\n")
    assert len(first) == len(second) == LONGEST_UNENDED
    assert (first[:24], second[:24], last) == (time + b"x", time + b"x", time + b"x" * (2 * len(time)) + b"\n")
    first, last = taken(stream, other, b"x" * (LONGEST_UNENDED + 20_000) + b"\n")
    assert (len(first), last) == (LONGEST_UNENDED, b"x" * 20_000 + b"\n"), "without a time"


def test_a_burst_of_whole_lines_is_not_divided(pair: tuple[LogStream, socket.socket]) -> None:
    stream, other = pair
    line = b"2026-01-31T12:00:09Z " + b"x" * 1000 + b"\n"
    data = line * (2 * LONGEST_UNENDED // len(line))
    sender = threading.Thread(target=other.sendall, args=(data + line[:500],))
    sender.start()
    found = [b""]
    while len(b"".join(found)) < len(data):
        found.append(stream.take())
    sender.join()
    assert all(one.endswith(b"\n") for one in found if one) and b"".join(found) == data


def test_what_a_container_wrote_last_arrives_by_its_stream_and_nothing_comes_twice(tmp_path: Path) -> None:
    clock = Clock()
    session = Session(
        ProcessEnvironment({}, tmp_path, tmp_path), clock, lambda event: None, str, clock.now() + 60, Clients(clock)
    )
    row = {"Id": "1", "Names": ["/web-1"], "State": "running", "Labels": {SERVICE: "web"}}
    first, last = frame("2026-01-31T12:00:09Z first\n"), frame("2026-01-31T12:00:10Z last\n")
    answers = {"GET /containers/json": [row], "GET /containers/web-1/logs": first}
    with answering_host(tmp_path, answers) as (client, server):
        hosts = Hosts({client.engine.address.host: client.engine.address})
        log = ServiceLog("docker", "web", hosts, Owner("shop", "production", "docker"), session, SERVICE)
        lines = log.lines(LogQuery(follow=True, tail=0))
        server.answers["GET /containers/web-1/logs"] = (200, first)
        found: list[str] = []
        reader = threading.Thread(target=lambda: found.extend(line.line for line in itertools.islice(lines, 1)))
        reader.start()
        wait_until("its stream is opened", lambda: server.requests, lambda sent: "follow=true" in str(sent))
        server.answers["GET /containers/web-1/logs"] = (200, first + last)
        reader.join()
        lines.close()  # type: ignore[attr-defined]
        session.clients.close()
    assert found == ["last"], "tail 0 shows nothing of before"


def test_a_log_goes_on_when_its_engine_answers_again_and_ends_with_an_error_of_the_engine(tmp_path: Path) -> None:
    clock, events = Clock(), list[Event]()
    session = Session(
        ProcessEnvironment({}, tmp_path, tmp_path), clock, events.append, str, clock.now() + 60, Clients(clock)
    )
    answers: list[list[Instance] | RemoteError] = [
        [],
        RemoteError("lost the connection", where="GET", retryable=True),
        [Instance("1", "web-1", lambda query: b"2026-01-31T12:00:09Z first\n")],
        RemoteError("there is no disk", where="GET", status=500),
    ]

    def instances() -> list[Instance]:
        found = answers.pop(0)
        if isinstance(found, RemoteError):
            raise found
        return found

    lines = InstanceLog("docker", "web", session, instances).lines(LogQuery(follow=True))
    assert next(lines).line == "first"
    with pytest.raises(RemoteError, match="there is no disk"):
        next(lines)
    assert [(type(event), event.reason) for event in events if isinstance(event, Retried)] == [
        (Retried, "lost the connection")
    ]


def test_the_streams_of_a_host_that_is_lost_are_opened_anew_and_no_line_comes_twice_or_is_lost(tmp_path: Path) -> None:
    clock = Clock()
    session = Session(
        ProcessEnvironment({}, tmp_path, tmp_path), clock, lambda event: None, str, clock.now() + 60, Clients(clock)
    )
    (first_own, first), (second_own, second) = socket.socketpair(), socket.socketpair()
    unused, queries, is_lost = [first_own, second_own], list[Mapping[str, str]](), threading.Event()

    def follow(query: Mapping[str, str]) -> ByteStream:
        queries.append(query)
        return ByteStream(unused.pop(0), "GET /logs")

    def instances() -> Iterator[Instance | LostHost]:
        if is_lost.is_set():
            is_lost.clear()
            yield LostHost("tcp://one")
        else:
            yield Instance("tcp://one web-1", "web-1", lambda query: b"", follow)

    lines = InstanceLog("docker", "web", session, instances).lines(LogQuery(follow=True))
    first.sendall(frame("2026-01-31T12:00:09Z first\n2026-01-31T12:00:10Z sec"))
    assert next(lines).line == "first"
    # From here on the first connection is dead.
    is_lost.set()
    second.sendall(frame("2026-01-31T12:00:09Z first\n2026-01-31T12:00:10Z second\n2026-01-31T12:00:11Z third\n"))
    assert [next(lines).line, next(lines).line] == ["second", "third"]
    assert [query["since"] for query in queries] == ["0", "1769860807"]
    lines.close()  # type: ignore[attr-defined]
    first.close()
    second.close()


def test_an_engine_that_begins_no_stream_in_time_is_asked_for_one_once() -> None:
    asked = list[str]()

    def silent(query: Mapping[str, str]) -> ByteStream:
        asked.append("asked")
        raise SilentEngine("no answer in time", where="GET /logs", retryable=True)

    with LogStreams() as streams:
        assert not streams.open("one web-1", "web-1", silent, {})
        assert not streams.open("one web-1", "web-1", silent, {})
    assert asked == ["asked"] and "one web-1" not in streams, "its log is read again and again"


def test_a_stream_with_a_high_file_descriptor_is_waited_for() -> None:
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(least, 1200), most))
    own, other = socket.socketpair()
    high = socket.socket(fileno=fcntl.fcntl(own.fileno(), fcntl.F_DUPFD, 1100))
    own.close()
    with other, LogStreams() as streams:
        streams.open("one web-1", "web-1", lambda query: ByteStream(high, "GET /logs"), {})
        streams.wait(0.01, Clock())
        other.sendall(frame("2026-01-31T12:00:09Z first\n"))
        streams.wait(60, Clock())
        assert [one.data for one in streams.take()] == [b"2026-01-31T12:00:09Z first\n"]
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
