"""The images of another environment in place of those that are built."""

from __future__ import annotations

from pathlib import Path

from shipit.config.project import Project
from shipit.config.promoted_images import with_promoted
from shipit.digest import Digest
from shipit.release import PublishedImage
from tests import runs

TEXT = """\
app: shop
images:
  web: {repository: r.example/shop, build: .}
  api: {build: .}
  cache: {use: "redis:8"}
  other: {use: "r.example/own:1"}
targets: {hub: {images: [web]}}
"""
DIGEST = Digest("sha256:" + "1" * 64)


def promoted(folder: Path, **repositories: str) -> Project:
    """The project, promoted from an environment that has its images in these repositories."""
    loaded = runs.project(folder, TEXT, runs.environment(folder))
    images = {
        name: PublishedImage(name, "linux/amd64", f"{repository}@{DIGEST}", DIGEST)
        for name, repository in repositories.items()
    }
    return with_promoted(loaded, images)


def test_a_copy_gets_a_tag_of_its_content(tmp_path: Path) -> None:
    made = promoted(tmp_path, web="r.example/staging")
    assert made.used_image("web") == f"r.example/staging@{DIGEST}"
    assert (made.images["web"].repository, made.tags("web")) == ("r.example/shop", ("sha-111111111111",))
    assert made.builds is False


def test_an_image_of_the_same_repository_gets_no_tag(tmp_path: Path) -> None:
    made = promoted(tmp_path, web="r.example/shop")
    assert (made.used_image("web"), made.tags("web")) == (f"r.example/shop@{DIGEST}", ())


def test_an_image_without_a_repository_gets_no_tag(tmp_path: Path) -> None:
    """Heroku takes it: its registry has a repository for each process type."""
    made = promoted(tmp_path, api="r.example/staging-api")
    assert (made.used_image("api"), made.tags("api")) == (f"r.example/staging-api@{DIGEST}", ())


def test_an_image_that_is_used_is_pinned_to_what_runs(tmp_path: Path) -> None:
    made = promoted(tmp_path, cache="docker.io/library/redis")
    assert made.images["cache"].use == made.used_image("cache") == f"docker.io/library/redis@{DIGEST}"


def test_an_image_that_is_used_from_elsewhere_is_a_setting_of_the_environment(tmp_path: Path) -> None:
    made = promoted(tmp_path, other="r.example/of-staging", unknown="r.example/unknown")
    assert made.used_image("other") == "r.example/own:1" and made.promoted == {}
