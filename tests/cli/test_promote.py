"""`shipit promote`: what one environment runs is released in another, by its digest."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.server import Request, Response
from shipit.release import is_run_tag
from tests.in_process import InProcess
from tests.shipit import INTERRUPTED, PYTHON_DOCKERFILE, SERVING_APP, Shipit

# Serves, and is told apart by its number.
NUMBERED = SERVING_APP + "# {}\n"
TEXT = """\
app: shop
image: {{repository: {host}/staging/shop, tags: [v1]}}
env: {{MODE: production}}
targets:
  hub: {{settle: 0s}}
  heroku: {{app: shop-prod, settle: 0s}}
environments:
  staging: {{env: {{MODE: staging}}, targets: {{heroku: {{app: shop-staging}}}}}}
  production: {{image: {{repository: {host}/production/shop}}, inherit: true}}
"""


class Watched(HerokuStandIn):
    """Calls back before it changes the app of production."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.before_change: Callable[[], None] = lambda: None

    def answer(self, request: Request) -> Response:
        if request.method == "PATCH" and request.path.startswith("/apps/shop-prod/"):
            self.before_change()
        return super().answer(request)


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        yield server


@pytest.fixture
def heroku() -> Iterator[Watched]:
    with Watched(token="token-of-heroku") as stand_in:
        for app in ("shop-staging", "shop-staging-2", "shop-prod"):
            stand_in.create_app(app)
        yield stand_in


@pytest.fixture
def project(in_process: InProcess, heroku: Watched, registry: EmbeddedRegistry) -> Shipit:
    in_process.env |= heroku.variables()
    in_process.write(deploy__yml=TEXT.format(host=registry.host), Dockerfile=PYTHON_DOCKERFILE, app__py=SERVING_APP)
    return in_process


@pytest.fixture
def shop(project: Shipit) -> Shipit:
    """The project, whose staging runs an image, and whose work tree has a newer one."""
    done = project.run("deploy", "-e", "staging")
    assert done.returncode == 0, done.stdout + done.stderr
    project.write(app__py="raise SystemExit('not promoted')\n")
    return project


def image_of(heroku: HerokuStandIn, app: str, process: str = "web") -> str:
    return str(heroku.apps[app].formation[process]["image"])


def write(shop: Shipit, registry: EmbeddedRegistry, before: str, after: str) -> None:
    """The project with a part of deploy.yml replaced."""
    text = TEXT.format(host=registry.host)
    assert before in text
    shop.write(deploy__yml=text.replace(before, after))


def promote(shop: Shipit, *words: str) -> Any:
    return shop.run("promote", *(words or ("--from", "staging")))


def test_production_gets_the_image_of_staging(shop: Shipit, heroku: Watched, registry: EmbeddedRegistry) -> None:
    code, events = shop.events("promote", "--from", "staging", "--to", "production")
    assert code == 0, events
    digest = image_of(heroku, "shop-staging")
    assert image_of(heroku, "shop-prod") == digest
    assert heroku.apps["shop-prod"].config["MODE"] == "production"
    ended = {event["target"]: event for event in events if event["event"] == "target_finished"}
    assert [ended[name]["images"][0]["config_digest"] for name in ("hub", "heroku")] == [digest, digest]
    assert "build" not in {event["step"]["action"] for event in events if event["event"] == "step_started"}
    [begun] = [event for event in events if event["event"] == "run_started"]
    assert (begun["command"], begun["promoted_from"]) == ("promote", "staging/heroku v3")
    [made] = [event for event in events if event["event"] == "plan_made"]
    [release] = made["plan"]["promotion"]["releases"]
    assert (release["version"], release["doubts"]) == ("v3", []) and release["healthy_at"]
    tags = {key: named for key, named in registry.tags.items() if not is_run_tag(key[1])}
    assert tags == {("production/shop", f"sha-{digest[7:19]}"): ended["hub"]["images"][0]["reference"][-71:]}
    code, events = shop.events("history")
    [promoted] = [run for event in events for run in event.get("runs", ()) if run["command"] == "promote"]
    assert (promoted["environment"], promoted["promoted_from"]) == ("production", "staging/heroku v3")
    assert "promoted from staging/heroku v3" in shop.run("show", promoted["run"]).stdout
    code, events = shop.events("promote", "--from", "staging")
    assert {event["state"] for event in events if event["event"] == "target_finished"} == {"unchanged"}


def test_another_machine_promotes_what_is_healthy_now(shop: Shipit, heroku: Watched) -> None:
    """Heroku keeps no verdict, and this machine has no journal of the deploy."""
    shutil.rmtree(shop.folder / ".shipit")
    done = promote(shop)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", healthy now" in done.stderr
    assert image_of(heroku, "shop-prod") == image_of(heroku, "shop-staging")


