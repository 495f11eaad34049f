"""Images as the uses of a run have them: which digest each is pinned to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.delivery.images import Prepared, build_images, prepare_uses
from shipit.digest import Digest
from shipit.release import ImageUse
from tests import runs
from tests.image.hostile import HostileRegistry, tar_of


@pytest.fixture
def registry() -> Iterator[HostileRegistry]:
    with HostileRegistry() as server:
        yield server


def prepared(folder: Path, registry: HostileRegistry, image: str, command: tuple[str, ...] | None = None) -> Prepared:
    """The one use of an image that is not published."""
    process_environment = runs.environment(folder)
    text = f"app: app\nimages: {{web: {image}}}\n".replace("HOST", registry.host)
    dockerfile = f"FROM {registry.host}/base:v1\nCOPY hello.txt /\n"
    loaded = runs.project(folder, text, process_environment, dockerfile=dockerfile)
    run = runs.run(loaded, process_environment, [])
    use = ImageUse("web", f"{registry.host}/web", "oci", "linux/amd64", command, publish=False)
    try:
        return prepare_uses(run.delivery, [use], build_images(run.delivery, [use]))[use]
    finally:
        run.close()


@pytest.mark.parametrize("command", [None, ("run", "it")])
def test_an_image_that_is_not_published_is_pinned_to_its_own_digest(
    tmp_path: Path, registry: HostileRegistry, command: tuple[str, ...] | None
) -> None:
    base = registry.image("base", tar_of({"etc/": ""}))
    found = prepared(tmp_path, registry, "{repository: HOST/web}", command)
    assert found.image.manifest_digest == Digest.of(found.built.manifest("oci")) != base
    assert found.image.config_digest == found.built.config_digest
    assert found.built.runtime.get("Cmd") == (list(command) if command else None)
    assert found.is_published and not found.new_tags


@pytest.mark.parametrize("layers", [0, 1])
def test_an_image_that_is_used_as_it_is_keeps_its_digest(
    tmp_path: Path, registry: HostileRegistry, layers: int
) -> None:
    digest = registry.image("web", *[tar_of({"etc/": ""})] * layers)
    found = prepared(tmp_path, registry, "{use: 'HOST/web:v1'}")
    assert found.image.pinned == f"{registry.host}/web@{digest}"
    assert found.image.config_digest == found.built.config_digest
