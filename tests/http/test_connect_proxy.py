"""Connections that are no HTTP, through a proxy."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from shipit.clock import Clock, Deadline
from shipit.errors import RemoteError
from shipit.http.messages import Request
from shipit.http.transport import Transport
from shipit.http.websocket import WebSocket, open_websocket
from tests import runs
from tests.http.scripted import ScriptedServer, Start, Step
from tests.http.test_websocket import agreeing, frame


def opened(folder: Path, proxy: str) -> object:
    transport = Transport(runs.environment(folder), proxy=proxy)
    request = Request("GET", "http://cluster.example:6443/exec", deadline=Deadline.after(Clock(), 20))
    try:
        return open_websocket(transport.answer, request, ("v5.channel.k8s.io",))
    finally:
        transport.close()


def test_a_websocket_goes_through_a_proxy_with_its_login(serve: Start, tmp_path: Path) -> None:
    servers: list[ScriptedServer] = []
    steps: list[Step] = [b"HTTP/1.1 200 Connection established\r\n\r\n", *agreeing(frame(b"\x01hi"))(servers)]
    servers.append(serve(steps))
    found = opened(tmp_path, servers[0].url.replace("http://", "http://me:pass%20word@"))
    assert isinstance(found, WebSocket)
    assert [data for data, _ in found.receive()] == [b"\x01hi"]
    found.close()
    first, second = servers[0].heads
    assert first.splitlines() == [
        b"CONNECT cluster.example:6443 HTTP/1.1",
        b"Host: cluster.example:6443",
        b"Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk",
    ]
    assert second.startswith(b"GET /exec HTTP/1.1\r\n")
    assert b"bWU6cGFzcyB3b3Jk" not in second


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
def test_a_proxy_that_opens_no_connection(serve: Start, tmp_path: Path, status: str) -> None:
    server = serve([f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()])
    with pytest.raises(RemoteError, match=rf"the proxy opened no connection to cluster\.example: {status[:3]}"):
        opened(tmp_path, server.url)


def test_a_proxy_that_is_none(serve: Start, tmp_path: Path) -> None:
    with pytest.raises(RemoteError):
        opened(tmp_path, serve([b"SSH-2.0-OpenSSH\r\n"]).url)


def test_a_kind_of_proxy_that_streams_can_not_use(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="streams go through proxies of http, socks5, socks5h, not of https"):
        opened(tmp_path, "https://proxy.example:3128")


@pytest.mark.skipif(importlib.util.find_spec("socks") is not None, reason="PySocks is installed here")
def test_a_socks_proxy_needs_pysocks(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="SOCKS proxies need PySocks"):
        opened(tmp_path, "socks5://127.0.0.1:1080")
