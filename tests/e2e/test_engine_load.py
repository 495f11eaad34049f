"""`shipit build --load`: docker run finds the image in the engine, whoever built it; and docker load reads --save."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]

NATIVE = 'FROM python:3.12-alpine\nCOPY greeting /\nCMD ["cat", "/greeting"]\n'
WITH_RUN = 'FROM python:3.12-alpine\nRUN echo built > /greeting\nCMD ["cat", "/greeting"]\n'
NAMES = ["registry.example/load/shop:v1", "registry.example/load/shop:latest"]


@pytest.fixture(params=["engine", "modern_engine"])
def app(
    request: pytest.FixtureRequest, shipit: Shipit, registry_server: RegistryServer, python_base: str
) -> Iterator[Shipit]:
    """An app and an engine: one with its own image store, and one with containerd's."""
    server: DockerEngine = request.getfixturevalue(request.param)
    shipit.env |= {"DOCKER_HOST": server.host, "SHIPIT_MIRRORS": f"docker.io={python_base}"}
    shipit.write(
        deploy__yml="app: shop\nimage: {repository: registry.example/load/shop, tags: [v1, latest]}\n",
        Dockerfile=NATIVE,
        greeting=shipit.folder.parent.name,
    )
    yield shipit
    for name in NAMES:
        docker(shipit, "rmi", "--force", name)


def docker(app: Shipit, *words: str, input_bytes: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [find("docker"), "--host", app.env["DOCKER_HOST"], *words]
    return subprocess.run(command, capture_output=True, check=False, input=input_bytes)


def greeting(app: Shipit, name: str) -> bytes:
    """What the command of an image prints."""
    done = docker(app, "run", "--rm", "--network", "none", name)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_natively_built_image_is_in_the_engine_under_each_of_its_names(app: Shipit) -> None:
    done = app.run("build", "--load")
    assert done.returncode == 0, done.stderr
    assert f"loaded {', '.join(NAMES)}" in done.stderr
    assert {greeting(app, name) for name in NAMES} == {app.folder.parent.name.encode()}
    again = app.run("build", "--load")
    assert again.returncode == 0 and f"tagged {', '.join(NAMES)}" in again.stderr, again.stderr


def test_an_image_that_the_engine_built_is_tagged(app: Shipit) -> None:
    app.write(Dockerfile=WITH_RUN)
    done = app.run("build", "--load")
    assert done.returncode == 0, done.stderr
    assert f"tagged {', '.join(NAMES)}" in done.stderr
    assert {greeting(app, name) for name in NAMES} == {b"built"}


def test_docker_load_reads_the_file_with_all_names(app: Shipit) -> None:
    assert app.run("build", "--output", "shop.tar").returncode == 0
    loaded = docker(app, "load", input_bytes=(app.folder / "shop.tar").read_bytes())
    assert loaded.returncode == 0, loaded.stderr
    for name in NAMES:
        assert f"Loaded image: {name}" in loaded.stdout.decode()
    assert {greeting(app, name) for name in NAMES} == {app.folder.parent.name.encode()}
