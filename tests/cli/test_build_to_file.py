"""`shipit build --save`: one tar, which skopeo and crane read in both of its forms."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.servers.install import crane, find
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

DOCKERFILE = 'FROM scratch\nCOPY greeting /\nCMD ["/greeting"]\n'


@pytest.fixture
def app(shipit: Shipit) -> Shipit:
    shipit.write(
        deploy__yml="app: shop\nimage: {repository: registry.example/team/shop, tags: [v1, latest]}\n",
        Dockerfile=DOCKERFILE,
        greeting="hello",
    )
    return shipit


@pytest.fixture
def pair(app: Shipit) -> Shipit:
    """An app with two images that have the same tags, and one without a repository."""
    app.write(
        deploy__yml="app: shop\nimages:\n"
        "  web: {repository: registry.example/team/web, tags: [v1]}\n"
        "  jobs: {repository: registry.example/team/jobs, tags: [v1], build: {dockerfile: Dockerfile.jobs}}\n"
        "  local: {build: .}\n",
        Dockerfile__jobs=DOCKERFILE + "LABEL of=jobs\n",
    )
    return app


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {info.name: getattr(tar.extractfile(info), "read", bytes)() for info in tar}


def config_digest(app: Shipit, image: str = "") -> str:
    return app.run("build", *([image] if image else [])).stdout.split()[1]


def inspected(app: Shipit, reference: str) -> bytes:
    command = [find("skopeo"), "inspect", "--config", "--raw", reference]
    return subprocess.run(command, capture_output=True, check=True, cwd=app.folder).stdout


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_every_blob_of_the_file_has_its_digest_and_both_forms_name_the_image(app: Shipit) -> None:
    done = app.run("build", "--save", "shop.tar")
    assert done.returncode == 0, done.stderr
    assert "saved shop.tar" in done.stderr
    found = members(app.folder / "shop.tar")
    blobs = {name: data for name, data in found.items() if name.startswith("blobs/sha256/")}
    assert len(blobs) == 3 and all(name.endswith(sha256(data).partition(":")[2]) for name, data in blobs.items())
    [row] = json.loads(found["manifest.json"])
    names = ["registry.example/team/shop:v1", "registry.example/team/shop:latest"]
    assert row["RepoTags"] == names and row["Config"].endswith(config_digest(app).partition(":")[2])
    rows = json.loads(found["index.json"])["manifests"]
    assert [row["annotations"]["io.containerd.image.name"] for row in rows] == names
    assert [row["annotations"]["org.opencontainers.image.ref.name"] for row in rows] == ["v1", "latest"]
    assert {row["digest"] for row in rows} < {sha256(data) for data in blobs.values()}
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}


def test_the_same_image_gives_the_same_bytes_whichever_way_the_file_is_named(app: Shipit) -> None:
    for words in (["--save", "a.tar"], ["--output", "b.tar"], ["--output=./c.tar"], ["--output", "./d.img"]):
        assert app.run("build", *words).returncode == 0
    app.env["SHIPIT_CACHE_DIR"] += "-of-another-machine"
    assert app.run("build", "--save", "e.tar").returncode == 0
    assert len({(app.folder / name).read_bytes() for name in ("a.tar", "b.tar", "c.tar", "d.img", "e.tar")}) == 1
    to_pipe = subprocess.run(
        [sys.executable, "-m", "shipit", "build", "--save", "-"],
        cwd=app.folder, env=app.env, capture_output=True, check=True,
    )  # fmt: skip
    assert to_pipe.stdout == (app.folder / "a.tar").read_bytes()
    assert config_digest(app) in to_pipe.stderr.decode()


@pytest.mark.tools
def test_skopeo_reads_both_forms(app: Shipit) -> None:
    app.run("build", "--save", "shop.tar")
    expected = config_digest(app)
    name = "registry.example/team/shop:v1"
    for reference in ("oci-archive:shop.tar:v1", f"docker-archive:shop.tar:{name}", "docker-archive:shop.tar"):
        assert sha256(inspected(app, reference)) == expected, reference


@pytest.mark.tools
def test_skopeo_finds_each_of_several_images_by_its_whole_name(pair: Shipit) -> None:
    code, events = pair.events("build", "--save", "all.tar")
    assert code == 0
    [built] = [event for event in events if event["event"] == "images_built"]
    assert built["file"] == "all.tar"
    assert built["names"] == [
        "registry.example/team/web:v1",
        "registry.example/team/jobs:v1",
        "docker.io/library/shop-local:latest",
    ]
    for name, image in zip(built["names"], built["images"], strict=True):
        for form in ("oci-archive", "docker-archive"):
            assert sha256(inspected(pair, f"{form}:all.tar:{name}")) == image["config_digest"], (form, name)


@pytest.mark.tools
def test_crane_pushes_the_file_and_the_registry_has_the_same_image(
    app: Shipit, registry_server: RegistryServer
) -> None:
    app.run("build", "--save", "shop.tar")
    reference = f"{registry_server.host}/from-file/shop:v1"
    for words in (["push", "shop.tar", reference], ["validate", "--tarball", "shop.tar"]):
        subprocess.run([crane(), *words], cwd=app.folder, check=True, capture_output=True)
    config = subprocess.run([crane(), "config", reference], check=True, capture_output=True).stdout
    assert sha256(config) == config_digest(app)


def test_layers_of_a_base_are_fetched_into_the_file(
    app: Shipit, registry_server: RegistryServer, python_base: str
) -> None:
    app.env["SHIPIT_MIRRORS"] = f"docker.io={python_base}"
    app.write(Dockerfile="FROM python:3.12-alpine\nCOPY --link greeting /\n")
    assert app.run("build", "--save", "shop.tar").returncode == 0
    found = members(app.folder / "shop.tar")
    [row] = json.loads(found["manifest.json"])
    config = json.loads(found[row["Config"]])
    assert len(row["Layers"]) == len(config["rootfs"]["diff_ids"]) == 2
    assert all(len(found[layer]) for layer in row["Layers"])


def test_a_failed_build_leaves_the_earlier_file(app: Shipit) -> None:
    (app.folder / "shop.tar").write_text("earlier")
    app.write(Dockerfile="FROM scratch\nCOPY nowhere /\n")
    assert app.run("build", "--save", "shop.tar").returncode == 1
    assert (app.folder / "shop.tar").read_text() == "earlier"
    assert not list(app.folder.glob(".shipit-*"))


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (
            ["--output", "tar"],
            "'tar' should be one of auto, plain, json, github, or a file whose name ends in .tar",
            "",
        ),
        (["--save", "a.tar", "--output", "b.tar"], "--save a.tar and --output b.tar name two files", "name one"),
        (["--save", "none/a.tar"], "none/a.tar: its folder does not exist", "create none first"),
        (["--output", "./"], "should be a regular file", "name a file, or - for standard output"),
        (["--save", "/dev/null"], "/dev/null: should be a regular file", "- for standard output"),
        (["--save", "-", "--output", "json"], "standard output can't hold both a tar and --output json", "name a file"),
    ],
)
def test_a_file_that_can_not_be_written_is_an_error_before_the_build(
    app: Shipit, words: list[str], error: str, hint: str
) -> None:
    done = app.run("build", *words)
    assert done.returncode == 2
    assert error in done.stderr and hint in done.stderr
    assert "build shop" not in done.stderr


def test_another_command_takes_formats_only(app: Shipit) -> None:
    refused = app.run("status", "--output", "shop.tar")
    assert refused.returncode == 2 and "'shop.tar' should be one of auto, plain, json, github" in refused.stderr


def test_a_terminal_gets_no_tar(app: Shipit) -> None:
    code, shown = app.converse(["build", "--output", "-"], [])
    assert code == 2 and "a tar is not written to a terminal" in shown


def test_no_engine_is_one_error(app: Shipit) -> None:
    app.env["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    done = app.run("build", "--load")
    assert done.returncode == 1
    assert "no Docker engine answers at" in done.stderr and "hint: start Docker" in done.stderr


def test_engine_without_load_is_an_error(app: Shipit) -> None:
    done = app.run("build", "--engine", "elsewhere")
    assert done.returncode == 2
    assert "--engine names an engine to load into" in done.stderr and "hint: add --load" in done.stderr


def test_a_context_that_does_not_exist_is_one_error(app: Shipit) -> None:
    done = app.run("build", "--load", "--engine", "elsewhere")
    assert done.returncode == 1
    assert "there is no docker context 'elsewhere'" in done.stderr
    assert "hint: start the engine there, or name another one; docker context ls lists the contexts" in done.stderr


def test_load_without_an_engine_says_how_to_name_one(app: Shipit) -> None:
    app.env["DOCKER_HOST"] = "unix:///nowhere.sock"
    done = app.run("build", "--load")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "no Docker engine answers at unix:///nowhere.sock (DOCKER_HOST): no such file or directory",
        "hint: start Docker, or name an engine that runs: --engine, or DOCKER_HOST",
    ]
