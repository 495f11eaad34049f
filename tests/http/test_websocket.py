"""WebSockets: the agreement, frames in any pieces, and servers that break the protocol."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import select
import socket
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.clock import Clock, Deadline
from shipit.errors import RemoteError
from shipit.http import websocket
from shipit.http.messages import Answer, Request
from shipit.http.sockets import PacedSocket
from shipit.http.transport import Transport
from shipit.http.upgraded import RawConnection
from shipit.http.websocket import WebSocket, open_websocket
from shipit.targets.kubernetes.channels import PROTOCOLS, V4, V5, Channels
from shipit.targets.remote import Output
from tests import runs
from tests.http.scripted import ScriptedServer, Start, Step

Script = Callable[[list[ScriptedServer]], list[Step]]
Open = Callable[[Script], WebSocket | Answer]


def frame(data: bytes, opcode: int = 2, *, is_last: bool = True) -> bytes:
    """A frame of a server, which does not mask."""
    head = bytes([(0x80 if is_last else 0) | opcode])
    if len(data) < 126:
        return head + bytes([len(data)]) + data
    return (
        head
        + (b"\x7e" + struct.pack("!H", len(data)) if len(data) < 65536 else b"\x7f" + struct.pack("!Q", len(data)))
        + data
    )


def agreeing(*after: bytes, protocol: str = V5, accept: str = "") -> Script:
    """A server that agrees to a WebSocket, sends bytes, and closes the connection when the client is silent."""

    def made(server: list[ScriptedServer]) -> list[Step]:
        def step(client: socket.socket) -> None:
            key = re.search(rb"Sec-WebSocket-Key: (\S+)", server[0].heads[-1])
            assert key is not None
            wanted = base64.b64encode(hashlib.sha1(key[1] + websocket._GUID).digest()).decode()
            lines: tuple[str, ...] = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
            lines += (f"Sec-WebSocket-Protocol: {protocol}", f"Sec-WebSocket-Accept: {accept or wanted}", "", "")
            client.sendall("\r\n".join(lines).encode() + b"".join(after))
            client.settimeout(1)
            with contextlib.suppress(TimeoutError):
                while client.recv(65536):
                    continue

        return [step]

    return made


@pytest.fixture
def open_to(serve: Start, tmp_path: Path) -> Open:
    def opened(make: Script) -> WebSocket | Answer:
        servers: list[ScriptedServer] = []
        servers.append(serve(make(servers)))
        transport = Transport(runs.environment(tmp_path))
        request = Request("GET", f"{servers[0].url}/exec", deadline=Deadline.after(Clock(), 60))
        return open_websocket(transport.answer, request, PROTOCOLS)

    return opened


def received(channels: Channels, within_s: float = 60) -> list[Output]:
    """Everything until the end."""
    found: list[Output] = []
    until = time.monotonic() + within_s
    while not channels.is_over:
        assert time.monotonic() < until, "no end"
        select.select([channels], [], [], 0 if channels.has_more else 0.1)
        found += channels.receive()
        channels.flush()
    return found


def test_frames_that_come_with_the_answer_are_not_lost(open_to: Open) -> None:
    status = b'\x03{"status": "Success"}'
    opened = open_to(agreeing(frame(b"\x01early"), frame(status), frame(b"\x03\xe8", 8)))
    assert isinstance(opened, WebSocket)
    channels = Channels(opened, "web-1")
    assert received(channels) == [Output(1, b"early")]
    assert channels.result() == 0
    channels.close()


def test_a_message_in_many_frames_and_pings_between_them(open_to: Open) -> None:
    status = b'\x03{"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "42"}]}}'
    parts = (frame(b"\x02on", is_last=False), frame(b"ping", 9), frame(b"e", 0, is_last=False), frame(b" two", 0))
    opened = open_to(agreeing(*parts, frame(status), frame(b"", 8)))
    assert isinstance(opened, WebSocket)
    channels = Channels(opened, "web-1")
    assert b"".join(output.data for output in received(channels)) == b"one two"
    assert channels.result() == 42
    channels.close()


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (
            b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff" + b"x" * 100_000,
            "a frame of the WebSocket is longer than 4194304 bytes",
        ),
        (
            b"\x82\x7f\x00\x00\x00\x00\xff\xff\xff\xff" + b"x" * 100_000,
            "a frame of the WebSocket is longer than 4194304 bytes",
        ),
        (b"\xf2\x01x", "a frame of the WebSocket is not valid"),
        (b"\x83\x01x", "a frame of the WebSocket is not valid"),
        # Masked, and a ping in parts.
        (b"\x82\x81abcdx", "a frame of the WebSocket is not valid"),
        (frame(b"ping", 9, is_last=False), "a frame of the WebSocket is not valid"),
        (frame(b"\x07data"), "the server sent data on channel 7"),
        (frame(b"data", 0), "the server sent data on channel -1"),
        (frame(b"\x03" + b"x" * 300_000), "the server sent a status of more than 262144 bytes"),
    ],
)
def test_a_server_that_breaks_the_protocol(open_to: Open, after: bytes, what: str) -> None:
    opened = open_to(agreeing(after))
    assert isinstance(opened, WebSocket)
    channels = Channels(opened, "web-1")
    with pytest.raises(RemoteError) as caught:
        received(channels)
    channels.close()
    assert caught.value.what == what


@pytest.mark.parametrize("after", [b"", frame(b"\x01half")[:-2], frame(b"\x01whole")])
def test_a_connection_that_ends_early_is_an_error(open_to: Open, after: bytes) -> None:
    opened = open_to(agreeing(after))
    assert isinstance(opened, WebSocket)
    channels = Channels(opened, "web-1")
    received(channels)
    with pytest.raises(RemoteError, match="the connection ended before the command"):
        channels.result()
    channels.close()


@pytest.mark.parametrize("status", [b"{", b"[]", b'"Success"', b'{"status": 1}', b"\xff"])
def test_a_status_that_is_none(open_to: Open, status: bytes) -> None:
    opened = open_to(agreeing(frame(b"\x03" + status), frame(b"", 8)))
    assert isinstance(opened, WebSocket)
    channels = Channels(opened, "web-1")
    received(channels)
    with pytest.raises(RemoteError):
        channels.result()
    channels.close()


@pytest.mark.parametrize("more", [{"protocol": "other"}, {"accept": "d3Jvbmc="}])
def test_an_answer_that_is_no_agreement(open_to: Open, more: dict[str, str]) -> None:
    with pytest.raises(RemoteError, match="the answer should open a WebSocket"):
        open_to(agreeing(**more))


def test_another_answer_is_given_as_it_is(serve: Start, tmp_path: Path) -> None:
    server = serve([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"])
    transport = Transport(runs.environment(tmp_path))
    answer = open_websocket(transport.answer, Request("GET", f"{server.url}/exec"), PROTOCOLS)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.content) == (403, b"no")
    transport.close()


def pair() -> tuple[WebSocket, socket.socket]:
    """A WebSocket, and the other side of its connection."""
    left, right = socket.socketpair()
    ours = PacedSocket(fileno=left.detach())
    return WebSocket(RawConnection(ours), V5, "GET exec"), right


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=8), st.integers(1, 300))
def test_any_pieces_of_frames_are_the_same_messages(messages: list[bytes], size: int) -> None:
    opened, other = pair()
    data = b"".join(frame(message) for message in messages) + frame(b"", 8)
    found: list[bytes] = []
    for start in range(0, len(data), size):
        other.sendall(data[start : start + size])
        found += [piece for piece, _ in opened.receive()]
    while opened.has_more:
        found += [piece for piece, _ in opened.receive()]
    assert found == messages
    assert opened.is_over
    opened.close()
    other.close()


def test_what_the_other_side_does_not_take_is_kept_and_bounded_by_is_full() -> None:
    opened, other = pair()
    data = os.urandom(600_000)
    for start in range(0, len(data), 30_000):
        opened.send(data[start : start + 30_000])
        opened.flush()
    assert opened.has_unsent and opened.is_full
    taken = bytearray()
    other.setblocking(False)
    while opened.has_unsent:
        opened.flush()
        try:
            taken += other.recv(1 << 20)
        except BlockingIOError:
            continue
    assert len(taken) >= len(data)
    opened.close()
    other.close()


def test_a_flood_of_pings_needs_no_memory() -> None:
    opened, other = pair()
    other.settimeout(5)
    flood = frame(b"x" * 125, 9) * 400
    tracemalloc.start()
    for _ in range(30):
        other.sendall(flood)
        list(opened.receive())
        while opened.has_more:
            list(opened.receive())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000
    opened.close()
    other.close()


def test_a_silent_server_is_tried_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, other = pair()
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    now[0] += websocket.PING_S + 1
    opened.keep_alive()
    opened.flush()
    assert other.recv(100)[:1] == b"\x89"
    now[0] += websocket.SILENCE_S + 1
    opened.keep_alive()
    with pytest.raises(RemoteError, match="the connection was lost: no answer for 60 s"):
        list(opened.receive())
    opened.close()
    other.close()


@pytest.mark.parametrize("asks_first", [False, True])
def test_a_process_that_was_stopped_for_minutes_goes_on(monkeypatch: pytest.MonkeyPatch, asks_first: bool) -> None:
    """Its output was not taken, as by a pager, or it was suspended: what has arrived meanwhile is received."""
    opened, other = pair()
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    if asks_first:
        now[0] += websocket.PING_S + 1
        opened.keep_alive()
        opened.flush()
    other.sendall(frame(b"late"))
    now[0] += 10 * websocket.SILENCE_S
    opened.keep_alive()
    opened.flush()
    assert [data for data, _ in opened.receive()] == [b"late"]
    now[0] += websocket.PING_S + 1
    opened.keep_alive()
    assert list(opened.receive()) == [], "the server has time to answer the ping"
    opened.close()
    other.close()


def test_a_server_whose_program_takes_no_input_for_minutes_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a database that restores a dump: the ping is behind the input."""
    opened, other = pair()
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    opened.send(b"x" * 40_000)
    for _ in range(20):
        now[0] += websocket.PING_S + 1
        opened.keep_alive()
        opened.flush()
        assert list(opened.receive()) == []
    # It has read everything, and is silent from then on.
    other.sendall(frame(b"40000", 10))
    assert list(opened.receive()) == []
    now[0] += websocket.PING_S + 1
    opened.keep_alive()
    now[0] += websocket.SILENCE_S + 1
    with pytest.raises(RemoteError, match="no answer for 60 s"):
        list(opened.receive())
    opened.close()
    other.close()


