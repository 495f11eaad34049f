"""`--image NAME=REPO@DIGEST` and `--no-build`: what exists in a registry is deployed, and nothing is built."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.config.given_images import parse_given, with_images
from shipit.digest import Digest
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from tests import runs
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP, Shipit


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        yield server


@pytest.fixture
def heroku() -> Iterator[HerokuStandIn]:
    with HerokuStandIn(token="token-of-heroku") as stand_in:
        stand_in.create_app("shop-prod")
        yield stand_in


class Shop:
    """A project whose first image is in a registry, and whose Dockerfile is gone."""

    def __init__(self, shipit: Shipit, registry: EmbeddedRegistry, heroku: HerokuStandIn) -> None:
        self.shipit, self.registry, self.heroku = shipit, registry, heroku
        shipit.env |= heroku.variables()
        shipit.write(
            deploy__yml=f"app: shop\nimage: {{repository: {registry.host}/shop, tags: [v1, latest]}}\n"
            "targets: {hub: {}, heroku: {app: shop-prod, settle: 0s}}\n",
            Dockerfile=PYTHON_DOCKERFILE,
            app__py=SERVING_APP,
        )
        code, events = shipit.events("push", "hub")
        assert code == 0
        [pushed] = [event for event in events if event["event"] == "images_pushed"]
        self.reference = str(pushed["images"][0]["reference"])
        self.config_digest = str(pushed["images"][0]["config_digest"])
        (shipit.folder / "Dockerfile").unlink()

    def deployed(self, *words: str) -> dict[str, Any]:
        """Target -> its end, of a deploy that builds nothing and is healthy."""
        code, events = self.shipit.events("deploy", *words)
        assert code == 0, events
        actions = {event["step"]["action"] for event in events if event["event"] == "step_started"}
        assert "build" not in actions and "resolve" in actions
        return {event["target"]: event for event in events if event["event"] == "target_finished"}


@pytest.fixture
def shop(shipit: Shipit, registry: EmbeddedRegistry, heroku: HerokuStandIn) -> Shop:
    return Shop(shipit, registry, heroku)


def test_an_image_of_a_registry_is_deployed_by_its_digest(shop: Shop) -> None:
    manifests = dict(shop.registry.manifests)
    ended = shop.deployed("--image", f"shop={shop.reference}")
    assert ended["hub"]["state"] == "unchanged" and ended["heroku"]["state"] == "healthy"
    assert ended["hub"]["images"][0]["reference"] == shop.reference
    assert ended["heroku"]["images"][0]["config_digest"] == shop.config_digest
    assert shop.registry.manifests == manifests
    assert shop.heroku.apps["shop-prod"].formation["web"]["image"] == shop.config_digest


def test_a_manifest_of_another_tool_is_used_as_it_is(shop: Shop) -> None:
    """It has another digest than the one that shipit writes for the same image."""
    digest = shop.reference.partition("@")[2]
    kind, manifest = shop.registry.manifests["shop", digest]
    other = json.dumps(json.loads(manifest), indent=3).encode()
    shop.registry.manifests["shop", str(Digest.of(other))] = kind, other
    manifests = dict(shop.registry.manifests)
    given = f"{shop.registry.host}/shop@{Digest.of(other)}"
    assert given != shop.reference
    assert shop.deployed("hub", "--image", given)["hub"]["images"][0]["reference"] == given
    assert shop.registry.manifests == manifests


def test_no_tag_of_deploy_yml_is_moved_to_a_given_image(shop: Shop) -> None:
    shop.shipit.write(Dockerfile=PYTHON_DOCKERFILE, app__py=SERVING_APP + "# second\n")
    assert shop.shipit.run("push", "hub").returncode == 0
    tags = dict(shop.registry.tags)
    assert tags["shop", "latest"] != shop.reference.partition("@")[2]
    shop.deployed("hub", "--image", f"shop={shop.reference}")
    assert shop.registry.tags == tags


def test_an_image_of_another_repository_is_copied_for_a_registry_target(shop: Shop) -> None:
    digest = shop.reference.partition("@")[2]
    kind, manifest = shop.registry.manifests["shop", digest]
    # What the other repository holds: the same manifest and blobs.
    shop.registry.manifests["built/here", digest] = kind, manifest
    parsed = json.loads(manifest)
    for part in (parsed["config"], *parsed["layers"]):
        shop.registry.linked.add(("built/here", part["digest"]))
    shop.registry.manifests.pop(("shop", digest))
    ended = shop.deployed("hub", "--image", f"shop={shop.registry.host}/built/here@{digest}")
    assert ended["hub"]["images"][0]["reference"] == shop.reference
    assert ("shop", digest) in shop.registry.manifests


def test_without_a_build_the_first_tag_says_what_is_deployed(shop: Shop) -> None:
    ended = shop.deployed("--no-build")
    assert ended["heroku"]["images"][0]["config_digest"] == shop.config_digest
    shop.shipit.write(
        deploy__yml=f"app: shop\nimage: {{repository: {shop.registry.host}/shop, tags: [v2]}}\ntargets: {{hub: {{}}}}\n"
    )
    done = shop.shipit.run("deploy", "--no-build")
    assert done.returncode == 1 and f"there is no {shop.registry.host}/shop:v2" in done.stderr


def test_a_digest_that_the_registry_lacks_fails_before_anything_is_changed(shop: Shop) -> None:
    releases = len(shop.heroku.apps["shop-prod"].releases)
    unknown = f"shop={shop.registry.host}/shop@sha256:{'0' * 64}"
    done = shop.shipit.run("deploy", "--image", unknown)
    assert done.returncode == 1 and "0" * 64 in done.stderr
    assert len(shop.heroku.apps["shop-prod"].releases) == releases


def test_a_saved_plan_of_a_given_image(shop: Shop) -> None:
    image = ("--image", f"shop={shop.reference}")
    assert shop.shipit.run("plan", "heroku", *image, "--save", "plan.json").returncode == 0
    done = shop.shipit.run("deploy", "--plan", "plan.json", *image)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (
            ["--image", "web=r.example/web"],
            "'web=r.example/web' should be NAME=REPO@DIGEST",
            "for example --image web=",
        ),
        (["--image", "web=r.example/web@sha256:12"], "should end in @sha256: and 64", "for example --image"),
        (["--image", f"api=r.example/web@sha256:{'1' * 64}"], "there is no image api", "images: web, worker"),
        (["--image", f"r.example/web@sha256:{'1' * 64}"], "should be NAME=REPO@DIGEST", ""),
        (["--image", "web="], "should be an image reference", ""),
        (
            ["--image", f"web=r/w@sha256:{'1' * 64}", "--image", f"web=r/w@sha256:{'2' * 64}"],
            "--image gives web twice",
            "give each image once",
        ),
        (["--no-build"], "--no-build: the image web has no repository to find it in", "--image web=REPO@DIGEST"),
    ],
)
def test_wrong_images_are_usage_errors(shipit: Shipit, words: list[str], error: str, hint: str) -> None:
    shipit.write(
        deploy__yml="app: shop\nimages: {web: {build: .}, worker: {build: .}}\n"
        "targets: {heroku: {app: shop-prod, processes: {web: {image: web}, worker: {image: worker}}}}\n",
        Dockerfile=PYTHON_DOCKERFILE,
        app__py=SERVING_APP,
    )
    with HerokuStandIn(token="token-of-heroku") as stand_in:
        stand_in.create_app("shop-prod")
        shipit.env |= stand_in.variables()
        done = shipit.run("plan", *words)
    assert done.returncode == 2 and error in done.stderr and hint in done.stderr, done.stderr


@pytest.mark.parametrize(("host", "is_insecure"), [("registry.example", True), ("other.example", False)])
def test_plain_http_is_only_for_the_registry_that_deploy_yml_names(
    tmp_path: Path, host: str, is_insecure: bool
) -> None:
    text = "app: shop\nimage: {repository: registry.example/shop, insecure: true}\ntargets: {hub: {}}\n"
    loaded = runs.project(tmp_path, text, runs.environment(tmp_path))
    given = parse_given([f"{host}/shop@sha256:{'1' * 64}"], loaded.images)
    assert with_images(loaded, given).images["shop"].insecure is is_insecure
