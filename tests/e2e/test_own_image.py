"""The image with shipit inside: built and pushed by shipit, then used as people use it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from shipit import __version__
from tests.sampled import only_deep
from tests.servers.engine import DockerEngine
from tests.servers.hub import DockerHub
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.shipit import ROOT, Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]


@pytest.mark.sampled
@only_deep
def test_shipit_builds_the_image_that_has_it_and_runs_from_it(
    shipit: Shipit, engine: DockerEngine, registry_server: RegistryServer, docker_hub: DockerHub, tmp_path: Path
) -> None:
    for name in (".dockerignore", "Dockerfile", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, shipit.folder / name)
    shutil.copytree(ROOT / "requirements", shipit.folder / "requirements")
    shutil.copytree(ROOT / "shipit", shipit.folder / "shipit", ignore=shutil.ignore_patterns("__pycache__"))
    image = f"{registry_server.host}/tools/shipit"
    # The base of the Dockerfile is pinned to a digest of Docker Hub's; the one here was made from what is installed.
    build = "{args: {BASE: 'python:3.12-slim'}}"
    shipit.write(
        deploy__yml=f"app: shipit\nimage: {{repository: {image}, tags: [v1], build: {build}}}\ntargets: {{hub: }}\n"
    )
    mirrors = f"docker.io={docker_hub.having('python:3.12-slim')}"
    shipit.env |= {"DOCKER_HOST": engine.host, "SHIPIT_MIRRORS": mirrors}
    done = shipit.run("deploy", timeout_s=500)
    assert done.returncode == 0, done.stdout + done.stderr

    project = tmp_path / "app"
    project.mkdir()
    (project / "Dockerfile").write_text("FROM scratch\nCOPY hello.txt /\n")
    (project / "hello.txt").write_text("hello\n")
    (project / "deploy.yml").write_text(
        f"app: inside\nimage: {{repository: {registry_server.host}/inside, tags: [v1]}}\ntargets: {{hub: }}\n"
    )
    run = [find("docker"), "run", "--rm", "--network", "host", "-v", f"{project}:/app", f"{image}:v1"]
    said = subprocess.run(
        [*run, "--version"], env={**os.environ, "DOCKER_HOST": engine.host}, capture_output=True, text=True, timeout=120
    )
    assert said.stdout.startswith(f"shipit {__version__} "), said.stderr
    pushed = subprocess.run(
        [*run, "deploy"], env={**os.environ, "DOCKER_HOST": engine.host}, capture_output=True, text=True, timeout=120
    )
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr
    assert registry_server.host in pushed.stdout
