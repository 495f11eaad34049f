"""Returning an app to a release whose images Heroku has deleted: they are pushed again from another registry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.digest import Digest
from shipit.errors import DeployFailed, Interrupted, UsageError
from shipit.events import Event, StepDone, StepStarted
from shipit.history.journal import Journal
from shipit.pipeline.flow import deploy
from shipit.pipeline.return_to_release import rollback
from shipit.pipeline.run import Run
from shipit.record import from_json, to_json
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import Step
from shipit.targets.heroku.observed import HerokuObserved, ProcessFacts
from shipit.targets.heroku.plan_again import Source, plan_again
from shipit.targets.heroku.steps import PushAgain, ReleaseImages, RemoveProcess
from tests import runs
from tests.targets.heroku_place import Ended, HerokuPlace, destroy_images, heroku_place

COMMAND = ", processes: {web: {command: [serve]}}"
CRASHING = COMMAND.replace("serve", "crash")


class Bench:
    """An app whose image is also in another registry."""

    def __init__(self, place: HerokuPlace, registry: EmbeddedRegistry) -> None:
        self.place, self.registry = place, registry
        self.repository = f"{registry.host}/shop"

    def run(
        self, note: str, call: Callable[[Run], int], target: str = "", more: str = "", *, keeps: bool = True,
        tags: str = "[latest]", hub: str = "  hub: {}\n", command: str = "/hello",
    ) -> Ended:  # fmt: skip
        self.place.run(note)
        image = f"{{repository: {self.repository}, tags: {tags}, build: .}}"
        heroku = f"{{app: shop-prod, settle: 0s{target}}}"
        text = f"app: shop\nimage: {image}\n{more}\ntargets:\n  heroku: {heroku}\n{hub}"
        events: list[Event] = []
        environment = self.place.environment
        dockerfile = f'FROM scratch\nCOPY hello.txt /\nCMD ["{command}"]\n'
        loaded = runs.project(self.place.folder, text, environment, dockerfile=dockerfile)
        run = runs.run(loaded, environment, events, clock=Clock())
        tell, journal = run.tell, Journal(self.place.folder) if keeps else None
        run.journal = journal
        run.tell = lambda envelope: (tell(envelope), journal(envelope) if journal else None)[0]
        try:
            return Ended(call(run), events)
        finally:
            run.close()
            if journal:
                journal.close()

    def destroy(self, version: int) -> Mapping[str, str]:
        return destroy_images(self.place.heroku, self.place.app, version)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with heroku_place(tmp_path / "project") as place, EmbeddedRegistry() as registry:
        yield Bench(place, registry)


def back(version: str) -> Callable[[Run], int]:
    def call(run: Run) -> int:
        run.targets = [target for target in run.targets if target.name == "heroku"]
        return rollback(run, version, is_selected=True)

    return call


@pytest.mark.parametrize("target", ["", COMMAND], ids=["as-it-is", "with-a-command"])
def test_a_deleted_image_is_pushed_again_with_the_settings_of_then(bench: Bench, target: str) -> None:
    bench.place.variables["TOKEN"] = "token-of-then"
    secrets = "secrets: {TOKEN: {env: TOKEN}}\nenv: {MODE: one}"
    assert bench.run("one", deploy, target, secrets).code == 0
    bench.place.variables["TOKEN"] = "token-of-now"
    assert bench.run("two", deploy, target, secrets.replace("one", "two")).code == 0
    first = bench.destroy(3)
    assert bench.place.app.images() != first
    done = bench.run("two", back("v3"), target, secrets.replace("one", "two"))
    assert done.code == 0, done.finished
    assert bench.place.app.images() == first
    assert (bench.place.app.config["TOKEN"], bench.place.app.config["MODE"]) == ("token-of-then", "one")
    assert f"push shop again from {bench.repository}" in done.plan and "release web" in done.plan
    assert not any("token-of" in repr(event) for event in done.events)
    assert done.finished.rolled_back_to == "v3"
    # What runs is v3 again: there is nothing before it.
    again = bench.run("two", back("v3"), target, secrets.replace("one", "two"))
    assert (again.code, again.finished.state) == (0, "unchanged"), again.plan
    with pytest.raises(UsageError, match="nothing to roll back to"):
        bench.run("two", back(""), target)


def test_the_last_deleted_release_is_returned_to_where_no_other_is_left(bench: Bench) -> None:
    assert bench.run("good", deploy).code == 0
    assert bench.run("bad", deploy, CRASHING, hub="").code == 1
    first = bench.destroy(2)
    done = bench.run("good", back(""))
    assert done.code == 0 and bench.place.app.images() == first, done.finished


def test_another_machine_finds_the_image_by_its_tag(bench: Bench) -> None:
    """It has no journal: the digits that Heroku's release names are all that is known."""
    assert bench.run("one", deploy, keeps=False, tags="[one]").code == 0
    assert bench.run("two", deploy, keeps=False, tags="[two]").code == 0
    first = bench.destroy(2)
    done = bench.run("two", back("v2"), keeps=False)
    assert done.code == 0 and bench.place.app.images() == first, done.finished


