"""What is suspicious in a file, and possible all the same, is a warning at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.config.load import load_project
from shipit.errors import ConfigErrors
from shipit.targets.kinds import KindModels
from tests.runs import environment

HEAD = "app: shop\nimage: user/shop\n"


def warnings(folder: Path, text: str) -> list[str]:
    (folder / "deploy.yml").write_text(text)
    project = load_project(folder / "deploy.yml", environment(folder), KindModels())
    return [
        f"{warning.where.removeprefix('deploy.yml:')} {warning.path}: {warning.what}" for warning in project.warnings
    ]


@pytest.mark.parametrize(
    ("process", "said"),
    [
        ("{quantity: 101}", ["3:48 targets.heroku.processes.web.quantity: is 101 dynos: is this intended?"]),
        ("{quantity: 2, size: Eco}", ["3:48 targets.heroku.processes.web.quantity: is 2, and Heroku runs one eco dyno of each process type"]),
        ("{size: standard-3x}", ["3:44 targets.heroku.processes.web.size: is not a known dyno size"]),
        ("{quantity: 100, size: Standard-1X}", []),
        ("{quantity: 0, size: basic}", []),
    ],
)  # fmt: skip
def test_processes_of_heroku(tmp_path: Path, process: str, said: list[str]) -> None:
    assert warnings(tmp_path, f"{HEAD}targets: {{heroku: {{processes: {{web: {process}}}}}}}\n") == said


MANIFEST = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: IMAGE}]}\n"
UNUSED = ["2:1 image: image shop is used by no target, so it is not built"]


@pytest.mark.parametrize(
    ("targets", "image", "said"),
    [
        ("{k8s: {manifests: [m.yml]}}", "other/shop:1", UNUSED),
        ("{k8s: {manifests: [m.yml]}}", "nginx", UNUSED),
        ("{k8s: {manifests: [m.yml]}}", "user/shop:1", []),
        ("{k8s: {manifests: [m.yml]}}", "docker.io/user/shop", []),
        ("{k8s: {manifests: [m.yml]}}", "shop", []),
        ("{k8s: {manifests: [m.yml]}, hub: }", "nginx", []),
        ("{k8s: {manifests: [m.yml]}, heroku: }", "nginx", []),
        ("{k8s: {manifests: [m.yml], workloads: {web: {}}}}", "nginx", []),
    ],
)
def test_an_image_that_no_target_uses(tmp_path: Path, targets: str, image: str, said: list[str]) -> None:
    (tmp_path / "m.yml").write_text(MANIFEST.replace("IMAGE", image))
    assert warnings(tmp_path, f"{HEAD}targets: {targets}\n") == said


@pytest.mark.parametrize(
    ("keys", "services", "said"),
    [
        ("", "{web: {image: nginx}, db: {image: 'postgres:16'}}", UNUSED),
        ("", "{web: {image: nginx}, app: {image: 'user/shop:1'}}", []),
        ("", "{shop: {image: nginx}}", UNUSED),
        ("", "{shop: {}}", []),
        ("", "{web: {build: .}}", []),
        ("", "{web: {image: 'nginx:${TAG}'}}", []),
        ("", "{web: {image: nginx, extends: {file: other.yaml, service: web}}}", []),
        ("", "{web: {image: nginx}}\ninclude: [other.yaml]", []),
        ("", "[", []),
        ("", "{web: {image: 'a b'}}", []),
        ("images: {web: shop}", "{web: {image: nginx}}", []),
        ("file: none.yaml", "{web: {image: nginx}}", None),
    ],
)
def test_an_image_that_no_service_of_a_compose_file_runs(
    tmp_path: Path, keys: str, services: str, said: list[str] | None
) -> None:
    (tmp_path / "compose.yaml").write_text(f"services: {services}\n")
    text = f"{HEAD}targets: {{compose: {{{keys}}}}}\n"
    if said is None:
        with pytest.raises(ConfigErrors):
            warnings(tmp_path, text)
    else:
        assert warnings(tmp_path, text) == said
        (tmp_path / "compose.override.yaml").write_text("services: {web: {build: .}}\n")
        assert warnings(tmp_path, text) == [], "Compose merges it"


@pytest.mark.parametrize(
    ("keys", "services", "said"),
    [
        ("", "{web: {image: nginx}, db: {image: 'postgres:16'}}", UNUSED),
        ("", "{web: {image: 'user/shop:1'}}", []),
        ("", "{web: {build: .}}", []),
        ("", "{web: {image: '${IMAGE}'}}", []),
        ("images: {web: shop}", "{web: {image: nginx}}", []),
    ],
)
def test_an_image_that_no_service_of_a_stack_file_runs(
    tmp_path: Path, keys: str, services: str, said: list[str]
) -> None:
    (tmp_path / "stack.yml").write_text(f"services: {services}\n")
    assert warnings(tmp_path, f"{HEAD}targets: {{swarm: {{file: stack.yml, {keys}}}}}\n") == said


def test_what_only_a_release_command_or_another_environment_uses_is_used(tmp_path: Path) -> None:
    (tmp_path / "m.yml").write_text(MANIFEST.replace("IMAGE", "nginx"))
    assert warnings(tmp_path, f"{HEAD}release: migrate\ntargets: {{k8s: {{manifests: [m.yml]}}}}\n") == []
    overlay = "environments: {production: {targets: {k8s: {}}}}\n"
    assert warnings(tmp_path, f"{HEAD}targets: {{k8s: {{manifests: [m.yml]}}, hub: }}\n{overlay}") == []


def test_one_image_of_several_that_no_target_uses(tmp_path: Path) -> None:
    text = "app: shop\nimages:\n  web: user/web\n  old: user/old\n  cache: {use: redis:8}\ntargets: {hub: {images: [web]}}\n"
    assert warnings(tmp_path, text) == ["4:3 images.old: image old is used by no target, so it is not built"]


def test_a_release_command_beside_a_target_that_runs_none(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").touch()
    text = "app: shop\nimage: user/shop\nrelease: migrate\ntargets: {heroku: , compose: {images: {web: shop}}}\n"
    assert warnings(tmp_path, text) == ["3:1 release: can't be run by the target compose"]
    assert warnings(tmp_path, f"{text}environments: {{production: {{targets: {{heroku: {{}}}}}}}}\n") == []
    overlay = "environments: {production: {release: null, targets: {compose: {}}}}\n"
    assert warnings(tmp_path, f"{text}{overlay}") == []
