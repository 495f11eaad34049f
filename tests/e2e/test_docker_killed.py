"""A deploy to a real engine that is ended by a signal beside any of its writes; the next one completes it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.test_docker_hosts import SECRET, Host
from tests.e2e.test_killed import NEVER, SIGNALS, was_ended
from tests.in_process import InProcess
from tests.sampled import sampled
from tests.servers.engine import DockerEngine
from tests.servers.killing import HeldEngine
from tests.waits import SOON_S, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.registry]

TARGET = "keep: 1, services: {web: {port: 3000, health: /healthz, grace: 1s}}"
WRITES = rb"(POST|PUT|DELETE) "
# The lock is given back last.
LAST_WRITES = 1
# The one that runs, and that of the healthy release before.
MOST_CONTAINERS = 2


class Killed:
    """An app on an engine, whose answers can be held back. The image is sent to the engine without a registry."""

    def __init__(self, shipit: InProcess, engine: DockerEngine, mirror: str) -> None:
        self.shipit, self.held, self.number = shipit, HeldEngine(engine.host), 0
        shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={mirror}", "TOKEN": SECRET}
        self.host = Host(shipit, engine, "", "killed", TARGET, self.held.host)
        with (shipit.folder / "deploy.yml").open("a") as file:
            file.write("release: [python, -c, \"print('migrated')\"]\n")

    @property
    def version(self) -> str:
        return f"v{self.number}"

    def write(self) -> None:
        self.number += 1
        self.host.write(self.version)

    def deploy(self) -> None:
        done = self.shipit.run("deploy", "--wait", "1m")
        assert done.returncode == 0, done.stdout + done.stderr

    def deploy_and_end(self, last: int, number: signal.Signals) -> tuple[int, str]:
        """The next version, ended when the engine has done the write of this number, whose answer never comes."""
        self.write()
        done = self.held.hold(WRITES, last)
        process = self.shipit.start("deploy", "--wait", "1m")
        wait_until("the write is done", lambda: done.is_set() or process.poll() is not None, within_s=180)
        sent_s = time.monotonic()
        process.send_signal(number)
        said = "".join(process.communicate(timeout=120))
        assert time.monotonic() - sent_s < SOON_S, said
        return process.returncode, said

    def unlock(self) -> None:
        """Break the lock that a killed run has left, which is free by itself after its time."""
        done = self.shipit.run("unlock", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr

    def check(self, case: object) -> None:
        [running] = self.host.running
        assert self.host.get(running) == f"{self.version} {SECRET}", case
        plan = self.shipit.run("plan", "--exit-code")
        assert plan.returncode == 0, f"{case}: {plan.stdout}"

    def clean(self) -> None:
        self.held.stop()
        self.host.clean()


@pytest.fixture
def killed(in_process: InProcess, engine: DockerEngine, python_base: str) -> Iterator[Killed]:
    made = Killed(in_process, engine, python_base)
    yield made
    made.clean()


@pytest.mark.sampled
def test_a_deploy_that_a_signal_ends_beside_any_write_is_completed_by_the_next(killed: Killed) -> None:
    killed.write()
    killed.deploy()
    killed.held.hold(WRITES, NEVER)
    killed.write()
    killed.deploy()
    total = NEVER - killed.held.left
    assert total > 8
    killed.check("without a signal")
    cases = [(write, number) for write in range(1, total + 1) for number in SIGNALS]
    for case in sampled(cases, 3, of="docker"):
        write, number = case
        code, said = killed.deploy_and_end(*case)
        assert was_ended(code, number, is_last=write > total - LAST_WRITES), f"{case} of {total}\n{said}"
        killed.unlock()
        killed.deploy()
        killed.check(case)
    # What an ended deploy would have removed goes with the next change.
    killed.write()
    killed.deploy()
    assert len(killed.host.names()) <= MOST_CONTAINERS
