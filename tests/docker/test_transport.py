"""Requests to an engine over real connections: bodies of every kind, answers that end early, TLS, and a full queue."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from shipit.docker.answer import whole_answer
from shipit.docker.transport import EngineRequest, Transport
from shipit.errors import BuildError
from shipit.http.tls import Tls
from tests.servers.certificates import Authority, server_context

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONG = b"x" * 60000


class Peer:
    """Takes connections one after the other, reads a request until `end` is in it, and gives one answer to each."""

    def __init__(self, listener: socket.socket, answer: bytes, end: bytes = b"\r\n\r\n", context: Any = None) -> None:
        self.requests: list[bytes] = []
        self._listener, self._answer, self._end, self._context = listener, answer, end, context
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        self._listener.settimeout(30)
        while not self._is_over.is_set():
            connection, _ = self._listener.accept()
            with connection:
                if self._is_over.is_set():
                    return
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                self.take(connection)
                connection.close()

    def take(self, connection: socket.socket) -> None:
        data = b""
        while self._end not in data and (piece := connection.recv(65536)):
            data += piece
        self.requests.append(data)
        with contextlib.suppress(OSError):
            connection.sendall(self._answer)

    def close(self) -> None:
        self._is_over.set()
        with socket.socket(self._listener.family) as last:
            last.settimeout(30)
            last.connect(self._listener.getsockname())
        self._thread.join()
        self._listener.close()


Make = Callable[..., tuple[Peer, Transport]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[tuple[Peer, Transport]] = []

    def on_a_socket(
        answer: bytes, end: bytes = b"\r\n\r\n", peer: type[Peer] = Peer, idle_s: float = 60.0
    ) -> tuple[Peer, Transport]:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{tmp_path}/s{len(made)}")
        listener.listen()
        transport = Transport(f"unix://{tmp_path}/s{len(made)}", None, "the engine", idle_s)
        made.append((peer(listener, answer, end), transport))
        return made[-1]

    yield on_a_socket
    for peer, transport in made:
        transport.close()
        peer.close()


def answered(transport: Transport, request: EngineRequest) -> tuple[int, bytes]:
    with transport.send(request) as answer:
        return answer.status_code, b"".join(answer.iter_content(65536))


@pytest.mark.parametrize(
    ("body", "end", "said"),
    [
        ({"json": {"a": "é"}}, b"}", b'Content-Type: application/json\r\n\r\n{"a": "\\u00e9"}'),
        ({"data": b"bytes"}, b"bytes", b"Content-Length: 5\r\n\r\nbytes"),
        ({"data": BytesIO(b"a file")}, b"a file", b"Content-Length: 6\r\n\r\na file"),
        ({"data": iter([b"one", b"", b"two"])}, b"0\r\n\r\n", b"chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
        ({}, b"\r\n\r\n", b"POST /v1.41/a%20b:c?x=1+2 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=["json", "bytes", "file", "iterator", "none"],
)  # fmt: skip
def test_a_body_is_sent_with_its_length_or_in_chunks(make: Make, body: dict[str, Any], end: bytes, said: bytes) -> None:
    peer, transport = make(OK, end)
    params = {"x": "1 2", "none": None}
    assert answered(transport, EngineRequest("POST", "/v1.41/a b:c", 30.0, params, **body)) == (200, b"ok")
    assert said in peer.requests[0], peer.requests


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "Remote end closed connection"),
        (b"SSH-2.0-OpenSSH\r\n", "SSH-2.0"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "its answer ended early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "its answer ended early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc", "its answer ended early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc", "its answer ended early"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "more than 100 headers"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: %s\r\n\r\n" % LONG * 20, "more than 1048576 bytes of headers"),
        (b"HTTP/1.1 100 Continue\r\nLink: %s\r\n\r\n" % LONG * 20, "more than 1048576 bytes of headers"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 200 + b"\r\n", "100 headers"),
    ],
    ids=[f"answer {number}" for number in range(10)],
)
def test_an_answer_that_ends_early_or_is_none_is_an_error(make: Make, answer: bytes, said: str) -> None:
    _, transport = make(answer)
    with pytest.raises(BuildError, match=f"lost the connection to the engine: .*{said}") as caught:
        answered(transport, EngineRequest("GET", "/info", 30.0))
    assert caught.value.where == "the engine" and caught.value.retryable


def test_interim_responses_and_trailers_are_skipped(make: Make) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 19
    _, transport = make(
        interim + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nDigest: a\r\n\r\n"
    )
    assert answered(transport, EngineRequest("GET", "/info", 30.0)) == (200, b"ok")


class Drips(Peer):
    """Sends its answer a byte at a time, each of them soon enough for a read, until the client hangs up."""

    def take(self, connection: socket.socket) -> None:
        connection.settimeout(0.02)
        # A client that hangs up with bytes unread resets the connection.
        with contextlib.suppress(ConnectionError):
            for octet in self._answer:
                connection.sendall(bytes([octet]))
                with contextlib.suppress(TimeoutError):
                    while connection.recv(65536):
                        pass
                    return


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 " + LONG,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 999,
        b"HTTP/1.1 200 OK\r\nA: " + LONG,
    ],
    ids=["status", "interim", "header"],
)
def test_the_whole_head_of_an_answer_has_a_time_limit(make: Make, answer: bytes) -> None:
    _, transport = make(answer, peer=Drips)
    with pytest.raises(BuildError, match="the headers of its answer took longer than"):
        transport.send(EngineRequest("GET", "/info", 0.3))


def test_what_an_engine_answers_before_it_has_read_the_whole_body_is_read(make: Make) -> None:
    refused = b"HTTP/1.1 500 Error\r\nContent-Length: 8\r\nConnection: close\r\n\r\nno space"
    _, transport = make(refused)
    pieces = (b"x" * 65536 for _ in range(256))
    # A connection that is closed with bytes unread may lose the answer, too.
    try:
        assert answered(transport, EngineRequest("POST", "/images/load", 30.0, data=pieces)) == (500, b"no space")
    except BuildError as error:
        assert "lost the connection to the engine" in error.what


def test_an_error_while_the_body_is_made_is_passed_on(make: Make) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise KeyError("mine")

    _, transport = make(OK, b"never")
    with pytest.raises(KeyError, match="mine"):
        transport.send(EngineRequest("POST", "/images/load", 30.0, data=broken()))


@pytest.mark.parametrize(
    "error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.EIO, "Input/output error")]
)
@pytest.mark.parametrize("is_file", [True, False])
def test_a_body_that_can_not_be_read_is_no_error_of_the_engine(make: Make, error: OSError, is_file: bool) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise error
            return super().read(1)

    def broken() -> Iterator[bytes]:
        yield b"x"
        raise error

    _, transport = make(OK, b"never")
    with pytest.raises(BuildError, match="can't read what the engine should get: ") as caught:
        transport.send(EngineRequest("POST", "/images/load", 30.0, data=Broken(b"xyz") if is_file else broken()))
    assert not caught.value.retryable and "lost the connection" not in caught.value.what


def test_an_answer_that_is_no_stream_has_a_time_limit_from_its_first_byte_on(make: Make) -> None:
    _, transport = make(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + LONG, peer=Drips)
    with (
        transport.send(EngineRequest("GET", "/info", 30.0)) as answer,
        pytest.raises(BuildError, match=r"the engine's answer is not over 0.3 s after it began"),
    ):
        whole_answer(answer, 60000, 0.3)


@pytest.mark.parametrize("head", [b"", b"Connection: close\r\n"])
def test_the_limit_of_reads_is_that_of_the_answer_only(make: Make, head: bytes) -> None:
    _, transport = make(b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 2\r\n\r\nok")
    with transport.send(EngineRequest("GET", "/info", 30.0)) as answer:
        sock, _ = answer.take_stream()
        answer.limit_reads(20.0)
        assert sock.gettimeout() == 20.0
        # Whether the last bytes or what follows them is the end depends on the version of Python.
        assert b"".join(answer.iter_content(9)) == b"ok"
        answer.limit_reads(10.0)
        assert sock.gettimeout() == 20.0


class HangsUp(Peer):
    """Answers the first request, and hangs up after the second one without an answer, as an engine that ends at that moment."""

    def take(self, connection: socket.socket) -> None:
        super().take(connection)
        if len(self.requests) == 1:
            self.requests.append(connection.recv(65536))


@pytest.mark.parametrize(
    ("method", "idle_s", "sent"), [("GET", 60.0, 3), ("HEAD", 60.0, 3), ("POST", 60.0, 2), ("POST", 0.0, 2)]
)
def test_a_kept_connection_that_is_lost_costs_what_only_reads_nothing(
    make: Make, method: str, idle_s: float, sent: int
) -> None:
    peer, transport = make(OK, peer=HangsUp, idle_s=idle_s)
    request = EngineRequest(method, "/info", 30.0)
    assert answered(transport, EngineRequest("GET", "/info", 30.0)) == (200, b"ok")
    if method == "POST" and idle_s:
        with pytest.raises(BuildError, match="Remote end closed connection without response"):
            transport.send(request)
    else:
        assert answered(transport, request) == (200, b"" if method == "HEAD" else b"ok")
    assert [data[:4] for data in peer.requests if data] == [b"GET ", *[f"{method} "[:4].encode()] * (sent - 1)]


@pytest.mark.parametrize("scheme", ["tcp", "https"])
def test_tls_checks_the_certificate_of_the_engine(tmp_path: Path, scheme: str) -> None:
    authority = Authority(tmp_path / "pki")
    authority.issue("server", "engine", names=("127.0.0.1",))
    listener = socket.create_server(("127.0.0.1", 0))
    peer = Peer(listener, OK, context=server_context(authority.folder))
    url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    transport = Transport(url, Tls(ca_file=str(authority.folder / "ca.crt")), "the engine")
    try:
        assert answered(transport, EngineRequest("GET", "/info", 30.0)) == (200, b"ok")
        assert b"Host: 127.0.0.1:" in peer.requests[0]
    finally:
        transport.close()
        peer.close()


def test_a_full_queue_of_the_socket_is_waited_for(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{tmp_path}/s")
    listener.listen(0)
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(f"{tmp_path}/s")
    transport = Transport(f"unix://{tmp_path}/s", None, "the engine")
    found: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: found.append(answered(transport, EngineRequest("GET", "/info", 30.0))))
    thread.start()
    waiting.close()
    peer = Peer(listener, OK)
    thread.join(30)
    transport.close()
    peer.close()
    assert found == [(200, b"ok")]
