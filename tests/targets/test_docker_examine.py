"""What doctor says of Docker hosts, and what a deploy checks before it builds: answers of engines, and none."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.address import EngineAddress
from shipit.errors import RemoteError
from shipit.targets.docker.examine import check_ports, examine
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.container_values import Publish
from shipit.targets.engine.owner import Owner
from shipit.targets.session import Clients, Session

OWNER = Owner("shop", "production", "docker")
PORTS = (Publish(3000, 80), Publish(53, 53, protocol="udp"), Publish(9000))


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
    found = list(examine(hosts(engine.host, "unix:///none/docker.sock"), OWNER, PORTS, session))
    taken = f"the port 80/tcp of {engine.host} is taken by the container rival"
    assert [(one.level, one.what) for one in found if one.level != "ok" and "free in" not in one.what] == [
        ("failure", taken),
        ("failure", "unix:///none/docker.sock: no Docker engine answers: no such file or directory"),
    ]
    assert found[0].what == f"{engine.host} answers: Docker 1, Debian"
    assert any(f"are free in {tmp_path} of {engine.host}" in one.what for one in found)
    with pytest.raises(RemoteError, match=taken) as raised:
        check_ports(hosts(engine.host), OWNER, PORTS, session)
    assert raised.value.hint == "publish another port, or stop that container"
    check_ports(hosts("unix:///none/docker.sock"), OWNER, (), session)


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
    found = list(examine(hosts(engine.host), OWNER, PORTS, session))
    assert [one.level for one in found if "free in" in one.what] == []
