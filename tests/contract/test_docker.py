"""The kind docker keeps the contract, on a real engine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.testing.case import SECRETS, Case
from shipit.testing.contract import TargetContract
from tests.contract.test_targets import SERVING, Tags
from tests.sampled import every_second
from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.shipit import PYTHON_DOCKERFILE

KEYS = "port: 8000, grace: 0s"


class Docker:
    """The docker command on an engine, and the containers of one app there."""

    def __init__(self, engine: DockerEngine, app: str) -> None:
        self.host = engine.host
        self.app = app

    def run(self, *words: str) -> str:
        command = [find("docker"), "--host", self.host, *words]
        return subprocess.run(command, capture_output=True, check=True, text=True, timeout=120).stdout.strip()

    def names(self, *filters: str) -> list[str]:
        """The containers of the app, the oldest first."""
        label = f"label=dev.shipit.app={self.app}"
        words = [word for one in (label, *filters) for word in ("--filter", one)]
        return self.run("ps", "--all", *words, "--format", "{{.Names}}").split()[::-1]

    def state(self) -> str:
        """What differs after each write: containers, networks, and volumes but for the lock."""
        form = "{{.Id}} {{.Name}} {{.State.Status}} {{.State.StartedAt}}"
        names = self.names()
        containers = self.run("inspect", "--format", form, *names) if names else ""
        volumes = self.run("volume", "ls", "--quiet", "--filter", f"label=dev.shipit.app={self.app}").split()
        networks = self.run("network", "ls", "--quiet", "--filter", f"label=dev.shipit.app={self.app}")
        return "\n".join([containers, networks, *(name for name in volumes if "-lock-" not in name)])

    def bring_back_the_first(self) -> None:
        for name in self.names("status=running"):
            self.run("stop", "--time", "0", name)
        self.run("start", self.names()[0])

    def set_mode(self) -> None:
        """The container that runs, with another value of MODE."""
        [name] = self.names("status=running")
        [found] = json.loads(self.run("inspect", name))
        config = found["Config"]
        env = [pair for pair in config["Env"] if not pair.startswith("MODE=")]
        words = [word for pair in [*env, "MODE=rival"] for word in ("--env", pair)]
        words += [word for key, value in config["Labels"].items() for word in ("--label", f"{key}={value}")]
        self.run("rm", "--force", name)
        network = found["HostConfig"]["NetworkMode"]
        self.run("run", "--detach", "--name", name, "--network", network, *words, config["Image"])

    def clean(self) -> None:
        if names := self.names():
            self.run("rm", "--force", *names)
        for kind in ("volume", "network"):
            if found := self.run(kind, "ls", "--quiet", "--filter", f"label=dev.shipit.app={self.app}").split():
                self.run(kind, "rm", *found)


@every_second(1)
class TestDocker(TargetContract):
    """The contract, on an engine of the oldest release that is supported."""

    @pytest.fixture
    def case(
        self, tmp_path: Path, engine: DockerEngine, registry_server: RegistryServer, python_base: str
    ) -> Iterator[Case]:
        name = "app" + "".join(letter for letter in tmp_path.name.lower() if letter.isalnum())[-40:]
        docker = Docker(engine, name)
        text = (
            f"app: {name}\nimage: {registry_server.host}/{name}\n{SECRETS}"
            f"targets: {{docker: {{hosts: ['{engine.host}'], {KEYS}, settle: 0s}}}}\n"
        )

        def more(text: str) -> str:
            services = f"services: {{{name}: {{{KEYS}}}, second: {{command: [sleep, '9999'], grace: 0s}}}}"
            return text.replace(KEYS, services)

        with Case(
            tmp_path,
            text,
            lambda: hash(docker.state()),
            docker.bring_back_the_first,
            {"SHIPIT_MIRRORS": f"docker.io={python_base}"},
            docker.set_mode,
            Tags(registry_server.host, name).latest,
            **SERVING,
            dockerfile=PYTHON_DOCKERFILE.replace("scratch", "python:3.12-alpine"),
            more=more,
            left="second",
        ) as case:
            yield case
        docker.clean()
