"""The kind compose keeps the contract, on a real engine and with the real Compose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.testing.case import SECRETS, Case
from shipit.testing.contract import TargetContract
from tests.contract.test_docker import Docker
from tests.contract.test_targets import SERVING, Tags
from tests.sampled import every_second
from tests.servers.engine import DockerEngine, install_compose
from tests.servers.registry import RegistryServer
from tests.shipit import PYTHON_DOCKERFILE

# Variables of deploy.yml reach the containers that ask for them.
SERVICE = "image: {image}, environment: [MODE, TOKEN, EXTRA, PORT=8000], stop_grace_period: 0s"


class Compose(Docker):
    """The docker command with Compose, and the containers of one project."""

    def __init__(self, engine: DockerEngine, app: str, folder: Path) -> None:
        super().__init__(engine, app)
        self.folder = folder
        self.config = folder / "docker-config"
        install_compose(self.config)

    def write(self, name: str, image: str, more: str = "") -> None:
        text = f"services:\n  app: {{{SERVICE.format(image=image)}}}\n{more}"
        (self.folder / name).write_text(text)

    def bring_back(self, image: str) -> None:
        """Somebody else starts the project with another image, and without shipit."""
        self.write("rival.yaml", image)
        self.run(
            "--config", str(self.config), "compose", "-p", self.app, "-f", str(self.folder / "rival.yaml"), "up", "-d"
        )

    def clean(self) -> None:
        super().clean()
        if networks := self.run(
            "network", "ls", "-q", "--filter", f"label=com.docker.compose.project={self.app}"
        ).split():
            self.run("network", "rm", *networks)


@every_second(0)
class TestCompose(TargetContract):
    """The contract, on an engine of the oldest release that is supported."""

    @pytest.fixture
    def case(
        self, tmp_path: Path, engine: DockerEngine, registry_server: RegistryServer, python_base: str
    ) -> Iterator[Case]:
        name = "app" + "".join(letter for letter in tmp_path.name.lower() if letter.isalnum())[-40:]
        compose = Compose(engine, name, tmp_path)
        image = f"{registry_server.host}/{name}"
        compose.write("compose.yaml", image)
        second = f"  second: {{{SERVICE.format(image=image)}, command: [sleep, '9999']}}\n"
        compose.write("two.yaml", image, second)
        tags = Tags(registry_server.host, name)
        keys = f"project: {name}, settle: 0s"
        text = (
            f"app: {name}\nimage: {image}\n{SECRETS}"
            f"targets: {{compose: {{host: '{engine.host}', file: compose.yaml, {keys}}}}}\n"
        )
        with Case(
            tmp_path,
            text,
            lambda: hash(compose.state()),
            lambda: compose.bring_back(f"{image}@{tags.first}"),
            {"SHIPIT_MIRRORS": f"docker.io={python_base}", "DOCKER_CONFIG": str(compose.config)},
            compose.set_mode,
            tags.latest,
            **SERVING,
            dockerfile=PYTHON_DOCKERFILE.replace("scratch", "python:3.12-alpine"),
            more=lambda text: text.replace("file: compose.yaml", "file: two.yaml"),
            left="second",
        ) as case:
            yield case
        compose.clean()