def test_a_crashed_dyno_of_staging_is_refused_without_the_option_unhealthy(
    shop: Shipit, heroku: Watched, registry: EmbeddedRegistry
) -> None:
    assert shop.run("deploy", "-e", "staging").returncode == 1
    done = promote(shop)
    assert done.returncode == 2 and "staging is not healthy, so nothing is promoted from it; heroku: v" in done.stderr
    assert "add --unhealthy" in done.stderr
    assert len(heroku.apps["shop-prod"].releases) == 1 and not registry.tags
    done = promote(shop, "hub", "--from", "staging", "--unhealthy")
    assert done.returncode == 0 and "warning: it is not healthy now" in done.stderr, done.stdout + done.stderr
    assert ("production/shop", f"sha-{image_of(heroku, 'shop-staging')[7:19]}") in registry.tags


def test_one_target_of_staging_is_named_where_they_differ(
    shop: Shipit, heroku: Watched, registry: EmbeddedRegistry
) -> None:
    own = "targets: {{heroku: {{app: shop-staging}}}}".replace("{{", "{").replace("}}", "}")
    both = "targets: {heroku: {app: shop-staging}, second: {kind: heroku, app: shop-staging-2, settle: 0s}}"
    write(shop, registry, own, both)
    shop.write(app__py=NUMBERED.format(2))
    assert shop.run("deploy", "second", "-e", "staging").returncode == 0
    done = promote(shop)
    assert done.returncode == 2 and "staging runs different images of shop: heroku runs" in done.stderr, done.stderr
    assert "choose one target: --from staging/heroku" in done.stderr
    done = promote(shop, "--from", "staging/second")
    assert done.returncode == 0, done.stdout + done.stderr
    assert image_of(heroku, "shop-prod") == image_of(heroku, "shop-staging-2") != image_of(heroku, "shop-staging")


def test_a_process_with_its_own_command_is_proved_by_the_one_without(
    shop: Shipit, heroku: Watched, registry: EmbeddedRegistry
) -> None:
    """Its image has a config of its own: only web has the image as it was built."""
    worker = "{command: [python, -c, 'import time; time.sleep(600)'], quantity: 1}"
    write(
        shop, registry, "heroku: {app: shop-prod, settle: 0s}",
        f"heroku: {{app: shop-prod, settle: 0s, processes: {{web: {{}}, worker: {worker}}}}}",
    )  # fmt: skip
    shop.write(app__py=SERVING_APP)
    assert shop.run("deploy", "-e", "staging").returncode == 0
    done = promote(shop)
    assert done.returncode == 0, done.stdout + done.stderr
    for process in ("web", "worker"):
        assert image_of(heroku, "shop-prod", process) == image_of(heroku, "shop-staging", process)
    assert image_of(heroku, "shop-prod", "web") != image_of(heroku, "shop-prod", "worker")


def test_what_can_not_be_proved_is_refused(shop: Shipit, heroku: Watched, registry: EmbeddedRegistry) -> None:
    write(
        shop, registry, "heroku: {app: shop-prod, settle: 0s}",
        "heroku: {app: shop-prod, settle: 0s, processes: {web: {command: [python, -u, /app.py]}}}",
    )  # fmt: skip
    shop.write(app__py=SERVING_APP)
    assert shop.run("deploy", "-e", "staging").returncode == 0
    done = promote(shop)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "heroku/web runs shop with a command of its own, so its original image is unknown" in done.stderr


def test_an_image_that_somebody_else_released_is_refused(shop: Shipit, heroku: Watched) -> None:
    registry = heroku.registry
    short = image_of(heroku, "shop-staging")[7:19]
    del registry.tags["shop-staging/web", f"sha-{short}"]
    done = promote(shop)
    assert done.returncode == 1 and f"shop-staging/web:sha-{short}" in done.stderr, done.stdout + done.stderr


def test_an_image_that_staging_does_not_run_is_refused(
    shop: Shipit, heroku: Watched, registry: EmbeddedRegistry
) -> None:
    shop.write(
        deploy__yml="app: shop\nenv: {MODE: live}\nimages: {shop: {build: .}, worker: {build: .}}\n"
        "targets: {heroku: {app: shop-prod, settle: 0s, processes: {web: {image: shop}, worker: {image: worker}}}}\n"
        "environments: {staging: {targets: {heroku: {app: shop-staging, processes: {worker: null}}}}}\n",
        app__py=SERVING_APP,
    )
    assert shop.run("deploy", "-e", "staging").returncode == 0
    done = promote(shop)
    assert done.returncode == 2 and "staging does not run the image worker, which heroku uses" in done.stderr


