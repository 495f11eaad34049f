"""Services behind Caddy on two Docker hosts that are reached over ssh: one in a network namespace of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from shipit.rehearsal.dyno import free_port
from tests.e2e.test_docker_hosts import SECRET, Host
from tests.e2e.test_docker_proxy import CONTAINER, SERVER, Answer, Load, Point, ask
from tests.sampled import only_deep, sampled
from tests.servers.engine import DockerEngine
from tests.servers.far_host import FarHost
from tests.servers.hub import DockerHub
from tests.servers.install import find
from tests.servers.killing import HeldEngine
from tests.servers.sshd import Sshd
from tests.shipit import Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.registry]
# Of the commands of a test, those with other options are measured, too.
SECOND, THIRD = ("--yes",), ("--wait", "1m")

Server = TypeVar("Server", HeldEngine, Sshd)


class Two:
    """An app on two hosts, of which the other one is behind ssh. Connections to both engines can be held back and cut.

    Their proxies have the same port.
    """

    def __init__(self, shipit: Shipit, engine: DockerEngine, far: FarHost, image: str) -> None:
        self._open = ExitStack()
        self.shipit, self.port, self.far_address = shipit, free_port(), far.address
        self.held = [self._stopped(HeldEngine(one.host)) for one in (engine, far.engine)]
        self.hosts = [self.held[0].host, self._stopped(far.sshd(self.held[1].host)).host]
        target = (
            f"proxy: {{image: '{image}', tls: off, http: {self.port}, drain: 1s}}, "
            "services: {web: {port: 3000, grace: 5s, host: two.test, health: /healthz}}"
        )
        self.engines = [Host(shipit, one, "", "two", target, *self.hosts) for one in (engine, far.engine)]
        self.write("v1")

    def _stopped(self, server: Server) -> Server:
        self._open.callback(server.stop)
        return server

    def write(self, version: str) -> None:
        self.engines[0].write(version, SERVER)

    def ask(self, number: int) -> Answer:
        return ask(("127.0.0.1", self.far_address)[number], self.port, "two.test")

    @property
    def versions(self) -> list[str]:
        """The version that each host serves."""
        return [self.ask(number).text for number in range(2)]

    def image(self, number: int) -> str:
        """The short image of the only container that runs on a host."""
        [name] = self.engines[number].running
        labels = self.engines[number].inspect(name)["Config"]["Labels"]
        return str(labels["dev.shipit.image"]).removeprefix("sha256:")[:12]

    def clean(self) -> None:
        for one in self.engines:
            one.docker("rm", "--force", "shipit-proxy", "shipit-proxy-old")
            one.clean()
            for kind in ("volume", "network"):
                for name in one.docker(kind, "ls", "--quiet", "--filter", "label=dev.shipit.proxy").split():
                    one.docker(kind, "rm", name)
        self._open.close()


@pytest.fixture
def two(
    shipit: Shipit, engine: DockerEngine, ssh: tuple[int, Path], far_host: FarHost, docker_hub: DockerHub
) -> Iterator[Two]:
    _, folder = ssh
    image = f"{docker_hub.having('caddy:2', 'python:3.12-alpine')}/library/caddy:2"
    shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={docker_hub.host}", "TOKEN": SECRET}
    shipit.env["PATH"] = f"{folder / 'bin'}:{shipit.env['PATH']}"
    give(image, engine, far_host.engine)
    found = Two(shipit, engine, far_host, image)
    yield found
    found.clean()


def give(image: str, source: DockerEngine, other: DockerEngine) -> None:
    """Copy an image to an engine that reaches no registry."""
    source.docker("pull", image)
    docker = find("docker")
    saved = subprocess.run([docker, "--host", source.host, "save", image], check=True, capture_output=True).stdout
    subprocess.run([docker, "--host", other.host, "load"], input=saved, check=True, capture_output=True)


# On which host, and where, a deploy is killed: the engine has done it, and the deploy does not know.
POINTS: list[tuple[int, Point]] = [
    (1, (CONTAINER + rb"[^/]+/start", 1)),
    (0, (rb"POST /v[0-9.]+/exec/", 1, b"mkdir -p")),
    (0, (CONTAINER + rb"create\?name=two", 1)),
    (0, (CONTAINER + rb"[^/]+/start", 1)),
    (0, (CONTAINER + rb"[^/]+/stop", 1)),
    (1, (rb"POST /v[0-9.]+/images/load", 1)),
    (1, (CONTAINER + rb"create\?name=two", 1)),
    (1, (rb"POST /v[0-9.]+/exec/", 1, b"mkdir -p")),
    (1, (CONTAINER + rb"[^/]+/stop", 1)),
]


@pytest.mark.sampled
@only_deep
@pytest.mark.sampled
def test_no_request_fails_while_hosts_are_replaced_lost_and_left_by_killed_deploys(two: Two) -> None:
    first = two.shipit.run("deploy")
    assert first.returncode == 0, first.stdout + first.stderr
    assert two.versions == ["v1", "v1"]
    loads = [Load(lambda: two.ask(0), 5, 1), Load(lambda: two.ask(1), 5, 1)]
    try:
        check_lost(two)
        for number, (host, point) in enumerate(sampled(POINTS, 2), 3):
            # Each goes on where the one before was killed.
            two.write(f"v{number}")
            kill_at(two, host, point)
            assert all(one.running for one in two.engines)
        again = two.shipit.run("deploy", *THIRD)
        assert again.returncode == 0, again.stdout + again.stderr
        assert two.versions == [f"v{number}"] * 2
        assert [len(one.running) for one in two.engines] == [1, 1]
    finally:
        for load in loads:
            load.stop()
    assert [(load.failed, load.dropped) for load in loads] == [([], 0), ([], 0)]


def check_lost(two: Two) -> None:
    """The other host is lost while its container is made, when the first one has the new release already."""
    two.write("v2")
    done = two.held[1].hold(CONTAINER + rb"create\?name=two")
    process = two.shipit.start("deploy", *SECOND)
    wait_until("the container is made", lambda: done.is_set() or process.poll() is not None, within_s=180)
    two.held[1].cut()
    said, problems = process.communicate(timeout=180)
    assert process.returncode == 1, said + problems
    assert f"{two.hosts[0]} runs the new release: web {two.image(0)}" in said, said
    assert f"{two.hosts[1]} is not reached, and what it runs is not known" in said, said
    assert two.versions == ["v2", "v1"]
    refused = two.shipit.run("deploy", *SECOND)
    assert refused.returncode == 1 and f"{two.hosts[0]} runs web {two.image(0)}" in refused.stderr, refused.stderr
    status = two.shipit.run("status")
    assert status.returncode == 1 and "not reached" in status.stdout and "running" in status.stdout, status.stdout
    logs = two.shipit.run("logs")
    assert logs.returncode == 0 and "serving v2" in logs.stdout, logs.stderr
    assert f"the log of {two.hosts[1]} is not shown" in logs.stderr, logs.stderr
    two.held[1].heal()
    again = two.shipit.run("deploy", *THIRD)
    assert again.returncode == 0, again.stdout + again.stderr
    assert two.versions == ["v2", "v2"] and two.image(0) == two.image(1)


def kill_at(two: Two, host: int, point: Point) -> None:
    done = two.held[host].hold(*point)
    process = two.shipit.start("deploy", *THIRD)
    try:
        wait_until(f"the deploy sends {point[0]!r}", done.is_set, within_s=180)
    finally:
        process.kill()
        process.communicate()