def test_a_rollback_names_what_it_looked_at_where_no_registry_has_the_image(bench: Bench) -> None:
    assert bench.run("one", deploy).code == 0
    assert bench.run("two", deploy).code == 0
    first = bench.destroy(2)
    bench.registry.manifests = {
        key: (kind, data)
        for key, (kind, data) in bench.registry.manifests.items()
        if json.loads(data).get("config", {}).get("digest") not in first.values()
    }
    before = len(bench.place.writes)
    with pytest.raises(UsageError) as caught:
        bench.run("two", back("v2"))
    short = next(iter(first.values()))[7:19]
    looked = f"web ran {short}, and that is not among 1 image of {bench.repository}"
    assert caught.value.what == f"heroku can't return to v2: Heroku has deleted its images; {looked}"
    assert caught.value.hint == "build it again: check out the commit of then, and run shipit deploy heroku"
    bench.registry.password = "changed"
    with pytest.raises(UsageError) as caught:
        bench.run("two", back("v2"))
    assert caught.value.detail[0].startswith(f"{bench.repository} can't be read: ")
    assert len(bench.place.writes) == before


@pytest.mark.parametrize("kind", [StepStarted, StepDone])
@pytest.mark.parametrize("step", ["push web", "release"])
def test_a_rollback_that_was_stopped_goes_on(bench: Bench, kind: type[StepStarted | StepDone], step: str) -> None:
    assert bench.run("one", deploy).code == 0
    assert bench.run("two", deploy).code == 0
    first = bench.destroy(2)

    def stopped(run: Run) -> int:
        def stop(event: Event) -> None:
            if isinstance(event, kind) and event.step.subject == step:
                raise Interrupted

        runs.react(run, stop)
        return back("v2")(run)

    with pytest.raises(Interrupted):
        bench.run("two", stopped)
    done = bench.run("two", back("v2"))
    assert done.code == 0 and bench.place.app.images() == first
    names = [text for text in bench.place.descriptions() if text == "Deployed web"]
    assert len(names) == 3, "each image was released once, and the first one once again"


def test_a_release_of_somebody_else_meanwhile_is_kept(bench: Bench) -> None:
    assert bench.run("one", deploy).code == 0
    assert bench.run("two", deploy).code == 0
    assert bench.run("other", deploy).code == 0
    theirs = bench.place.app.images()
    assert bench.run("two", deploy).code == 0
    bench.destroy(2)

    def overtaken(run: Run) -> int:
        def release(event: Event) -> None:
            if isinstance(event, StepDone) and event.step.subject == "push web":
                bench.place.heroku.releases.images(bench.place.app, theirs)

        runs.react(run, release)
        return back("v2")(run)

    done = bench.run("two", overtaken)
    assert done.code == 1 and "someone else released" in done.finished.reason, done.finished
    assert bench.place.app.images() == theirs


def test_a_step_takes_an_image_from_a_repository_of_deploy_yml_only(bench: Bench) -> None:
    assert bench.run("one", deploy).code == 0
    digest = Digest.of(b"other")

    def apply(run: Run) -> int:
        target = next(target for target in run.targets if target.name == "heroku")
        step = PushAgain(
            id="push web", summary="x", app=bench.place.app.id, baseline=2, images={"web": digest.short},
            process="web", source=f"evil.example/shop@{digest}", config_digest=digest,
        )  # fmt: skip
        assert from_json(Step, json.loads(json.dumps(to_json(step)))) == step
        list(target.apply(step, run.session(target)))
        return 0

    with pytest.raises(DeployFailed, match=r"which is no repository of deploy\.yml"):
        bench.run("one", apply)


def test_a_failed_deploy_returns_to_a_deleted_release(bench: Bench) -> None:
    assert bench.run("good", deploy).code == 0
    assert bench.run("bad", deploy, hub="", command="crash").code == 1
    first = bench.destroy(2)
    worse = bench.run("worse", deploy, ", on_failure: rollback", hub="", command="crash")
    assert worse.code == 1
    assert (worse.finished.is_rolled_back, worse.finished.rolled_back_to) == (True, "v2"), worse.finished
    assert bench.place.app.images() == first


def facts(short: str) -> ProcessFacts:
    return ProcessFacts(1, "Basic", None, short)


def test_process_types_that_the_release_did_not_have_are_taken_out_before_the_images() -> None:
    then, now = "a" * 12, "b" * 12
    observed = HerokuObserved(
        "shop-prod", "container", "cedar", False, "", {"release": facts(now), "web": facts(now), "cron": facts(then)},
        {}, (), (), "id",
    )  # fmt: skip
    source = Source("shop", f"registry.example/shop@sha256:{'c' * 64}", Digest(f"sha256:{'a' * 64}"))
    steps = plan_again({"web": then, "cron": then}, {"web": source, "cron": source}, observed)
    assert [type(step) for step in steps] == [PushAgain, RemoveProcess, ReleaseImages]
    assert [step.summary for step in steps] == [
        "push shop again from registry.example/shop", "remove release", "release web",
    ]  # fmt: skip
    assert plan_again(dict.fromkeys(("release", "web"), now) | {"cron": then}, {}, observed) == ()
