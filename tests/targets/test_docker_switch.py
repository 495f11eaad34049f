"""The routes of a real Caddy, changed and drained as on a host, with an engine that only passes requests on."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.errors import DeployFailed, RemoteError
from shipit.events import Log
from shipit.targets.docker.proxy.admin import ProxyAdmin
from shipit.targets.docker.proxy.files import read_dials
from shipit.targets.docker.proxy.look import read_proxy
from shipit.targets.docker.proxy.route import (
    RouteSpec,
    canonical,
    folder,
    owner_prefix,
    render_route,
    with_servers,
)
from shipit.targets.docker.proxy.switch import Switch, find_proxy, remove_all
from shipit.targets.docker.setting import Setting
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.owner import Owner
from shipit.targets.session import Clients, Session
from tests.conftest import started
from tests.runs import SkippingClock
from tests.servers.caddy import Caddy

pytestmark = pytest.mark.tools
OWNER = Owner("shop", "production", "docker")


class Backend(BaseHTTPRequestHandler):
    """Answers its name; requests for /slow when `is_over` is set."""

    server: Server

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.is_asked.set()
            self.server.is_over.wait(120)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.name.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self, name: str) -> None:
        self.name, self.is_asked, self.is_over = name, threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), Backend)
        self.dial = f"127.0.0.1:{self.server_port}"


@pytest.fixture
def backends() -> Iterator[tuple[Server, Server]]:
    found = Server("old"), Server("new")
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in found]
    for thread in threads:
        thread.start()
    yield found
    for server, thread in zip(found, threads, strict=True):
        server.is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def client(caddy: Caddy) -> Iterator[HostClient]:
    engine = Engine(EngineAddress(caddy.host), {})
    assert engine.is_reachable()
    found = HostClient(engine, "web1", Deadline(Clock()))
    admin = ProxyAdmin(found, "proxy")
    config = admin.config()
    assert admin.write("POST", "/config/", with_servers(None, caddy.ports), config.etag)
    yield found
    engine.close()


def setting(folder: Path, owner: Owner = OWNER) -> Setting:
    clock = Clock()
    environment = ProcessEnvironment({}, folder, folder)
    session = Session(environment, clock, lambda event: None, str, clock.now() + 300, Clients(clock))
    return Setting("docker", owner, session, frozenset(), 60.0, 1.0)


def route(owner: Owner = OWNER, host: str = "shop.test", **more: Any) -> RouteSpec:
    return RouteSpec(f"{owner_prefix(owner)}web", "web", (host,), 3000, "off", 60.0)._replace(**more)


def ask(connection: http.client.HTTPConnection) -> str:
    connection.request("GET", "/", headers={"Host": "shop.test"})
    answer = connection.getresponse()
    return f"{answer.status} {answer.read().decode()}"


def get(caddy: Caddy, host: str, path: str = "/") -> str:
    connection = http.client.HTTPConnection("127.0.0.1", caddy.ports.http, timeout=120)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return f"{answer.status} {answer.read().decode()}".strip()
    finally:
        connection.close()


def test_requests_are_switched_and_the_old_address_is_drained(
    caddy: Caddy, client: HostClient, backends: tuple[Server, Server], tmp_path: Path
) -> None:
    old, new = backends
    switch, spec = Switch(client, setting(tmp_path)), route()
    assert get(caddy, "shop.test") == "404"
    switch.lead(spec, [old.dial])
    assert get(caddy, "shop.test") == "200 old"
    assert ["nc", "127.0.0.1", "2019"] in caddy.commands.values()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(get, caddy, "shop.test", "/slow")
        assert old.is_asked.wait(60)
        switch.lead(spec, [new.dial])
        assert get(caddy, "shop.test") == "200 new"
        events = switch.drain(spec, [old.dial], [new.dial])
        assert next(events) == Log("docker", "web", "waits for 1 request to the old containers on web1")
        old.is_over.set()
        assert list(events) == []
        assert slow.result() == "200 old"
    facts = read_proxy(client, client.containers(), OWNER, is_used=True)
    assert facts is not None and facts.routes["web"].text == canonical(render_route(spec, 1))
    assert facts.routes["web"].dials == (new.dial,)
    assert read_dials(client, "proxy", spec.id) == {f"{folder(spec.id)}/0": new.dial}
    switch.remove("web")
    assert get(caddy, "shop.test") == "404"
    assert read_dials(client, "proxy", spec.id) == {}


def test_a_switch_closes_no_connection(
    caddy: Caddy, client: HostClient, backends: tuple[Server, Server], tmp_path: Path
) -> None:
    switch, spec = Switch(client, setting(tmp_path)), route()
    switch.lead(spec, [backends[0].dial])
    before = ProxyAdmin(client, "proxy").config()
    kept = http.client.HTTPConnection("127.0.0.1", caddy.ports.http, timeout=120)
    assert ask(kept) == "200 old"
    for number in range(1, 9):
        # Each has not sent its request yet: Caddy would close them with a new configuration.
        waiting = [http.client.HTTPConnection("127.0.0.1", caddy.ports.http, timeout=120) for _ in range(8)]
        for connection in waiting:
            connection.connect()
        server = backends[number % 2]
        switch.lead(spec, [server.dial])
        local = kept.sock
        assert [ask(connection) for connection in (kept, *waiting)] == [f"200 {server.name}"] * 9
        assert kept.sock is local, "the same connection"
        for connection in waiting:
            connection.close()
    kept.close()
    assert ProxyAdmin(client, "proxy").config() == before


def test_another_number_of_containers_changes_the_route(
    caddy: Caddy, client: HostClient, backends: tuple[Server, Server], tmp_path: Path
) -> None:
    dials = [server.dial for server in backends]
    switch, spec = Switch(client, setting(tmp_path)), route()
    for some, answers in ((dials, {"200 old", "200 new"}), (dials[1:], {"200 new"}), (dials, {"200 old", "200 new"})):
        switch.lead(spec, some)
        assert {get(caddy, "shop.test") for _ in range(4)} == answers
        facts = read_proxy(client, client.containers(), OWNER, is_used=True)
        assert facts is not None and facts.routes["web"].dials == tuple(sorted(some))


def test_a_route_with_addresses_in_the_configuration_is_replaced(
    caddy: Caddy, client: HostClient, backends: tuple[Server, Server], tmp_path: Path
) -> None:
    old, new = backends
    spec = route()
    literal = render_route(spec, 1)
    literal["handle"][0]["upstreams"] = [{"dial": old.dial}]
    admin = ProxyAdmin(client, "proxy")
    assert admin.write("PUT", "/config/apps/http/servers/http/routes/0", literal, "")
    facts = read_proxy(client, client.containers(), OWNER, is_used=True)
    assert facts is not None and facts.routes["web"].dials == (old.dial,)
    Switch(client, setting(tmp_path)).lead(spec, [new.dial])
    assert get(caddy, "shop.test") == "200 new"


def test_requests_that_caddy_counts_for_the_whole_route_only_are_waited_for(
    caddy: Caddy, client: HostClient, backends: tuple[Server, Server], tmp_path: Path
) -> None:
    old, new = backends
    switch, spec = Switch(client, setting(tmp_path)), route(drain_s=0.5)
    switch.lead(spec, [old.dial])
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(get, caddy, "shop.test", "/slow")
        assert old.is_asked.wait(60)
        events = list(switch.drain(spec, ["not-listed:1"], [new.dial]))
        old.is_over.set()
        what = "1 request that may be to the old containers on web1"
        assert [event.line for event in events if isinstance(event, Log)] == [
            f"waits for {what}",
            f"did not wait longer than 0.5 s for {what}",
        ]
        assert slow.result() == "200 old"


def test_a_drain_ends_when_its_time_is_over(
    caddy: Caddy, client: HostClient, backends: tuple[Server, Server], tmp_path: Path
) -> None:
    old, new = backends
    switch, spec = Switch(client, setting(tmp_path)), route(drain_s=0.5)
    switch.lead(spec, [old.dial])
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(get, caddy, "shop.test", "/slow")
        assert old.is_asked.wait(60)
        switch.lead(spec, [new.dial])
        events = list(switch.drain(spec, [old.dial], [new.dial]))
        old.is_over.set()
        assert events[-1] == Log(
            "docker", "web", "did not wait longer than 0.5 s for 1 request to the old containers on web1"
        )
        assert slow.result() == "200 old"


def test_runs_of_several_apps_at_once_lose_no_route(caddy: Caddy, client: HostClient, tmp_path: Path) -> None:
    owners = [Owner(f"app{number}", "production", "docker") for number in range(6)]

    def lead(owner: Owner) -> None:
        for turn in range(3):
            Switch(client, setting(tmp_path, owner)).lead(route(owner, f"{owner.app}.test"), [f"127.0.0.1:{turn + 1}"])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lead, owners))
    for owner in owners:
        facts = read_proxy(client, client.containers(), owner, is_used=True)
        assert facts is not None
        assert (facts.routes["web"].dials, facts.others) == (("127.0.0.1:3",), 5)
    proxy = find_proxy(client)
    assert proxy is not None
    remove_all(client, proxy, owners[0])
    facts = read_proxy(client, client.containers(), owners[1], is_used=True)
    assert facts is not None and facts.others == 4


def test_a_host_of_another_app_is_refused_before_anything_is_written(
    caddy: Caddy, client: HostClient, tmp_path: Path
) -> None:
    other = Owner("blog", "production", "docker")
    Switch(client, setting(tmp_path, other)).lead(route(other), ["127.0.0.1:1"])
    own = Switch(client, setting(tmp_path))
    with pytest.raises(DeployFailed, match="served by the route shipit:blog:production:docker:web"):
        own.check(route())
    with pytest.raises(DeployFailed, match="served by the route shipit:blog:production:docker:web"):
        own.lead(route(), ["127.0.0.1:2"])


def test_a_step_with_the_route_of_another_app_changes_nothing(caddy: Caddy, client: HostClient, tmp_path: Path) -> None:
    other = Owner("blog", "production", "docker")
    Switch(client, setting(tmp_path, other)).lead(route(other, "blog.test"), ["127.0.0.1:1"])
    foreign = route(other, "shop.test")
    own = Switch(client, setting(tmp_path))
    for act in (own.check, lambda spec: own.lead(spec, ["127.0.0.1:2"])):
        with pytest.raises(DeployFailed, match=r"route shipit:blog:production:docker:web is not that of web"):
            act(foreign)
    facts = read_proxy(client, client.containers(), other, is_used=True)
    assert facts is not None and facts.routes["web"].dials == ("127.0.0.1:1",)
    assert facts.routes["web"].hosts == ("blog.test",)


def test_what_caddy_refuses_and_what_the_container_lacks_is_said(
    caddy: Caddy, client: HostClient, tmp_path: Path
) -> None:
    admin = ProxyAdmin(client, "proxy")
    with pytest.raises(RemoteError, match="unknown module"):
        admin.write("PUT", "/config/apps/http/servers/http/routes/0", {"handle": [{"handler": "none"}]}, "")
    assert not admin.write("PUT", "/config/apps/http/servers/http/routes/0", {}, '"/config/ 0"'), "the Etag is another"
    caddy.version = "v2.7.6 h1:w0NymbG2"
    with pytest.raises(RemoteError, match=r"Caddy before 2\.8 can't read addresses in files") as old:
        Switch(client, setting(tmp_path)).check(route())
    assert "set proxy: {image: IMAGE}" in old.value.hint and not old.value.retryable
    caddy.lacks_nc = True
    with pytest.raises(RemoteError, match="executable file not found") as missing:
        Switch(client, setting(tmp_path)).check(route())
    assert "caddy, nc and sh" in missing.value.hint
    facts = read_proxy(client, client.containers(), OWNER, is_used=True)
    assert facts is not None and "executable file not found" in facts.problem
    caddy.state = "exited"
    facts = read_proxy(client, client.containers(), OWNER, is_used=True)
    assert facts is not None and (facts.state, facts.problem) == ("exited", "")
    assert read_proxy(client, client.containers(), Owner("x", "y", "z"), is_used=False) is None
    with pytest.raises(DeployFailed, match="the proxy shipit-proxy does not run on web1"):
        Switch(client, setting(tmp_path)).check(route())


@pytest.fixture
def caddy(tmp_path: Path) -> Iterator[Caddy]:
    found = started(lambda: Caddy(tmp_path))
    yield found
    found.stop()


@pytest.mark.parametrize(
    ("product", "says", "is_refused"),
    [
        ("Podman Engine", "nc: bad address 'a1b2'", True),
        ("Podman Engine", "HTTP/1.1 400 Bad Request", False),
        ("Engine", "nc: bad address 'a1b2'", False),
    ],
)
def test_a_proxy_of_podman_that_finds_no_container_by_name_is_told(
    caddy: Caddy, tmp_path: Path, product: str, says: str, is_refused: bool
) -> None:
    caddy.product, caddy.nc_says = product, says
    engine = Engine(EngineAddress(caddy.host), {})
    assert engine.is_reachable()
    switch = Switch(HostClient(engine, "web1", Deadline(SkippingClock())), setting(tmp_path))
    with pytest.raises(DeployFailed) if is_refused else nullcontext() as caught:
        switch.check_names(["a1b2:3000"])
    assert not caught or "does not find containers by name" in str(caught.value)
    assert not caught or "the network shop-production anew" in caught.value.hint
    # A DNS server that does not answer yet is asked three times.
    caddy.nc_says_first, caddy.nc_says = [says, says], ""
    switch.check_names(["a1b2:3000"])
    caddy.lacks_nc = True
    switch.check_names(["a1b2:3000"])
    engine.close()
