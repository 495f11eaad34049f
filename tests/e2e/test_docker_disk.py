"""A Docker host whose disk is full: an engine of its own on a small file system."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import started
from tests.e2e.test_docker_hosts import Host
from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]

SIZE = 40_000_000
DOCKERFILE = "FROM scratch\nCOPY busybox data /\nENTRYPOINT ['/busybox']\n".replace("'", '"')
WEB = "services: {web: {command: [sleep, '600'], grace: 0s}}"


@pytest.fixture
def full(shipit: Shipit, server_folder: Path) -> Iterator[tuple[Host, Path]]:
    """An app on the engine, and the folder of its disk."""
    folder = server_folder / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=True)
    try:
        engine = started(lambda: DockerEngine(folder, beside=True))
        try:
            shipit.env["TOKEN"] = "none"
            host = Host(shipit, engine, "", "full", WEB)
            shipit.write(Dockerfile=DOCKERFILE)
            shutil.copy(find("busybox"), shipit.folder)
            yield host, folder
        finally:
            engine.stop()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_named_with_its_space_and_what_ran_runs_on(full: tuple[Host, Path]) -> None:
    host, folder = full
    data = host.shipit.folder / "data"
    data.write_text("v1")
    first = host.shipit.run("deploy")
    assert first.returncode == 0, first.stdout + first.stderr
    running = host.running

    # The image is too large.
    data.write_bytes(random.Random(1).randbytes(SIZE))
    large = host.shipit.run("deploy", "--yes")
    assert large.returncode == 1 and "no space left on device" in large.stdout, large.stdout + large.stderr
    assert f" are free in {folder}" in large.stdout and f" of {host.engine.host}" in large.stdout, large.stdout
    assert "shipit prune docker" in large.stdout and "bigger disk" in large.stdout, large.stdout
    assert host.running == running

    # The container can't be created.
    data.write_text("v1")
    file = host.shipit.folder / "deploy.yml"
    file.write_text(f"env: {{MODE: other}}\n{file.read_text()}")
    with (folder / "filler").open("wb") as filler:
        fill(filler.fileno())
    created = host.shipit.run("deploy", "--wait", "1m")
    assert created.returncode == 1, created.stdout + created.stderr
    said = created.stdout + created.stderr
    assert "no space left on device" in said and f" are free in {folder}" in said, said
    assert host.running == running and host.names() == running
    (folder / "filler").unlink()
    again = host.shipit.run("deploy")
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(host.running) == 1 and host.running != running


def fill(file: int) -> None:
    for size in (1_000_000, 4096):
        try:
            while True:
                os.write(file, b"x" * size)
        except OSError:
            continue
