"""Docker hosts that are lost in the middle of a deploy without a word: nothing that is sent to them arrives any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_docker_hosts import SECRET, Host
from tests.e2e.test_docker_proxy import CONTAINER
from tests.sampled import only_deep
from tests.servers.engine import DockerEngine
from tests.servers.far_host import FarHost
from tests.servers.hub import DockerHub
from tests.servers.killing import HeldEngine
from tests.shipit import Shipit
from tests.waits import wait_until

# It takes five minutes: ssh, the lock and the verdict each wait for a host that does not answer.
pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.sampled, only_deep]
# Of the commands of a test, those with other options are measured, too.
SECOND, THIRD = ("--yes",), ("--wait", "1m")
TARGET = "services: {web: {port: 3000, grace: 5s, health: /healthz}}"
# ssh notices after half a minute; the rest is for a loaded machine.
NOTICED_S = 150.0


class Pair:
    """An app on a far host, which can be unplugged, and a near one."""

    def __init__(self, shipit: Shipit, engine: DockerEngine, far: FarHost) -> None:
        self.shipit, self.cable = shipit, far
        self.held = HeldEngine(far.engine.host)
        self.sshd = far.sshd(self.held.host)
        self.names = far_name, near_name = self.sshd.host, engine.host
        self.far, self.near = (
            Host(shipit, one, "", "lost", TARGET, far_name, near_name) for one in (far.engine, engine)
        )

    def image(self, host: Host) -> str:
        """The short image of the only container that runs on a host."""
        [name] = host.running
        return str(host.inspect(name)["Config"]["Labels"]["dev.shipit.image"]).removeprefix("sha256:")[:12]

    def version(self, host: Host) -> str:
        """The version that the only container of a host serves: no container of the far host is reached from here."""
        [name] = host.running
        return host.docker("logs", name).split()[1]

    @property
    def versions(self) -> list[str]:
        return [self.version(self.far), self.version(self.near)]

    def lose_while_it_is_replaced(self, version: str) -> tuple[str, float]:
        """Deploy, and unplug the far host when its new container is made: what was printed, and the seconds after that."""
        self.near.write(version)
        done = self.held.hold(CONTAINER + rb"create\?name=lost")
        process = self.shipit.start("deploy", *SECOND)
        wait_until("the container is made", lambda: done.is_set() or process.poll() is not None, within_s=180)
        lost_s = time.monotonic()
        self.cable.unplug()
        said, problems = process.communicate(timeout=300)
        assert process.returncode == 1, said + problems
        return said, time.monotonic() - lost_s

    def clean(self) -> None:
        self.cable.plug()
        for one in (self.far, self.near):
            one.clean()
        self.sshd.stop()
        self.held.stop()


@pytest.fixture
def pair(
    shipit: Shipit, engine: DockerEngine, ssh: tuple[int, Path], far_host: FarHost, docker_hub: DockerHub
) -> Iterator[Pair]:
    _, folder = ssh
    shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={docker_hub.having('python:3.12-alpine')}", "TOKEN": SECRET}
    shipit.env["PATH"] = f"{folder / 'bin'}:{shipit.env['PATH']}"
    found = Pair(shipit, engine, far_host)
    yield found
    found.clean()


def test_the_first_host_is_lost_and_then_another_one_before_a_rollback(pair: Pair) -> None:
    shipit, (far, near) = pair.shipit, pair.names
    first = shipit.run("deploy")
    assert first.returncode == 0, first.stdout + first.stderr
    old = pair.image(pair.near)

    said, elapsed_s = pair.lose_while_it_is_replaced("v2")
    assert elapsed_s < NOTICED_S
    assert f"{near} does not run the new release: web {old}" in said, said
    assert f"{far} is not reached, and what it runs is not known (it ran web {old} " in said, said
    assert pair.version(pair.near) == "v1"
    for verb in (("deploy", *SECOND), ("rollback",)):
        refused = shipit.run(*verb)
        assert refused.returncode == 1 and far in refused.stderr, refused.stdout + refused.stderr
    assert pair.image(pair.near) == old

    pair.cable.plug()
    again = shipit.run("deploy", *THIRD)
    assert again.returncode == 0, again.stdout + again.stderr
    assert pair.versions == ["v2", "v2"]
    kept = pair.image(pair.near)

    # The near host is the first one now, and has the release before the other one is lost.
    file = shipit.folder / "deploy.yml"
    text = file.read_text().replace(f'"{far}", "{near}"', f'"{near}", "{far}"')
    file.write_text(text.replace("settle: 1s", "settle: 1s, on_failure: rollback"))
    moved = shipit.run("deploy", *THIRD)
    assert moved.returncode == 0, moved.stdout + moved.stderr
    said, _ = pair.lose_while_it_is_replaced("v3")
    assert "rolling back failed, too" in said, said
    assert f"when it failed: {near} runs the new release" in said, said
    assert f"{near} runs what ran before: web {kept}" in said, said
    assert f"{far} is not reached, and what it runs is not known (it ran web {kept} " in said, said
    assert pair.version(pair.near) == "v2"
    pair.cable.plug()
    last = shipit.run("deploy", *THIRD)
    assert last.returncode == 0, last.stdout + last.stderr
    assert pair.versions == ["v3", "v3"]
