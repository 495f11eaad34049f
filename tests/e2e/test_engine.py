"""Dockerfiles with RUN, built by a real engine, and what is said when one fails."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]


@pytest.fixture
def app(shipit: Shipit, engine: DockerEngine, registry_server: RegistryServer, python_base: str) -> Shipit:
    shipit.env["DOCKER_HOST"] = engine.host
    name = shipit.folder.parent.name.replace("_", "-").strip("-").lower()
    shipit.write(
        deploy__yml=f"app: built\nimage: {{repository: {registry_server.host}/{name}, tags: [v1], build: {{args: {{WHO: world}}}}}}\ntargets: {{hub: }}\n"
    )
    return shipit


def write(shipit: Shipit, host: str, *lines: str) -> None:
    shipit.write(Dockerfile="\n".join([f"FROM {host}/library/python:3.12-alpine", *lines]) + "\n")


def test_what_an_engine_built_is_pushed_by_shipit(
    app: Shipit, registry_server: RegistryServer, python_base: str
) -> None:
    write(app, python_base, "ARG WHO", "RUN echo hello $WHO > /greeting", 'CMD ["cat", "/greeting"]')
    done = app.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(the engine's BuildKit: RUN at Dockerfile:3)" in done.stderr
    repository = done.stdout.split()[2].split("@")[0]
    command = [find("skopeo"), "inspect", "--config", "--tls-verify=false", f"docker://{repository}:v1"]
    config = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert config["config"]["Cmd"] == ["cat", "/greeting"]
    assert len(config["rootfs"]["diff_ids"]) == 2
    again = app.run("deploy")
    assert "nothing changed" in again.stdout, again.stdout + again.stderr


def test_a_run_that_fails_is_shown_with_its_line_and_last_words(app: Shipit, python_base: str) -> None:
    write(app, python_base, "ENV A=1", "RUN echo before && echo no such package && exit 7")
    done = app.run("build")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert "Dockerfile:3: RUN ended with 7: echo before && echo no such package && exit 7" in lines
    assert "  no such package" in lines
    assert lines[-1] == "hint: the lines above are the last it wrote"


def test_a_base_that_is_not_there(app: Shipit, python_base: str) -> None:
    app.write(Dockerfile=f"FROM {python_base}/no/such:base\nRUN true\n")
    done = app.run("build")
    assert done.returncode == 1
    assert "not found" in done.stderr and "Traceback" not in done.stderr
