"""`shipit prune` and `destroy --rmi` on a real engine that two environments and a foreign project share."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sampled import only_deep
from tests.servers.engine import DockerEngine, install_compose
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.registry]

SLEEP = "command: [sleep, '9999']"
DEPLOY = """\
app: stock
image: HOST/stock
targets:
  hosts: {kind: docker, hosts: ['ENGINE'], keep: 1, settle: 0s, pending: 3m, services: {web: {SLEEP, grace: 0s}}}
  stack: {kind: compose, host: 'ENGINE', keep: 1, settle: 0s, pending: 3m}
  swarm: {host: 'ENGINE', keep: 1, settle: 0s, pending: 3m, services: {tasks: {SLEEP, endpoint_mode: dnsrr, grace: 0s, update: {monitor: 1s}}}}
environments:
  staging: {targets: {hosts: {}, stack: {}}}
"""
OWN = {"dev.shipit.app": "stock", "dev.shipit.environment": "production"}


class Stock:
    """What one app and a foreign project have on an engine."""

    def __init__(self, shipit: Shipit, engine: DockerEngine, registry: str) -> None:
        self.shipit, self.docker, self.repository = shipit, engine.docker, f"{registry}/stock"
        text = DEPLOY.replace("ENGINE", engine.host).replace("HOST", registry).replace("SLEEP", SLEEP)
        compose = f"services: {{web: {{image: {self.repository}, {SLEEP}, stop_grace_period: 0s}}}}\n"
        shipit.write(deploy__yml=text, compose__yaml=compose)
        self.write("v1")

    def write(self, version: str, more: str = "") -> None:
        self.shipit.write(Dockerfile=f"FROM python:3.12-alpine\nCOPY version /\n{more}", version=f"stock {version}\n")

    def run(self, *words: str, code: int = 0) -> str:
        done = self.shipit.run(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def images(self) -> set[str]:
        """The digests of the images of the app's repository."""
        return set(self.docker("image", "ls", "--digests", "--format", "{{.Digest}}", self.repository).split())

    @property
    def containers(self) -> set[str]:
        """The names of the containers, without tasks of a swarm that have ended: Swarm removes those by itself."""
        row = '{{.Names}} {{.State}} {{.Label "com.docker.swarm.task.id"}}'
        rows = ([*line.split(" "), ""][:3] for line in self.docker("ps", "--all", "--format", row).splitlines())
        return {name for name, state, task in rows if not task or state == "running"}

    def version(self, environment: str, kind: str) -> str:
        """What the only container of a service has, that of Docker, Compose or Swarm."""
        label = {
            "hosts": "dev.shipit.target=hosts",
            "stack": "dev.shipit.target=stack",
            "swarm": "com.docker.swarm.service.name",
        }
        words = ["--filter", f"label={label[kind]}", "--filter", f"name=stock-{environment}"]
        # A container that was replaced may still be ending.
        wait_until(f"one container of {kind}", lambda: len(self.docker("ps", "--quiet", *words).split()) == 1)
        [name] = self.docker("ps", "--quiet", *words).split()
        return self.docker("exec", name, "cat", "/version")

    def clean(self) -> None:
        label = "label=dev.shipit.app=stock"
        for kind, words in (("service", []), ("container", ["--all"]), ("config", []), ("volume", []), ("network", [])):
            if found := self.docker(kind, "ls", *words, "--quiet", "--filter", label).split():
                self.docker(kind, "rm", *(["--force"] if kind == "container" else []), *found)


@pytest.fixture
def stock(
    shipit: Shipit, swarm: DockerEngine, registry_server: RegistryServer, python_base: str, tmp_path: Path
) -> Iterator[Stock]:
    install_compose(tmp_path / "docker-config")
    shipit.env |= {"SHIPIT_MIRRORS": f"docker.io={python_base}", "DOCKER_CONFIG": str(tmp_path / "docker-config")}
    found = Stock(shipit, swarm, registry_server.host)
    yield found
    found.clean()


@pytest.mark.sampled
@only_deep
def test_what_nothing_needs_goes_and_what_a_rollback_of_either_environment_needs_stays(
    stock: Stock, tmp_path: Path
) -> None:
    docker = stock.docker
    stock.run("deploy", "-e", "staging")
    stock.run("deploy")
    stock.write("v2")
    stock.run("deploy", "--yes")
    stock.write("v3 of staging")
    stock.run("deploy", "-e", "staging", "--yes")
    needed = stock.images
    assert len(needed) == 3
    # A deploy that fails leaves its image.
    stock.write("v4", 'ENTRYPOINT ["false"]\n')
    stock.run("deploy", "hosts", "--yes", code=1)
    [failed] = stock.images - needed
    # A container and a network of before, and the image, container and network of somebody else.
    own = [word for name, value in OWN.items() for word in ("--label", f"{name}={value}")]
    image = f"{stock.repository}@{failed}"
    of_target = ["--label", "dev.shipit.target=hosts", "--label", "dev.shipit.service=web"]
    docker("create", "--name", "stock-production-web-old", *own, *of_target, image)
    docker("network", "create", *own, "stock-production-old")
    tarfile.open(tmp_path / "foreign.tar", "w").close()
    docker("import", str(tmp_path / "foreign.tar"), "foreign:kept")
    docker("create", "--name", "foreign-stopped", "foreign:kept", "true")
    docker("network", "create", "foreign-net")
    others = stock.containers - {"stock-production-web-old"}
    try:
        refused = stock.run("prune", code=2)
        for text in (
            "container stock-production-web-old",
            image,
            "network stock-production-old",
            "not confirmed",
            "--yes",
        ):
            assert text in refused, refused
        assert failed in stock.images and "stock-production-web-old" in docker("ps", "--all", "--format", "{{.Names}}")

        code, events = stock.shipit.events("prune", "--yes")
        assert code == 0, events
        [plan] = [event["plan"] for event in events if event["event"] == "plan_made"]
        assert {own["target"]: len(own["steps"]) for own in plan["targets"]} == {"hosts": 1, "stack": 0, "swarm": 0}
        assert {event["state"] for event in events if event["event"] == "target_finished"} == {"pruned"}
        assert stock.images == needed and stock.containers == others
        networks = docker("network", "ls", "--format", "{{.Name}}").split()
        assert "stock-production-old" not in networks and {"foreign-net", "stock-production", "stock-staging"} <= set(
            networks
        )
        assert "nothing to remove" in stock.run("prune") and "nothing to remove" in stock.run("prune", "-e", "staging")

        assert "stock v1" not in {stock.version("production", kind) for kind in ("hosts", "stack", "swarm")}
        stock.run("rollback", "--yes")
        stock.run("rollback", "-e", "staging", "--yes")
        assert [stock.version("production", kind) for kind in ("hosts", "stack", "swarm")] == ["stock v1"] * 3
        assert [stock.version("staging", kind) for kind in ("hosts", "stack")] == ["stock v1"] * 2

        stock.run("destroy", "-e", "staging", "--yes", "--rmi")
        left = stock.images
        assert len(needed - left) == 1, "only the image that production does not need is gone"
        stock.run("destroy", "-e", "production", "--yes", "--rmi")
        assert stock.images == set()
        assert json.loads(docker("inspect", "foreign-stopped")) and docker("image", "ls", "--quiet", "foreign")
    finally:
        docker("rm", "foreign-stopped")
        docker("image", "rm", "foreign:kept")
        docker("network", "rm", "foreign-net")
