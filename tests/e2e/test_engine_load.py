"""`shipit build --load`: docker run finds the image in the engine, whoever built it; and docker load reads --save."""

from __future__ import annotations

import io
import json
import random
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.engine import DockerEngine
from tests.servers.install import find
from tests.servers.killing import HeldEngine
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


def short_id(app: Shipit, name: str) -> str:
    """The first digits of an image's id, as the engine gives it."""
    done = docker(app, "image", "inspect", "--format", "{{.Id}}", name)
    return done.stdout.decode().strip().removeprefix("sha256:")[:12]


def test_a_natively_built_image_is_in_the_engine_under_each_of_its_names(app: Shipit) -> None:
    done = app.run("build", "--load")
    assert done.returncode == 0, done.stderr
    assert f"loaded {', '.join(NAMES)}  {short_id(app, NAMES[0])}  " in done.stderr
    assert {greeting(app, name) for name in NAMES} == {app.folder.parent.name.encode()}
    again = app.run("build", "--load")
    assert again.returncode == 0 and f"tagged {', '.join(NAMES)}" in again.stderr, again.stderr


def test_only_a_changed_layer_is_sent(app: Shipit) -> None:
    assert app.run("build", "--load").returncode == 0
    app.write(greeting="changed")
    code, events = app.events("build", "--load")
    assert code == 0
    [built] = [event for event in events if event["event"] == "images_built"]
    [loaded] = built["loaded"]
    assert loaded["sent_layers"] == 1 < loaded["layers"] and loaded["sent_bytes"] < 20_000
    assert loaded["id"].removeprefix("sha256:").startswith(short_id(app, NAMES[0]))
    assert {greeting(app, name) for name in NAMES} == {b"changed"}
    # The engine has every blob: it can save the image, and push it.
    saved = docker(app, "save", NAMES[0])
    assert saved.returncode == 0, saved.stderr
    with tarfile.open(fileobj=io.BytesIO(saved.stdout)) as tar:
        [row] = json.load(tar.extractfile("manifest.json") or io.BytesIO())
        assert len(row["Layers"]) == loaded["layers"] and set(row["Layers"]) <= set(tar.getnames())


def test_layers_of_a_base_that_the_engine_has_are_not_downloaded(
    app: Shipit, registry_server: RegistryServer, python_base: str
) -> None:
    pulled = docker(app, "pull", f"{python_base}/library/python:3.12-alpine")
    assert pulled.returncode == 0, pulled.stderr
    app.write(Dockerfile='FROM python:3.12-alpine\nCOPY --link greeting /\nCMD ["cat", "/greeting"]\n')
    code, events = app.events("build", "--load")
    assert code == 0
    [loaded] = next(event for event in events if event["event"] == "images_built")["loaded"]
    assert loaded["sent_layers"] == 1
    assert greeting(app, NAMES[0]) == app.folder.parent.name.encode()


def test_an_archive_without_its_layers_is_refused_and_the_image_is_completed(app: Shipit) -> None:
    """What `docker load` leaves of an image that it could not unpack does not count as the image."""
    assert app.run("build", "--save", "shop.tar").returncode == 0
    app.write(greeting="changed")
    assert app.run("build", "--save", "changed.tar").returncode == 0
    refused = docker(app, "load", input_bytes=without_layers(app.folder / "changed.tar"))
    assert refused.returncode != 0 or b"no such file" in refused.stderr or b"not found" in refused.stderr
    done = app.run("build", "--load")
    assert done.returncode == 0 and f"loaded {', '.join(NAMES)}" in done.stderr, done.stderr
    assert {greeting(app, name) for name in NAMES} == {b"changed"}


def without_name(app: Shipit) -> list[bytes]:
    """The images without a name, which the engine lists in any order."""
    return sorted(docker(app, "images", "--filter", "dangling=true", "--quiet").stdout.split())


def test_a_load_that_was_cut_off_sends_only_what_did_not_arrive(app: Shipit) -> None:
    """The bytes of the second attempt are counted: those of whole layers that arrived are not sent again."""
    part, total = 9_000_000, 27_000_000
    for name in ("first", "second", "third"):
        (app.folder / name).write_bytes(random.Random(f"{app.folder}{name}").randbytes(part))
    app.write(Dockerfile="FROM scratch\nCOPY first /\nCOPY second /\nCOPY third /\nCMD ['/x']\n")
    unnamed = without_name(app)
    usual, held = app.env["DOCKER_HOST"], HeldEngine(app.env["DOCKER_HOST"])
    try:
        app.env["DOCKER_HOST"] = held.host
        held.cut_after(part + part // 2)
        cut = app.run("build", "--load")
        assert cut.returncode == 1 and "lost the connection" in cut.stderr, cut.stderr
        held.heal()
        code, events = app.events("build", "--load")
        sent = held.sent
    finally:
        app.env["DOCKER_HOST"] = usual
        held.stop()
    [loaded] = next(event for event in events if event["event"] == "images_built")["loaded"]
    assert code == 0 and loaded["sent_layers"] == 2
    assert loaded["sent_bytes"] <= sent < total - part + 100_000
    layers = docker(app, "image", "inspect", "--format", "{{len .RootFS.Layers}}", NAMES[0]).stdout
    assert layers.strip() == b"3"
    assert without_name(app) == unnamed, "no part is left"


def without_layers(file: Path) -> bytes:
    """The archive without the blobs of its layers."""
    kept = io.BytesIO()
    with tarfile.open(file) as tar, tarfile.open(fileobj=kept, mode="w") as rest:
        files = {info.name: (info, getattr(tar.extractfile(info), "read", bytes)()) for info in tar}
        [row] = json.loads(files["manifest.json"][1])
        for name, (info, data) in files.items():
            if name not in row["Layers"]:
                rest.addfile(info, io.BytesIO(data))
    return kept.getvalue()


def test_an_image_for_another_architecture_is_loaded_with_a_warning(app: Shipit) -> None:
    app.write(
        deploy__yml="app: shop\nimage: {repository: registry.example/load/shop, tags: [v1, latest],"
        " build: {platforms: [linux/arm64]}}\n",
        Dockerfile="FROM scratch\nCOPY greeting /\n",
    )
    done = app.run("build", "--load")
    assert done.returncode == 0, done.stderr
    assert "shop is for linux/arm64, which the engine (linux/amd64" in done.stderr
    shown = docker(app, "image", "inspect", "--format", "{{.Architecture}}", NAMES[0])
    assert shown.stdout.strip() == b"arm64"


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
