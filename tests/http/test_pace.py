"""Servers that never come to an end: every request ends by its deadline, its bound on silence, or its least rate."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from shipit.clock import Clock, Deadline
from shipit.errors import DeadlinePassed, Interrupted, RemoteError, ShipitError
from shipit.http.messages import LARGEST_WHOLE
from shipit.http.pace import LARGEST_HEAD, Pace
from shipit.http.transport import Transport
from shipit.registry.body import FilePart
from tests.http.scripted import ScriptedServer, Start, answer, deaf
from tests.runs import environment
from tests.servers.certificates import Authority, server_context
from tests.waits import SOON_S

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
Step = Callable[[socket.socket], None]


def dripping(start: bytes, drop: bytes = b"x", every_s: float = 0.05) -> Step:
    """Sends `start`, then `drop` again and again."""

    def drip(client: socket.socket) -> None:
        client.sendall(start)
        with contextlib.suppress(OSError):
            while True:
                client.sendall(drop)
                if every_s:
                    time.sleep(every_s)

    return drip


def silent(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        client.recv(1)


def stopping(client: socket.socket) -> None:
    client.sendall(OK + b"Content-Length: 9\r\n\r\nx")
    silent(client)


# What a slow or silent server does -> the error.
SLOW = {
    "no answer": (silent, "no answer in time"),
    "a status line in drops": (dripping(b""), "no answer in time"),
    "a header in drops": (dripping(OK + b"X: "), "no answer in time"),
    "headers in drops": (dripping(OK, b"X: y\r\n"), "no answer in time"),
    "continue in drops": (dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "no answer in time"),
    "early hints in drops": (dripping(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), "no answer in time"),
    "a body that stops": (stopping, "no answer in time"),
    "a body in drops": (dripping(OK + b"Content-Length: 900000\r\n\r\n"), "slower than 1024 bytes a second"),
    "a body in drops without length": (dripping(OK + b"\r\n"), "slower than 1024 bytes a second"),
    "an error in drops": (dripping(b"HTTP/1.1 500 No\r\n\r\n"), "slower than 1024 bytes a second"),
    "chunks in drops": (dripping(CHUNKED, b"1\r\nx\r\n"), "slower than 1024 bytes a second"),
    "a chunk's size in drops": (dripping(CHUNKED, b"0"), "slower than 1024 bytes a second"),
    "a chunk's extension in drops": (dripping(CHUNKED + b"1;"), "slower than 1024 bytes a second"),
    "trailers in drops": (dripping(CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n"), "slower than 1024 bytes a second"),
}

# What a server does that sends without end -> the error.
ENDLESS = {
    "continue without end": (dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0), "too many headers, or too much chunk framing"),
    "early hints without end": (dripping(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000, 0), "too many headers, or too much chunk framing"),
    "headers without end": (dripping(OK, b"X: y\r\n" * 1000, 0), "too many headers"),
    "a header without end": (dripping(OK + b"X: ", b"y" * 65536, 0), "a line that is too long"),
    "trailers without end": (dripping(CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n" * 1000, 0), "too many headers, or too much chunk framing"),
    "extensions without end": (
        dripping(CHUNKED, b"1;" + b"x" * 60000 + b"\r\nx\r\n", 0),
        "too many headers, or too much chunk framing",
    ),
    "a body without end": (dripping(OK + b"\r\n", b"x" * 65536, 0), "longer than 8 MiB"),
    "an error without end": (dripping(b"HTTP/1.1 404 No\r\n\r\n", b"x" * 65536, 0), "longer than 8 MiB"),
    "chunks without end": (dripping(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n", 0), "longer than 8 MiB"),
    "gzip that unpacks to more": (
        lambda client: client.sendall(answer(gzip.compress(bytes(30 * 1024**2)), "200 OK", "Content-Encoding: gzip")),
        "longer than 8 MiB",
    ),
}  # fmt: skip


WAYS = ["direct", "proxied"]
# Longer than a loaded machine takes to start a server and to answer.
SILENCE = "5s"


class Exchange(NamedTuple):
    """A request to a server of SLOW: its error, and how long it took."""

    error: RemoteError
    elapsed_s: float


@pytest.fixture(scope="module")
def exchanges(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Exchange]:
    """A request to each of SLOW, directly and through it as a proxy. All wait at the same time."""
    folder = tmp_path_factory.mktemp("exchanges")
    asked_for = [(name, way) for name in SLOW for way in WAYS]
    with ThreadPoolExecutor(len(asked_for)) as pool:
        return dict(zip(asked_for, pool.map(lambda one: exchange(folder, *one), asked_for), strict=True))


def exchange(folder: Path, name: str, way: str) -> Exchange:
    server = ScriptedServer([SLOW[name][0]])
    began = time.monotonic()
    try:
        with pytest.raises(RemoteError) as caught:
            asked(folder, server.url, way, SHIPIT_HTTP_TIMEOUT=SILENCE).send("GET", url_of(server.url, way))
        return Exchange(caught.value, time.monotonic() - began)
    finally:
        server.stop()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SLOW)
def test_a_slow_or_silent_answer_is_an_error(exchanges: dict[tuple[str, str], Exchange], name: str, way: str) -> None:
    error, elapsed_s = exchanges[name, way]
    assert re.search(SLOW[name][1], str(error))
    assert elapsed_s < SOON_S
    assert error.where.startswith("GET ")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_answer_is_an_error(serve: Start, tmp_path: Path, name: str, way: str) -> None:
    script, said = ENDLESS[name]
    server = serve([script])
    began = time.monotonic()
    with pytest.raises(RemoteError, match=said) as caught:
        asked(tmp_path, server.url, way).send("GET", url_of(server.url, way))
    assert time.monotonic() - began < 60
    assert caught.value.where.startswith("GET ")


@pytest.mark.parametrize("way", ["direct", "proxied"])
@pytest.mark.parametrize("name", ["no answer", "headers in drops", "a body in drops", "chunks in drops"])
@pytest.mark.parametrize("least_rate", [0, 1])
def test_a_deadline_ends_an_exchange_that_makes_progress(
    serve: Start, tmp_path: Path, name: str, way: str, least_rate: int
) -> None:
    server = serve([SLOW[name][0]])
    deadline, began = Deadline.after(Clock(), 0.3), time.monotonic()
    with pytest.raises(DeadlinePassed, match=r"the deadline passed while waiting for .*: GET "):
        asked(tmp_path, server.url, way).send("GET", url_of(server.url, way), deadline=deadline, least_rate=least_rate)
    assert 0.25 < time.monotonic() - began < SOON_S


@pytest.mark.parametrize("way", ["direct", "proxied"])
@pytest.mark.parametrize("name", ["no answer", "headers in drops", "a body in drops"])
def test_a_cancelled_run_stops_waiting(serve: Start, tmp_path: Path, name: str, way: str) -> None:
    server, clock = serve([SLOW[name][0]]), Clock()
    transport = asked(tmp_path, server.url, way, deadline=Deadline(clock))
    threading.Timer(0.3, clock.cancel.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        transport.send("GET", url_of(server.url, way))
    assert time.monotonic() - began < SOON_S


@pytest.mark.parametrize("way", ["direct", "proxied"])
def test_an_upload_that_the_server_does_not_read_fails(serve: Start, tmp_path: Path, way: str) -> None:
    server = serve([deaf], reads_body=False)
    with (tmp_path / "blob").open("w+b") as file:
        file.truncate(200 * 1024**2)
        body = FilePart(file, 200 * 1024**2, lambda amount: None, Clock())
        with pytest.raises(RemoteError) as caught:
            asked(tmp_path, server.url, way, SHIPIT_HTTP_TIMEOUT="1s").send(
                "PUT", url_of(server.url, way), body=body, headers={"Content-Length": str(len(body))}
            )
    assert caught.value.retryable and caught.value.where.startswith("PUT ")


def test_an_upload_that_the_server_reads_slowly_fails() -> None:
    pace = Pace("PUT host/x", Deadline(Clock()), 0.3, least_rate=1000)
    pace.sending()

    def drop(seconds: float) -> int:
        time.sleep(0.01)
        return 5

    with pytest.raises(RemoteError, match="slower than 1000 bytes a second: gave up waiting for its body to be taken"):
        while True:
            pace.wait(drop)


def test_a_stream_returns_data_as_it_arrives(serve: Start, tmp_path: Path) -> None:
    go_on = threading.Event()

    def lines(client: socket.socket) -> None:
        client.sendall(CHUNKED + b"4\r\none\n\r\n")
        go_on.wait(60)
        client.sendall(b"4\r\ntwo\n\r\n0\r\n\r\n")

    server = serve([lines])
    with Transport(environment(tmp_path)).send("GET", server.url, stream=True, least_rate=0) as found:
        pieces = found.pieces()
        assert next(pieces) == b"one\n"
        go_on.set()
        assert list(pieces) == [b"two\n"]


@pytest.mark.slow
def test_a_slow_reader_is_not_counted_as_a_slow_server(serve: Start, tmp_path: Path) -> None:
    server = serve([answer(b"x" * 1500)])
    transport = Transport(environment(tmp_path, SHIPIT_HTTP_TIMEOUT=SILENCE))
    with transport.send("GET", server.url, stream=True) as found:
        pieces = found.pieces(1000)
        sizes = [len(next(pieces))]
        time.sleep(5.2)
        sizes += [len(piece) for piece in pieces]
    assert sum(sizes) == 1500 and len(sizes) > 1


def test_a_stream_longer_than_its_limit_is_an_error(serve: Start, tmp_path: Path) -> None:
    server = serve([answer(b"x" * 5000)])
    with (
        Transport(environment(tmp_path)).send("GET", server.url, stream=True) as found,
        pytest.raises(RemoteError, match="longer than 4000 bytes"),
    ):
        list(found.pieces(1000, most_bytes=4000))


def test_gzip_is_decompressed_in_small_pieces(serve: Start, tmp_path: Path) -> None:
    packed = gzip.compress(bytes(5_000_000))
    server = serve([answer(packed, "200 OK", "Content-Encoding: gzip")])
    with Transport(environment(tmp_path)).send("GET", server.url, stream=True) as found:
        sizes = [len(piece) for piece in found.pieces(1000)]
    assert sum(sizes) == 5_000_000 and max(sizes) <= 1000


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 5000, "[" * 500 + "]" * 500, "NaN", '{"a": Infinity}', "9" * 5000]
)
def test_hostile_json_is_a_value_error(serve: Start, tmp_path: Path, text: str) -> None:
    server = serve([answer(text.encode())])
    with pytest.raises(ValueError):
        Transport(environment(tmp_path)).send("GET", server.url).json()


@pytest.fixture
def full() -> Iterator[int]:
    """A port that takes no more connections, and refuses none."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_connection_that_is_not_accepted_fails(tmp_path: Path, full: int) -> None:
    transport = Transport(environment(tmp_path, SHIPIT_HTTP_TIMEOUT="1s"))
    with pytest.raises(RemoteError, match="no answer in time"):
        transport.send("GET", f"http://127.0.0.1:{full}/")
    with pytest.raises(DeadlinePassed, match=r"while waiting for the connection: GET 127.0.0.1"):
        Transport(environment(tmp_path)).send("GET", f"http://127.0.0.1:{full}/", deadline=Deadline.after(Clock(), 0.3))


