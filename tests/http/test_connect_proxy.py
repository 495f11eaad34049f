"""Connections that are no HTTP, through a proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.errors import RemoteError
from shipit.http.messages import Request
from shipit.http.transport import Transport
from shipit.http.websocket import WebSocket, open_websocket
from tests import runs
from tests.http.scripted import ScriptedServer, Start, Step, answer
from tests.http.test_websocket import agreeing, frame
from tests.servers.socks import SocksProxy


def opened(folder: Path, proxy: str) -> object:
    transport = Transport(runs.environment(folder), proxy=proxy)
    request = Request("GET", "http://cluster.example:6443/exec", deadline=Deadline.after(Clock(), 60))
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
    with pytest.raises(RemoteError, match="this needs a proxy of http, socks5, socks5h, not of https"):
        opened(tmp_path, "https://proxy.example:3128")


@pytest.fixture
def socks(serve: Start) -> Iterator[Callable[..., SocksProxy]]:
    started: list[SocksProxy] = []

    def start(steps: list[Step], **more: Any) -> SocksProxy:
        server = serve(steps)
        started.append(SocksProxy(server.url.removeprefix("http://"), **more))
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("host", ["cluster.example:6443", "10.1.2.3:80", "[fd00::1]:80"])
def test_a_request_goes_through_a_socks_proxy_that_resolves_its_name(
    socks: Callable[..., SocksProxy], tmp_path: Path, scheme: str, host: str
) -> None:
    proxy = socks([answer(b"one"), answer(b"two")], login="me:pass word")
    transport = Transport(runs.environment(tmp_path), proxy=f"{scheme}://me:pass%20word@{proxy.host}")
    assert [transport.send("GET", f"http://{host}/").content for _ in range(2)] == [b"one", b"two"]
    transport.close()
    assert proxy.connected == [host.replace("[", "").replace("]", "")]


@pytest.mark.parametrize(
    ("options", "user", "said"),
    [
        ({"reply": 5}, "", "the proxy opened no connection to cluster.example: connection refused"),
        ({"reply": 99}, "", "the proxy opened no connection to cluster.example: reply 99"),
        ({"login": "me:secret"}, "me:wrong@", "the proxy does not accept the login"),
        ({"login": "me:secret"}, "", "the proxy wants another login"),
    ],
)
def test_a_socks_proxy_that_opens_no_connection(
    socks: Callable[..., SocksProxy], tmp_path: Path, options: dict[str, Any], user: str, said: str
) -> None:
    proxy = socks([b""], **options)
    transport = Transport(runs.environment(tmp_path), proxy=f"socks5://{user}{proxy.host}")
    with pytest.raises(RemoteError, match=said) as caught:
        transport.send("GET", "http://cluster.example/", deadline=Deadline.after(Clock(), 60))
    transport.close()
    assert "wrong" not in caught.value.render()


def test_a_socks_proxy_that_is_none(serve: Start, tmp_path: Path) -> None:
    server = serve([], greeting=b"SSH-2.0-OpenSSH\r\n")
    transport = Transport(runs.environment(tmp_path), proxy=server.url.replace("http://", "socks5://"))
    with pytest.raises(RemoteError, match=r"the proxy does not speak SOCKS 5|no connection"):
        transport.send("GET", "http://cluster.example/", deadline=Deadline.after(Clock(), 60))
    transport.close()


@pytest.mark.parametrize("through", ["no proxy", "http"])
def test_headers_that_repeat_are_sent_each_by_itself(serve: Start, tmp_path: Path, through: str) -> None:
    server = serve([answer(b"")])
    transport = Transport(runs.environment(tmp_path), proxy=server.url if through == "http" else None)
    repeated = (("Group", "one"), ("Group", "two, three"), ("User", "j\xf6rg"))
    url = "http://cluster.example/" if through == "http" else server.url
    deadline = Deadline.after(Clock(), 60)
    assert transport.answer(Request("GET", url, {"Accept": "x"}, repeated=repeated, deadline=deadline)).status == 200
    transport.close()
    sent = [line for line in server.heads[0].splitlines() if line.startswith((b"Group", b"User:", b"Accept:"))]
    assert sent == [b"Accept: x", b"Group: one", b"Group: two, three", b"User: j\xf6rg"]
