"""The cache during deploys: damaged, full, or too large. A deploy recovers, or fails before it pushes anything."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.digest import Digest
from tests.image.hostile import HostileRegistry, tar_of
from tests.shipit import Shipit


@pytest.fixture
def registry() -> Iterator[HostileRegistry]:
    with HostileRegistry() as server:
        server.image("base", tar_of({"etc/": "", "etc/app": "app"}))
        yield server


@pytest.fixture
def app(shipit: Shipit, registry: HostileRegistry) -> Shipit:
    (shipit.folder / "large").write_bytes(random.Random(1).randbytes(1_000_000))
    shipit.write(
        Dockerfile=f"FROM {registry.host}/base:v1\nCOPY large /x/\nCOPY --from={registry.host}/base:v1 /etc/app /y\n"
    )
    name(shipit, registry, "app")
    return shipit


def name(shipit: Shipit, registry: HostileRegistry, repository: str) -> None:
    shipit.write(deploy__yml=f"app: app\nimage: {{repository: {registry.host}/{repository}, tags: [v1]}}\ntargets: {{hub: }}\n", __dockerignore="deploy.yml\n")  # fmt: skip


def blobs(shipit: Shipit) -> list[Path]:
    return sorted(Path(shipit.env["SHIPIT_CACHE_DIR"], "blobs/sha256").iterdir())


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "garbage": lambda data: bytes(len(data)),
    "longer": lambda data: data + b"x",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_built_or_fetched_again(app: Shipit, registry: HostileRegistry, damage: str) -> None:
    assert app.run("push").returncode == 0
    first = registry.tags["app", "v1"]
    for path in blobs(app):
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    name(app, registry, "again")
    done = app.run("push", "--output", "plain", timeout_s=60)
    assert done.returncode == 0, done.stderr
    assert registry.tags["again", "v1"] == first
    warned = [line for line in done.stderr.splitlines() if "removed a damaged file of the cache" in line]
    assert warned and len(warned) == len(set(warned)) <= len(blobs(app))
    quiet = app.run("push", "--output", "plain", timeout_s=60)
    assert quiet.returncode == 0 and "damaged" not in quiet.stderr


def test_a_full_cache_fails_before_anything_is_pushed(app: Shipit, registry: HostileRegistry) -> None:
    """A limit on the size of files simulates a full disk."""
    command = ["sh", "-c", "ulimit -f 100; exec $0 -m shipit push", sys.executable]
    done = subprocess.run(command, cwd=app.folder, env=app.env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    cache = app.env["SHIPIT_CACHE_DIR"]
    assert f"{cache}: the cache is full: " in done.stderr and "SHIPIT_CACHE_DIR" in done.stderr
    assert not [name for name, _ in (*registry.manifests, *registry.tags) if name == "app"]
    assert app.run("push").returncode == 0


def test_a_deploy_shrinks_the_cache_to_its_limit(app: Shipit, registry: HostileRegistry) -> None:
    app.env["SHIPIT_CACHE_MAX"] = "200KiB"
    for _ in range(2):
        assert app.run("push").returncode == 0
        files = [path for path in Path(app.env["SHIPIT_CACHE_DIR"]).rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) <= 201 * 1024
    manifest = json.loads(registry.manifests["app", registry.tags["app", "v1"]][1])
    for row in (manifest["config"], *manifest["layers"]):
        assert Digest(row["digest"]).matches(registry.blobs[row["digest"]])


@pytest.mark.parametrize("value", ["x", "-1", "0", "10 apples", "1e9", "9" * 30])
def test_a_limit_that_is_not_a_size_is_refused(app: Shipit, value: str) -> None:
    app.env["SHIPIT_CACHE_MAX"] = value
    done = app.run("push")
    assert done.returncode == 2
    assert "SHIPIT_CACHE_MAX should be a size such as 500MiB or 20GiB" in done.stderr