@pytest.mark.parametrize("payload", [b"", b"x", b"9" * 120, b"9" * 5000])
def test_a_pong_that_nobody_asked_for_is_ignored(payload: bytes) -> None:
    opened, other = pair()
    other.sendall(frame(payload, 10) + frame(b"data"))
    assert [data for data, _ in opened.receive()] == [b"data"]
    opened.close()
    other.close()


def test_a_frame_that_arrives_slowly_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, other = pair()
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    whole, found = frame(b"x" * 20), []
    for byte in whole:
        other.sendall(bytes([byte]))
        now[0] += websocket.SILENCE_S / 2
        opened.keep_alive()
        opened.flush()
        found += [data for data, _ in opened.receive()]
    assert found == [b"x" * 20]
    opened.close()
    other.close()


def test_a_command_has_ended_with_its_status_whether_or_not_the_server_closes() -> None:
    opened, other = pair()
    channels = Channels(opened, "web-1")
    other.sendall(frame(b"\x01last") + frame(b'\x03{"status": "Success"}'))
    assert list(channels.receive()) == [Output(1, b"last")]
    assert channels.is_over and channels.result() == 0
    channels.close()
    other.close()


def test_the_rest_of_a_status_is_waited_for_and_then_left(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, other = pair()
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    channels = Channels(opened, "web-1")
    other.sendall(frame(b'\x03{"status": '))
    assert list(channels.receive()) == []
    assert not channels.is_over
    now[0] += 3
    assert channels.is_over
    with pytest.raises(RemoteError, match="a status that is not JSON"):
        channels.result()
    channels.close()
    other.close()


def test_the_end_of_the_input_needs_the_fifth_version() -> None:
    opened, other = pair()
    opened.protocol = V4
    with pytest.raises(RemoteError, match=r"needs Kubernetes 1\.30"):
        Channels(opened, "web-1").end_input()
    opened.close()
    other.close()
