"""What doctor says of Docker hosts, and what a deploy checks before it builds: answers of engines, and none."""

from __future__ import annotations

import json
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import EngineAddress
from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.rehearsal.dyno import free_port
from shipit.targets.docker.examine import check_ports, examine
from shipit.targets.docker.port_use import Needed
from shipit.targets.docker.proxy.labels import NAME, PORTS, PROXY, render_ports
from shipit.targets.docker.proxy.observed import ProxyFacts
from shipit.targets.docker.proxy.plan import ProxySpec
from shipit.targets.docker.proxy.route import Ports
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.container_values import Publish
from shipit.targets.engine.host_ports import LISTENING_ROWS, listener_of, listening_ports, tables_of
from shipit.targets.engine.listening import collide, parse_listening
from shipit.targets.engine.owner import Owner
from shipit.targets.session import Clients, Session

OWNER = Owner("shop", "production", "docker")
NEEDED = Needed((Publish(3000, 80), Publish(53, 53, protocol="udp"), Publish(9000)))


class Engine(socketserver.ThreadingUnixStreamServer):
    """Answers GET of the paths of `answers`, without the version of the API before them."""

    daemon_threads = True

    def __init__(self, path: Path, api: str, answers: dict[str, Any]) -> None:
        version = {"ApiVersion": api, "Version": "1", "Os": "linux", "Arch": "amd64"}
        self.answers = {"/version": version, **answers}
        self.host = f"unix://{path}"
        super().__init__(str(path), Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    server: Engine
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = self.server.answers.get(re.sub(r"^/v[0-9.]+", "", self.path.partition("?")[0]))
        body = json.dumps(found).encode()
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Nothing: requests are not printed."""


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def one(api: str = "1.41", **answers: Any) -> Engine:
        own = {f"/{name.replace('__', '/')}": answer for name, answer in answers.items()}
        made.append(Engine(tmp_path_factory.mktemp("engine") / "s", api, own))
        return made[-1]

    yield one
    for engine in made:
        engine.close()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    clock = Clock()
    clients = Clients(clock)
    environment = ProcessEnvironment({"PATH": str(tmp_path)}, tmp_path, tmp_path)
    yield Session(environment, clock, lambda event: None, str, clock.now() + 120, clients)
    clients.close()


def hosts(*addresses: str) -> Hosts:
    return Hosts({address: EngineAddress(address) for address in addresses})


def row(name: str, port: int, protocol: str = "tcp", labels: dict[str, str] | None = None) -> dict[str, Any]:
    ports = [{"PrivatePort": 1, "PublicPort": port, "Type": protocol, "IP": "0.0.0.0"}]
    return {"Id": name, "Names": [f"/{name}"], "Labels": labels or {}, "Ports": ports}


def test_a_port_of_somebody_else_is_a_failure_and_one_of_the_target_is_not(
    start: Callable[..., Engine], session: Session, tmp_path: Path
) -> None:
    rows = [row("rival", 80), row("dns", 53), row("own", 53, "udp", OWNER.labels), row("other", 9000)]
    engine = start(containers__json=rows, info={"ServerVersion": "1", "OperatingSystem": "Debian", "DockerRootDir": str(tmp_path)})  # fmt: skip
    found = list(examine(hosts(engine.host, "unix:///none/docker.sock"), OWNER, NEEDED, session))
    taken = f"the port 80/tcp of {engine.host} is taken by the container rival"
    assert [(one.level, one.what) for one in found if one.level != "ok" and "free in" not in one.what] == [
        ("failure", taken),
        ("failure", "unix:///none/docker.sock: no Docker engine answers: no such file or directory"),
    ]
    assert found[0].what == f"{engine.host} answers: Docker 1, Debian"
    assert any(f"are free in {tmp_path} of {engine.host}" in one.what for one in found)
    with pytest.raises(RemoteError, match=taken) as raised:
        check_ports(hosts(engine.host), OWNER, NEEDED, session)
    assert raised.value.hint.startswith("choose another port, with publish: or with http: and https: of proxy:")
    check_ports(hosts("unix:///none/docker.sock"), OWNER, Needed(()), session)


def test_hints_where_no_engine_can_be_used(start: Callable[..., Engine], session: Session) -> None:
    old = start(api="1.40")
    for address, what, hint in (
        (old.host, "is too old: it has no API 1.41", "install Docker 20.10 or newer"),
        ("unix:///none/docker.sock", "no Docker engine answers", "check: docker --host unix:///none/docker.sock"),
        # There is no ssh on the PATH of this test.
        ("ssh://me@web1", "no Docker engine answers", "sudo usermod -aG docker me"),
    ):
        with pytest.raises(RemoteError, match=what) as raised:
            hosts(address).client(address, session)
        assert hint in raised.value.hint


@pytest.mark.parametrize("folder", ["relative", "/not/on/this/machine", "", 5])
def test_a_folder_that_is_not_here_is_left_out(start: Callable[..., Engine], session: Session, folder: Any) -> None:
    engine = start(containers__json=[], info={"DockerRootDir": folder})
    found = list(examine(hosts(engine.host), OWNER, NEEDED, session))
    assert [one.level for one in found if "free in" in one.what] == []


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of this machine on which a program listens."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        yield int(server.getsockname()[1])


def found_by_doctor(engine: Engine, needed: Needed, session: Session) -> list[tuple[str, str]]:
    found = examine(hosts(engine.host), OWNER, needed, session)
    return [(one.level, one.what.replace(engine.host, "HOST")) for one in found if "/tcp" in one.what]


def test_a_port_of_the_proxy_that_a_program_or_a_container_has_is_a_failure_unless_the_proxy_has_it(
    start: Callable[..., Engine], session: Session, tmp_path: Path, taken: int
) -> None:
    free, info = free_port(), {"DockerRootDir": str(tmp_path)}
    spec = ProxySpec("caddy:2", Ports(taken, free))
    by_program = ("failure", f"the port {taken}/tcp of HOST is taken by a program there")
    needed = Needed((), spec)
    engine = start(containers__json=[], info=info)
    assert found_by_doctor(engine, needed, session) == [by_program]
    check_ports(hosts(engine.host), OWNER, needed, session)
    # A target without a host in a service needs no proxy.
    assert found_by_doctor(engine, Needed(()), session) == []
    fine = found_by_doctor(engine, Needed((), spec._replace(ports=Ports(free, 0))), session)
    assert fine == [("ok", f"no other container and no program has a port that HOST needs to publish: {free}/tcp")]

    # The engine listens on what containers publish: that of another one is named, and that of the proxy is its own.
    by_container = ("failure", f"the port {taken}/tcp of HOST is taken by the container rival")
    engine = start(containers__json=[row("rival", taken)], info=info)
    assert found_by_doctor(engine, needed, session) == [by_container]
    with pytest.raises(RemoteError, match="is taken by the container rival"):
        check_ports(hosts(engine.host), OWNER, needed, session)
    own = row(NAME, taken, labels={PROXY: "1", PORTS: render_ports(spec.ports)})
    engine = start(containers__json=[{**own, "State": "running"}], info=info)
    assert found_by_doctor(engine, needed, session) == []
    # Without its state, it does not run, and something else may have its port.
    engine = start(containers__json=[{**own, "State": "exited", "Ports": []}], info=info)
    assert found_by_doctor(engine, needed, session) == [by_program]
    # Podman lists the ports of stopped containers, too.
    engine = start(containers__json=[{**own, "State": "exited"}, {**row("rival", taken), "State": "exited"}], info=info)
    assert found_by_doctor(engine, needed, session) == [by_program]
    check_ports(hosts(engine.host), OWNER, needed, session)
    engine = start(containers__json=[{**own, "State": "paused"}], info=info)
    assert found_by_doctor(engine, needed, session) == []
    # A table that can't be read leaves it open whether a program has a port.
    engine = start(containers__json=[], info=info)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("shipit.targets.engine.host_ports._LARGEST", 1)
        assert found_by_doctor(engine, needed, session) == []
    # Programs of an engine in a virtual machine are not seen from here.
    engine = start(containers__json=[], info={"DockerRootDir": "/not/on/this/machine"})
    assert found_by_doctor(engine, needed, session) == []


def test_what_the_proxy_has_is_kept_and_only_what_deploy_yml_says_is_changed() -> None:
    found = ProxyFacts("id", "caddy:2", Ports(8080, 8443))
    usual, said = ProxySpec("caddy:2", Ports()), ProxySpec("caddy:2", Ports(80, 8443), frozenset(["http"]))
    published = Publish(3000, 3000)

    def ports(spec: ProxySpec | None, there: ProxyFacts | None) -> list[str]:
        return [str(port).partition(":")[2] for port in Needed((published, Publish(9)), spec).ports(there)]

    assert ports(None, found) == ["3000/tcp"]
    assert ports(usual, None) == ["3000/tcp", "80/tcp", "443/tcp", "443/udp"]
    assert ports(usual, found) == ["3000/tcp"]
    assert ports(said, found) == ["3000/tcp", "80/tcp"]
    assert ports(usual, found._replace(state="exited")) == ["3000/tcp", "8080/tcp", "8443/tcp", "8443/udp"]
    assert ports(usual._replace(ports=Ports(80, 0)), None) == ["3000/tcp", "80/tcp"]


PROC = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1
   1: 0100007F:1F91 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 18 1
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 0 0 0 0
   1: 0000000000000000FFFF00000200000A:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 0 0 0 0
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   2: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 19 2 0 0
cat: /proc/net/udp6: No such file or directory
   3: 0100007F:1F90
   x: 0100007F:1F90 00000000:0000 0A 0
"""


def test_the_ports_on_which_programs_listen_are_read_as_linux_writes_them() -> None:
    found = {str(port) for port in parse_listening(PROC)}
    assert found == {"127.0.0.1:8080/tcp", ":::80/tcp", "10.0.0.2:81/tcp", "0.0.0.0:53/udp"}
    assert parse_listening("") == frozenset() and parse_listening("\x00" * 100) == frozenset()


def test_a_host_is_asked_for_the_rows_of_listening_programs_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        text = subprocess.run(["sh", "-c", LISTENING_ROWS], capture_output=True, text=True, check=True).stdout
        assert Publish(0, listener.getsockname()[1], "127.0.0.1") in parse_listening(text)
    assert text.count(" local_address ") >= 2
    assert all(" 0A " in line or " 07 " in line or "local_address" in line for line in text.splitlines())


def test_the_ports_are_those_of_the_network_that_the_engine_is_in(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as local:
        local.bind(f"{tmp_path}/s")
        local.listen()
        assert listener_of(f"{tmp_path}/s") == os.getpid() and listener_of(f"{tmp_path}/none") == 0
        port = Publish(0, tcp.getsockname()[1], "127.0.0.1")
        assert port in parse_listening(tables_of(os.getpid()))
        if os.geteuid() != 0:
            pytest.skip("needs root for a network of its own")
        with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo up; read line"], stdin=PIPE, stdout=PIPE) as other:
            assert other.stdout and other.stdout.readline() == b"up\n"
            text = tables_of(other.pid)
            other.communicate(b"end\n", 60)
    assert text.count(" local_address ") >= 2 and port not in parse_listening(text)


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        (Publish(0, 80), Publish(0, 80, "127.0.0.1"), True),
        (Publish(0, 80, "0.0.0.0"), Publish(0, 80, "::"), True),
        (Publish(0, 80, "10.0.0.1"), Publish(0, 80, "127.0.0.1"), False),
        (Publish(0, 80), Publish(0, 81), False),
        (Publish(0, 80), Publish(0, 80, protocol="udp"), False),
    ],
)
def test_two_addresses_of_a_host_can_have_one_port(one: Publish, other: Publish, is_one: bool) -> None:
    assert collide(one, other) is is_one and collide(other, one) is is_one


LISTEN = """
import socket, sys
with socket.socket(socket.AF_UNIX) as local:
    local.bind(sys.argv[1])
    local.listen()
    print("up", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network of its own")
@pytest.mark.parametrize(
    ("options", "is_seen"), [(["name=seccomp,profile=default", "name=rootless"], True), ([], False)]
)
def test_a_rootless_engine_publishes_ports_in_the_network_of_its_user(
    tmp_path: Path, taken: int, options: list[str], is_seen: bool
) -> None:
    host = f"unix://{tmp_path}/s"
    info = Field({"DockerRootDir": str(tmp_path), "SecurityOptions": options}, "GET /info")
    client = SimpleNamespace(engine=SimpleNamespace(address=EngineAddress(host)), info=lambda: info)
    words = ["unshare", "--net", sys.executable, "-c", LISTEN, f"{tmp_path}/s"]
    with subprocess.Popen(words, stdin=PIPE, stdout=PIPE) as other:
        assert other.stdout and other.stdout.readline() == b"up\n"
        found = listening_ports(cast("HostClient", client))
        other.communicate(b"end\n", 60)
    assert found is not None and (Publish(0, taken, "0.0.0.0") in found) == is_seen
