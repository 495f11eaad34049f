"""The kind swarm keeps the contract, on a real engine that manages a swarm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.testing.case import SECRETS, Case
from shipit.testing.contract import TargetContract
from tests.contract.test_targets import SERVING, Tags
from tests.sampled import every_second
from tests.servers.engine import DockerEngine
from tests.servers.registry import RegistryServer
from tests.shipit import PYTHON_DOCKERFILE

# The kernel of test machines may have no ip_vs, which virtual addresses need.
KEYS = "port: 8000, grace: 0s, endpoint_mode: dnsrr, update: {monitor: 0s}"


class Swarm:
    """The docker command on the manager of a swarm, and the services of one app there."""

    def __init__(self, engine: DockerEngine, app: str) -> None:
        self.engine = engine
        self.app = app
        self.first = ""

    def ids(self, kind: str) -> list[str]:
        return self.engine.docker(kind, "ls", "--quiet", "--filter", f"label=dev.shipit.app={self.app}").split()

    def state(self) -> str:
        """What differs after each write: services, networks, secrets, and configs but for the lock."""
        services = self.ids("service")
        form = "{{.ID}} {{.Version.Index}} {{json .Spec}}"
        found = self.engine.docker("service", "inspect", "--format", form, *services) if services else ""
        if services and not self.first:
            self.first = self.image(services[0])
        names = self.engine.docker(
            "config", "ls", "--format", "{{.ID}} {{.Name}}", "--filter", f"label=dev.shipit.app={self.app}"
        )
        configs = [line for line in names.splitlines() if "-lock-" not in line]
        return "\n".join([found, *configs, *self.ids("secret"), *self.ids("network")])

    def image(self, service: str) -> str:
        return self.engine.docker(
            "service", "inspect", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Image}}", service
        )

    def update(self, *words: str) -> None:
        self.engine.docker("service", "update", "--detach", "--quiet", *words, self.ids("service")[0])

    def clean(self) -> None:
        for kind in ("service", "config", "secret"):
            if found := self.ids(kind):
                self.engine.docker(kind, "rm", *found)


@every_second(0)
class TestSwarm(TargetContract):
    """The contract, on an engine of the oldest release that is supported."""

    @pytest.fixture
    def case(
        self, tmp_path: Path, swarm: DockerEngine, registry_server: RegistryServer, python_base: str
    ) -> Iterator[Case]:
        name = "app" + "".join(letter for letter in tmp_path.name.lower() if letter.isalnum())[-16:]
        place, tags = Swarm(swarm, name), Tags(registry_server.host, name)
        text = (
            f"app: {name}\nimage: {registry_server.host}/{name}\n{SECRETS}"
            f"targets: {{swarm: {{host: '{swarm.host}', {KEYS}, settle: 0s}}}}\n"
        )

        def more(text: str) -> str:
            second = "second: {command: [sleep, '9999'], grace: 0s, endpoint_mode: dnsrr, update: {monitor: 0s}}"
            return text.replace(KEYS, f"services: {{{name}: {{{KEYS}}}, {second}}}")

        def latest() -> str:
            place.state()
            return tags.latest()

        with Case(
            tmp_path,
            text,
            lambda: hash(place.state()),
            lambda: place.update("--image", place.first, "--no-resolve-image"),
            {"SHIPIT_MIRRORS": f"docker.io={python_base}"},
            lambda: place.update("--env-add", "MODE=rival"),
            latest,
            **SERVING,
            dockerfile=PYTHON_DOCKERFILE.replace("scratch", "python:3.12-alpine"),
            more=more,
            left="second",
            has_input=False,
        ) as case:
            yield case
        place.clean()
