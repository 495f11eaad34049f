"""`shipit deploy --retry`: only what the last deploy left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.in_process import InProcess
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP

CRASHES = "raise SystemExit('no DATABASE_URL')\n"


@pytest.fixture
def shop(in_process: InProcess) -> InProcess:
    in_process.write(Dockerfile=PYTHON_DOCKERFILE, app__py=CRASHES)
    return in_process


@contextmanager
def hub_and_heroku(shop: InProcess, tag: str) -> Iterator[EmbeddedRegistry]:
    """The registry of a shop whose image has a tag, and is deployed to that registry and to Heroku."""
    with EmbeddedRegistry() as registry, HerokuStandIn(token="token-of-heroku") as heroku:
        heroku.create_app("shop-prod")
        shop.env |= heroku.variables()
        shop.write(
            deploy__yml=f"app: shop\nimage: {{repository: {registry.host}/shop, tags: [{tag}]}}\n"
            "targets: {hub: {settle: 0s}, heroku: {app: shop-prod, settle: 0s}}\n"
        )
        yield registry


def test_only_the_target_that_failed_is_deployed_again(shop: InProcess) -> None:
    with hub_and_heroku(shop, "v1"):
        assert shop.run("deploy").returncode == 1
        shop.write(app__py=SERVING_APP)
        code, events = shop.events("deploy", "--retry")
        assert code == 0, events
        ended = {event["target"]: event["state"] for event in events if event["event"] == "target_finished"}
        assert ended == {"heroku": "healthy"}
        done = shop.run("deploy", "--retry")
        assert done.returncode == 2 and "there is nothing to retry: no deploy left a target unfinished" in done.stderr


def test_a_registry_whose_tags_wait_for_another_target_is_deployed_again_with_it(shop: InProcess) -> None:
    with hub_and_heroku(shop, "latest") as registry:
        shop.write(app__py=SERVING_APP)
        assert shop.run("deploy").returncode == 0
        first = registry.tags["shop", "latest"]
        shop.write(app__py=CRASHES)
        failed = shop.run("deploy")
        said = "skipped hub  its images are pushed, and its tags were not moved because heroku failed"
        assert failed.returncode == 1 and said in failed.stdout, failed.stdout
        assert "hub     not reached" in failed.stdout and registry.tags["shop", "latest"] == first
        shop.write(app__py=SERVING_APP + "# mended\n")
        code, events = shop.events("deploy", "--retry")
        ended = {event["target"]: event["state"] for event in events if event["event"] == "target_finished"}
        assert (code, ended) == (0, {"hub": "healthy", "heroku": "healthy"})
        assert registry.tags["shop", "latest"] != first


@pytest.mark.parametrize(
    ("words", "state", "error"),
    [
        (["--retry"], "", "there is nothing to retry: this machine has no deploy of it"),
        (["hub", "--retry"], "", "--retry chooses the targets itself: give it without TARGET"),
        (["--retry"], "state: none\n", "and state: none keeps none"),
    ],
)
def test_wrong_words_are_usage_errors(shop: InProcess, words: list[str], state: str, error: str) -> None:
    shop.write(deploy__yml=f"app: shop\n{state}image: r.example/shop\ntargets: {{hub: {{}}}}\n")
    done = shop.run("deploy", *words)
    assert done.returncode == 2 and error in done.stderr, done.stderr
