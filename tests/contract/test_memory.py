"""A kind that another package brings: it keeps the contract, and commands take it as they take those of shipit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.memory import KIND
from shipit.rehearsal.memory.place import InMemoryPlace, kept_in
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.targets import kinds
from shipit.testing.case import SECRETS, Case
from shipit.testing.contract import TargetContract
from tests.contract.test_targets import Tags
from tests.shipit import Shipit

# A folder with the metadata of an installed package, as pip writes it.
PLUGIN = Path(__file__).parent.parent / "plugin"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package is installed while a test runs."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    kinds._installed.cache_clear()
    yield
    kinds._installed.cache_clear()


class TestMemory(TargetContract):
    """The contract, at a place in a file."""

    @pytest.fixture
    def case(self, tmp_path: Path, installed: None) -> Iterator[Case]:
        file = tmp_path / "memory.json"

        def change(how: Callable[[InMemoryPlace], None]) -> None:
            with kept_in(file) as place:
                how(place)
                place.author = "rival"

        def writes() -> int:
            with kept_in(file) as place:
                return len(place.writes)

        with (
            EmbeddedRegistry() as registry,
            Case(
                tmp_path,
                f"app: app\nimage: {registry.host}/app\n{SECRETS}targets: {{memory: {{settle: 0s}}}}\n",
                writes,
                lambda: change(lambda place: place.images.update(app="sha256:" + "f" * 64)),
                reset=lambda: change(lambda place: place.marks.update(MODE="rival")),
                latest=Tags(registry.host, "app").latest,
                who="rival",
            ) as case,
        ):
            yield case


def test_the_kind_is_found_by_its_entry_point(installed: None) -> None:
    assert kinds.find_kind("memory") is KIND
    assert [kind.name for kind in kinds.all_kinds()] == [
        "heroku",
        "kubernetes",
        "registry",
        "docker",
        "compose",
        "swarm",
        "memory",
    ]


def test_commands_take_a_kind_of_another_package(shipit: Shipit) -> None:
    with EmbeddedRegistry() as registry:
        shipit.write(
            Dockerfile="FROM scratch\nCOPY Dockerfile /\n",
            deploy__yml=f"app: shop\nimage: {registry.host}/shop\ntargets: {{memory: {{file: place.json}}}}\n",
        )
        refused = shipit.run("validate")
        shipit.env["PYTHONPATH"] += os.pathsep + str(PLUGIN)
        assert shipit.run("validate").stdout.startswith("deploy.yml is valid: 1 image, 1 target")
        done = shipit.run("deploy")
        again = shipit.run("deploy")
    assert (refused.returncode, done.returncode, again.returncode) == (2, 0, 0), done.stderr
    assert "memory: set shop ..." in done.stderr and "ok      memory  runs" in done.stdout
    assert "nothing changed, 1 of 1 targets healthy" in again.stdout
    assert list(json.loads((shipit.folder / "place.json").read_text())["images"]) == ["shop"]
    assert "memory.set" in json.loads(shipit.run("schema", "output").stdout)["$defs"]
    schema = shipit.run("schema").stdout
    assert "The file, relative to deploy.yml; made by the first deploy." in schema
