"""Requests whose connection becomes a stream: what an engine may answer, and the bytes in both directions."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from shipit.docker.dial import ByteStream, dial, dial_plain
from shipit.docker.upgrade import SilentEngine, upgrade
from shipit.errors import RemoteError
from shipit.http.tls import Tls
from tests.servers.certificates import Authority, server_context
from tests.waits import wait_until

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


class Peer:
    """The engine's end of a connection, which gives one answer to one request."""

    def __init__(self, answer: bytes, *, closes: bool = False) -> None:
        self.own, self.other = socket.socketpair()
        self.own.settimeout(30)
        self.other.settimeout(30)
        self.request = b""
        self._thread = threading.Thread(target=self._serve, args=(answer, closes))
        self._thread.start()

    def _serve(self, answer: bytes, closes: bool) -> None:
        while b"\r\n\r\n" not in self.request:
            self.request += self.other.recv(4096)
        try:
            self.other.sendall(answer)
        except OSError:
            return
        if closes:
            self.other.close()

    def open(self) -> ByteStream:
        return upgrade(self.own, "/v1.41/containers/a b/attach", {"stream": "1"}, None, "POST /attach")

    def close(self) -> None:
        self.own.close()
        self._thread.join()
        self.other.close()


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    made: list[Peer] = []

    def make(answer: bytes, *, closes: bool = False) -> Peer:
        made.append(Peer(answer, closes=closes))
        return made[-1]

    yield make
    for one in made:
        one.close()


def received(stream: ByteStream, wanted: int) -> bytes:
    found = bytearray()

    def more() -> int:
        for data in stream.receive():
            found.extend(data)
        return len(found)

    wait_until("the bytes have arrived", more, lambda count: count >= wanted or stream.is_over)
    return bytes(found)


def test_a_stream_passes_bytes_on_in_both_directions_and_ends_them(peer: Callable[..., Peer]) -> None:
    end = peer(UPGRADED + b"early")
    stream = end.open()
    assert end.request.startswith(b"POST /v1.41/containers/a%20b/attach?stream=1 HTTP/1.1\r\n")
    assert stream.has_more and received(stream, 5) == b"early"
    stream.give(b"input")
    assert stream.has_unsent
    stream.end_input()
    assert not stream.has_unsent and not stream.is_full
    got = bytearray()
    while data := end.other.recv(4096):
        got += data
    assert bytes(got) == b"input"
    end.other.sendall(b"output")
    end.other.shutdown(socket.SHUT_WR)
    assert received(stream, 7) == b"output"
    assert stream.is_over
    stream.close()


def test_what_is_not_read_fills_the_stream(peer: Callable[..., Peer]) -> None:
    stream = peer(UPGRADED).open()
    for _ in range(200):
        stream.give(bytes(64 * 1024))
        stream.flush()
    assert stream.is_full and stream.has_unsent


@pytest.mark.parametrize(
    ("answer", "what", "status"),
    [
        (b'HTTP/1.1 404 Not Found\r\nContent-Length: 26\r\n\r\n{"message":"No such thing"}', "No such thing", 404),
        (b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nabc", "status 500", 500),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the engine's answer is not HTTP", None),
        (b"HTTP/1.1 101 UPGRADED\r\n", "no whole answer", None),
        (b"HTTP/1.1 101 UPGRADED\r\n" + b"x: y\r\n" * 40_000, "no whole answer", None),
        (b"HTTP/1.1 409 Conflict\r\nContent-Length: 999999999\r\n\r\n", "status 409", 409),
    ],
)
def test_other_answers_are_errors(peer: Callable[..., Peer], answer: bytes, what: str, status: int | None) -> None:
    answer = answer.replace(b"26\r\n", b"27\r\n")
    with pytest.raises(RemoteError, match=what) as raised:
        peer(answer, closes=True).open()
    assert raised.value.status == status or status is None


def test_nothing_to_connect_to(tmp_path: object) -> None:
    with pytest.raises(OSError):
        dial(f"unix://{tmp_path}/none", None, 5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        connected = dial(address, None, 30)
        assert isinstance(connected, socket.socket)
        assert connected.getpeername()[1] == listener.getsockname()[1]
        connected.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_end_of_the_input_goes_over_tls_and_the_output_comes_back(tmp_path: Path, version: ssl.TLSVersion) -> None:
    authority = Authority(tmp_path / "pki")
    authority.issue("server", "engine", names=("127.0.0.1",))
    context = server_context(authority.folder)
    context.minimum_version = context.maximum_version = version
    got = bytearray()

    def serve() -> None:
        connection, _ = listener.accept()
        connection.settimeout(60)
        with context.wrap_socket(connection, server_side=True) as own:
            head = b""
            while b"\r\n\r\n" not in head:
                head += own.recv(4096)
            own.sendall(UPGRADED + b"early")
            while data := own.recv(65536):
                got.extend(data)
            own.sendall(bytes(got)[::-1])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        tls = Tls(ca_file=str(authority.folder / "ca.crt"))
        stream = upgrade(dial(address, tls, 60), "/exec/1/start", {}, None, "POST /exec")
        given = bytes(range(256)) * 4000
        stream.give(given)
        stream.end_input()
        found = bytearray()

        def relayed() -> bool:
            stream.flush()
            found.extend(b"".join(stream.receive()))
            return stream.is_over

        wait_until("the output has ended", relayed, bool)
        assert bytes(got) == given and bytes(found) == b"early" + given[::-1]
        stream.close()
        thread.join()


def test_a_certificate_that_is_not_trusted_is_an_error(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    authority.issue("server", "engine", names=("127.0.0.1",))
    context = server_context(authority.folder)

    def serve() -> None:
        connection, _ = listener.accept()
        connection.settimeout(60)
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as own:
            own.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(OSError, match="certificate"):
            dial(f"tcp://127.0.0.1:{listener.getsockname()[1]}", Tls(), 60)
        thread.join()


def test_a_client_key_with_a_password_is_an_error_without_a_question(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    authority.issue("client", "me", names=("me",))
    file = authority.folder / "client.key"
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    tls = Tls(str(authority.folder / "ca.crt"), str(authority.folder / "client.crt"), str(file))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(OSError, match="is not a certificate with its key"):
            dial(address, tls, 30)


def test_a_tcp_connection_is_probed_while_nothing_is_sent() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        dial_plain(f"tcp://127.0.0.1:{listener.getsockname()[1]}", 30) as connected,
    ):
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"
        assert connected.getsockopt(socket.IPPROTO_TCP, getattr(socket, idle)) == 30
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 30


def test_an_engine_that_begins_no_answer_is_silent() -> None:
    own, other = socket.socketpair()
    own.settimeout(0.05)
    with other, pytest.raises(SilentEngine, match="no answer in time") as raised:
        upgrade(own, "/exec/1/start", {}, None, "POST /exec")
    assert raised.value.retryable