def test_a_saved_plan_of_a_promotion(shop: Shipit, heroku: Watched) -> None:
    assert shop.run("plan", "--from", "staging", "--save", "first.json").returncode == 0
    assert shop.run("plan", "--from", "staging", "--save", "second.json").returncode == 0
    done = promote(shop, "--from", "staging", "--plan", "first.json")
    assert done.returncode == 0, done.stdout + done.stderr
    shop.write(app__py=NUMBERED.format(2))
    assert shop.run("deploy", "-e", "staging").returncode == 0
    before = image_of(heroku, "shop-prod")
    done = promote(shop, "--from", "staging", "--plan", "second.json")
    assert done.returncode == 1 and "does not hold any more; nothing was changed" in done.stderr
    assert image_of(heroku, "shop-prod") == before != image_of(heroku, "shop-staging")


def test_a_saved_plan_is_for_the_command_that_it_was_made_for(shop: Shipit) -> None:
    planned = shop.run("plan", "--from", "staging/heroku", "--save", "promotion.json")
    assert "saved to promotion.json, for shipit promote --from staging/heroku --plan until 20" in planned.stderr
    done = shop.run("deploy", "--plan", "promotion.json")
    assert done.returncode == 2 and "the saved plan is for a promotion from staging\n" in done.stderr
    assert "hint: shipit promote --from staging --plan FILE" in done.stderr
    assert shop.run("plan", "--save", "deploy.json").returncode == 0
    done = promote(shop, "--from", "staging", "--plan", "deploy.json")
    assert done.returncode == 2 and "the saved plan is for a deploy, not for a promotion" in done.stderr


def test_a_protected_environment_asks(shop: Shipit, heroku: Watched, registry: EmbeddedRegistry) -> None:
    write(shop, registry, "inherit: true", "inherit: true, protected: true")
    done = promote(shop)
    assert done.returncode == 2 and "not confirmed: the environment production is protected" in done.stderr
    assert len(heroku.apps["shop-prod"].releases) == 1 and not registry.tags
    assert promote(shop, "--from", "staging", "--yes").returncode == 0


def test_killed_between_copy_and_release_the_next_run_completes_it(
    shop: Shipit, heroku: Watched, registry: EmbeddedRegistry
) -> None:
    process = shop.start("promote", "--from", "staging")
    heroku.before_change = lambda: os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    heroku.before_change = lambda: None
    assert process.returncode == -signal.SIGKILL
    assert registry.tags, "it was copied"
    code, events = shop.events("promote", "--from", "staging")
    assert code == 0, events
    [made] = [event for event in events if event["event"] == "plan_made"]
    assert [upload for target in made["plan"]["targets"] for upload in target["uploads"]] == []
    assert image_of(heroku, "shop-prod") == image_of(heroku, "shop-staging")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_it_releases_the_next_run_completes_it(shop: Shipit, heroku: Watched, number: int) -> None:
    process = shop.start("promote", "--from", "staging")
    heroku.before_change = lambda: os.kill(process.pid, number)
    out, err = process.communicate(timeout=120)
    heroku.before_change = lambda: None
    assert process.returncode == 130 and "Traceback" not in err, out + err
    assert err.endswith(INTERRUPTED) and "done" not in out, out + err
    done = promote(shop, "--from", "staging", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert image_of(heroku, "shop-prod") == image_of(heroku, "shop-staging")
    names = [row["description"] for row in heroku.apps["shop-prod"].releases]
    assert len([name for name in names if name.startswith("Deployed")]) == 1, "nothing is doubled"


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["promote"], "--from", ""),
        (
            ["promote", "--from", "production"],
            "--from and --to are both production",
            "choose two different environments",
        ),
        (["promote", "--from", "staging", "--to", "staging"], "are both staging", ""),
        (["promote", "--from", ""], "there is no environment ''", "staging"),
        (["promote", "--from", "test"], "there is no environment 'test'", "staging"),
        (["promote", "--from", "staging", "--to", "test"], "there is no environment 'test'", "staging"),
        (["promote", "--from", "staging", "--to", "production", "-e", "test"], "--to production and", "only --to"),
        (["promote", "--from", "staging/k8s"], "there is no target 'k8s'", "targets here: heroku"),
        (["promote", "k8s", "--from", "staging"], "there is no target 'k8s'", ""),
        (
            ["promote", "--from", "staging"],
            "what heroku runs in staging is not known",
            "shipit deploy heroku -e staging",
        ),
        (["promote", "--from", "production/hub", "--to", "staging"], "no target that tells what it runs", "registries"),
        (["plan", "--unhealthy"], "--unhealthy is for the plan of a promotion", "add --from ENV"),
        (["plan", "--from", "staging", "--no-build"], "--image and --no-build can't be given", "remove them"),
    ],
)
def test_wrong_words_are_usage_errors(project: Shipit, words: list[str], error: str, hint: str) -> None:
    done = project.run(*words)
    assert done.returncode == 2 and error in done.stderr and hint in done.stderr, done.stderr