HANDSHAKES = {"silent": silent, "in drops": dripping(b"\x16\x03\x03\x3f\xff", b"\x02")}


@pytest.mark.parametrize("name", HANDSHAKES)
def test_a_tls_handshake_that_does_not_end_fails(tmp_path: Path, name: str, serve: Start) -> None:
    server = serve([HANDSHAKES[name]])
    with pytest.raises(RemoteError) as caught:
        Transport(environment(tmp_path, SHIPIT_HTTP_TIMEOUT="1s")).send("GET", server.url.replace("http:", "https:"))
    assert caught.value.retryable


@pytest.mark.slow
def test_the_minimum_rate_holds_with_tls(serve: Start, tmp_path: Path) -> None:
    Authority(tmp_path / "pki").issue("server", "server", names=("127.0.0.1",))
    context = server_context(tmp_path / "pki")
    server = serve([SLOW["a body in drops"][0]], [answer(b"x" * 3_000_000)], context=context)
    process_environment = environment(tmp_path, SHIPIT_HTTP_TIMEOUT=SILENCE, SSL_CERT_FILE=str(tmp_path / "pki/ca.crt"))
    with pytest.raises(RemoteError, match="slower than 1024 bytes a second"):
        Transport(process_environment).send("GET", server.url)
    assert len(Transport(process_environment).send("GET", server.url).content) == 3_000_000


def test_bounds_are_what_they_say() -> None:
    assert (LARGEST_HEAD, LARGEST_WHOLE) == (1024**2, 8 * 1024**2)
    assert issubclass(DeadlinePassed, ShipitError) and not issubclass(DeadlinePassed, RemoteError)


def asked(folder: Path, server: str, way: str, deadline: Deadline | None = None, **variables: str) -> Transport:
    return Transport(environment(folder, **variables, **({"HTTP_PROXY": server} if way == "proxied" else {})), deadline)


def url_of(server: str, way: str) -> str:
    return f"{server}/x" if way == "direct" else "http://registry.example/x"
