"""A blob that breaks off on its way is read on, where the registry gives parts and where it does not."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from shipit.clock import Deadline
from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.http.transport import Transport
from shipit.registry.client import RegistryClient
from shipit.registry.wire import RegistryWire
from tests.http.scripted import ScriptedServer, Start, answer
from tests.runs import FakeClock, environment

DATA = bytes(range(250)) * 20_000
DIGEST = Digest.of(DATA)


def client_of(folder: Path, server: ScriptedServer) -> RegistryClient:
    transport = Transport(environment(folder), Deadline(FakeClock()))
    return RegistryClient(RegistryWire(f"127.0.0.1:{server.port}", transport, lambda event: None, None))


def cut(data: bytes, whole: int, status: str = "200 OK", *headers: str) -> Callable[[socket.socket], None]:
    """Announces `whole` bytes, gives some, and hangs up."""

    def give(client: socket.socket) -> None:
        head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {whole}", *headers])
        client.sendall(head.encode() + b"\r\n\r\n" + data)
        client.close()

    return give


def test_a_download_is_resumed_where_it_broke(serve: Start, tmp_path: Path) -> None:
    rest = answer(DATA[2_000_000:], "206 Partial Content", f"Content-Range: bytes 2000000-{len(DATA) - 1}/{len(DATA)}")
    server = serve([answer(), cut(DATA[:2_000_000], len(DATA))], [rest])
    assert b"".join(client_of(tmp_path, server).blob("a/b", DIGEST)) == DATA
    assert b"Range: bytes=2000000-" in server.heads[2]


def test_without_range_support_the_known_bytes_are_skipped(serve: Start, tmp_path: Path) -> None:
    server = serve([answer(), cut(DATA[:1_500_001], len(DATA))], [answer(DATA)])
    assert b"".join(client_of(tmp_path, server).blob("a/b", DIGEST)) == DATA


def test_a_download_without_progress_fails(serve: Start, tmp_path: Path) -> None:
    cuts = [[cut(b"", 100, "206 Partial Content", "Content-Range: bytes 10-99/100")] for _ in range(8)]
    server = serve([answer(), cut(DATA[:10], 100)], *cuts)
    with pytest.raises(RemoteError, match="the answer ended early"):
        list(client_of(tmp_path, server).blob("a/b", DIGEST))
    assert len(server.heads) == 6, "the probe, and five attempts"


def test_retries_after_a_broken_download_are_limited(serve: Start, tmp_path: Path) -> None:
    server = serve([answer(), cut(DATA[:10], 100)], [answer(b"", "503 Service Unavailable")] * 20)
    with pytest.raises(RemoteError, match="answered 503"):
        list(client_of(tmp_path, server).blob("a/b", DIGEST))
    assert len(server.heads) == 6, "the probe, and five attempts"


def test_another_range_than_requested_is_an_error(serve: Start, tmp_path: Path) -> None:
    other = answer(b"x" * 90, "206 Partial Content", "Content-Range: bytes 0-89/100")
    server = serve([answer(), cut(DATA[:10], 100)], [other])
    with pytest.raises(RemoteError, match="another range of the blob"):
        list(client_of(tmp_path, server).blob("a/b", DIGEST))
