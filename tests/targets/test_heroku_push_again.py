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
from shipit.release import Seen, Step
from shipit.targets.heroku.descriptions import named_processes
from shipit.targets.heroku.observed import HerokuObserved, ProcessFacts, ReleaseFacts
from shipit.targets.heroku.past import judge_return, return_notes
from shipit.targets.heroku.plan_again import plan_again
from shipit.targets.heroku.recalled import HerokuRecalled, Source
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


def test_a_failed_deploy_returns_to_what_ran_before_where_no_registry_has_the_healthy_images(
    bench: Bench,
) -> None:
    assert bench.run("good", deploy).code == 0
    assert bench.run("bad", deploy, hub="", command="crash").code == 1
    bench.destroy(2)
    bench.registry.manifests.clear()
    bad = bench.place.app.images()
    worse = bench.run("worse", deploy, ", on_failure: rollback", hub="", command="crash")
    assert worse.code == 1 and bench.place.app.images() == bad
    [warning] = [text for text in worse.warnings if text.startswith("heroku can't return to v2: Heroku has deleted")]
    assert warning.endswith(": what ran before is brought back instead")


WORKER = ", processes: {web: {}, worker: {}}"


@pytest.mark.parametrize("known", [True, False])
def test_a_process_type_is_taken_out_only_where_the_releases_tell_that_there_was_none(
    bench: Bench, known: bool
) -> None:
    if known:
        assert bench.run("one", deploy).code == 0
    else:
        # A worker that was deployed before the releases name it, as where its release is not among them any more.
        assert bench.run("one", deploy, WORKER).code == 0
        bench.place.app.releases[1]["description"] = "Deploy 1a2b3c4d"
        assert bench.run("new", deploy).code == 0
    assert bench.run("two", deploy, WORKER).code == 0
    version = len(bench.place.app.releases) - 1
    first = bench.destroy(version)
    done = bench.run("two", back(f"v{version}"))
    assert done.code == 0, done.finished
    images = bench.place.app.images()
    said = f"worker stays as it is: Heroku's releases do not tell whether v{version} had it"
    assert (said in done.plan, "remove worker" in done.plan) == (not known, known), done.plan
    assert images["web"] == first["web"] and ("worker" in images) != known


@pytest.mark.parametrize("step", ["config back", "release"])
def test_a_rollback_that_was_killed_is_completed_without_a_name(bench: Bench, step: str) -> None:
    """Heroku tells of a deploy and of config vars: that it was a rollback, and to which release, is in the journal."""
    assert bench.run("one", deploy, more="env: {MODE: one}").code == 0
    assert bench.run("two", deploy, more="env: {MODE: two}").code == 0
    first = bench.destroy(3)

    def killed(run: Run) -> int:
        def stop(event: Event) -> None:
            if isinstance(event, StepDone) and event.step.subject == step:
                raise Interrupted

        runs.react(run, stop)
        return back("v3")(run)

    with pytest.raises(Interrupted):
        bench.run("two", killed, more="env: {MODE: two}")
    done = bench.run("two", back(""), more="env: {MODE: two}")
    assert done.code == 0, done.finished
    assert "which has no end" in done.plan
    assert bench.place.app.images() == first and bench.place.app.config["MODE"] == "one"
    assert done.finished.state == ("unchanged" if step == "release" else "healthy")
    # Times are to the second: the app's first release, which has no image, counts as one of this run in the same second only.
    with pytest.raises(UsageError, match=r"nothing to roll back to|names no image for v1"):
        bench.run("two", back(""), more="env: {MODE: two}")


def test_rollback_without_a_version_is_refused_when_others_released_after_a_killed_rollback(bench: Bench) -> None:
    for note in ("one", "two", "three"):
        assert bench.run(note, deploy).code == 0
    bench.destroy(2)

    def killed(run: Run) -> int:
        def stop(event: Event) -> None:
            if isinstance(event, StepDone) and event.step.subject == "release":
                raise Interrupted

        runs.react(run, stop)
        return back("v2")(run)

    with pytest.raises(Interrupted):
        bench.run("three", killed)
    app = bench.place.app
    bench.place.heroku.releases.rollback(app, app.releases[2])
    app.releases[-1]["created_at"] = "2099-01-01T00:00:00Z"
    with pytest.raises(UsageError) as caught:
        bench.run("three", back(""))
    assert caught.value.what == "the rollback of heroku to v2 has no end, and others have released v6 since"
    assert caught.value.hint == "say which release to return to, such as --to v2"


MIGRATE = "release: [migrate]\nenv: {MODE: one}"


def test_only_the_release_command_of_then_runs_once_with_the_config_vars_of_then(bench: Bench) -> None:
    assert bench.run("one", deploy, more=MIGRATE).code == 0
    assert bench.run("two", deploy, WORKER, MIGRATE.replace("one", "two")).code == 0
    version = len(bench.place.app.releases) - 3
    assert bench.place.app.releases[version - 1]["description"].startswith("Deployed release (")
    first = bench.destroy(version)
    bench.place.runner.phases.clear()
    done = bench.run("two", back(f"v{version}"), more=MIGRATE.replace("one", "two"))
    assert done.code == 0, done.finished
    assert [phase.env["MODE"] for phase in bench.place.runner.phases] == ["one"]
    assert bench.place.app.images() == first
    ran = [event.summary for event in done.events if isinstance(event, StepDone) and event.step.action == "apply"]
    assert [text for text in ran if not text.startswith("push ")] == [
        "take out the present release command", "restore MODE", "remove worker", "release release, web",
    ]  # fmt: skip


def test_an_image_whose_release_failed_is_released_under_another_id(bench: Bench) -> None:
    assert bench.run("one", deploy, more="release: [migrate]").code == 0
    assert bench.run("two", deploy, more="release: [migrate]").code == 0
    first = bench.destroy(2)
    bench.place.runner.codes = [1, 0]
    failed = bench.run("two", back("v2"), more="release: [migrate]")
    assert (failed.code, failed.finished.reason) == (1, "release v4 failed")
    done = bench.run("two", back(""), more="release: [migrate]")
    assert done.code == 0, done.finished
    assert "its last release failed, and Heroku ignores the same image" in done.plan
    assert f"web  {first['web'][7:19]} of v2: Heroku has deleted its images" in done.plan
    assert not {*bench.place.app.images().values()} & {*first.values()}
    again = bench.run("two", back("v2"), more="release: [migrate]")
    assert (again.code, again.finished.state) == (0, "unchanged"), again.plan


def test_a_deleted_release_whose_images_all_run_is_not_promised_as_a_rollback(bench: Bench) -> None:
    assert bench.run("one", deploy).code == 0
    assert bench.run("one", deploy, WORKER).code == 0
    bench.place.app.releases[1].update(status="expired", eligible_for_rollback=False)
    done = bench.run("one", back("v2"))
    assert done.code == 0 and "worker" not in bench.place.app.images(), done.finished
    assert "roll back to v2" not in done.plan and "remove worker" in done.plan


def test_config_vars_are_those_of_now_again_where_the_release_command_fails_on_those_of_then(bench: Bench) -> None:
    assert bench.run("one", deploy, more=MIGRATE).code == 0
    assert bench.run("one", deploy, WORKER, MIGRATE.replace("one", "two")).code == 0
    bench.place.app.releases[2].update(status="expired", eligible_for_rollback=False)
    bench.place.runner.codes = [1, 0]
    failed = bench.run("one", back("v3"), more=MIGRATE)
    assert failed.code == 1 and "so this was done: restore MODE" in failed.finished.reason, failed.finished
    assert bench.place.app.config["MODE"] == "two" and "worker" in bench.place.app.images()


def facts(short: str) -> ProcessFacts:
    return ProcessFacts(1, "Basic", None, short)


THEN, NOW = "a" * 12, "b" * 12


def recalled(*names: str, named: frozenset[str] | None, is_exact: bool = True) -> HerokuRecalled:
    digest = Digest(f"sha256:{'a' * 64}")
    source = Source("shop", f"registry.example/shop@sha256:{'c' * 64}", digest, digest, is_exact=is_exact)
    images, sources = dict.fromkeys(names, THEN), dict.fromkeys(names, source)
    return HerokuRecalled(3, "id", images, {}, named=named, gone="Heroku can't roll back to it", sources=sources)


def observed(**shorts: str) -> HerokuObserved:
    formation = {name: facts(short) for name, short in shorts.items()}
    return HerokuObserved("shop-prod", "container", "cedar", False, "", formation, {}, (), (), "id")


def test_process_types_that_the_release_did_not_have_are_taken_out_before_the_images() -> None:
    named = frozenset({"web", "cron"})
    now = observed(release=NOW, web=NOW, cron=THEN)
    steps = plan_again(recalled("web", "cron", named=named), now)
    assert [type(step) for step in steps] == [PushAgain, RemoveProcess, ReleaseImages]
    assert [step.summary for step in steps] == [
        "push shop again from registry.example/shop", "remove release", "release web",
    ]  # fmt: skip
    assert plan_again(recalled("web", named=named), observed(web=THEN)) == ()


def test_a_process_type_stays_that_an_earlier_release_named() -> None:
    then = recalled("web", named=frozenset({"web", "worker"}))
    now = observed(web=NOW, worker=NOW)
    assert [step.summary for step in plan_again(then, now)][1:] == ["release web"]
    assert return_notes(then, now)[1:] == ("worker stays as it is: Heroku's releases do not tell whether v3 had it",)
    unknown = then._replace(named=None)
    assert return_notes(unknown, observed(web=NOW))[1:] == (
        "Heroku's releases do not tell all process types of v3: known are web",
    )


def test_a_process_type_that_stays_is_judged_by_its_image_of_before() -> None:
    then, now = recalled("web", named=None), observed(web=THEN, worker=NOW)
    changed = judge_return(then, observed(web=THEN, worker="c" * 12), Seen(0, 0, 0, before=now), pending_s=30)
    assert changed.reason.startswith("worker runs cccccccccccc, not bbbbbbbbbbbb"), changed


@pytest.mark.parametrize(
    ("is_exact", "said"),
    [(True, "its digest"), (False, "the first 12 digits of its digest: no known run has all of it")],
)
def test_the_plan_says_why_an_image_is_pushed_and_how_it_is_proved(is_exact: bool, said: str) -> None:
    steps = plan_again(recalled("web", named=None, is_exact=is_exact), observed(web=NOW))
    assert steps[0].detail == (
        "web  aaaaaaaaaaaa of v3: Heroku can't roll back to it",
        f"from registry.example/shop@sha256:{'c' * 64}",
        f"proved by {said}",
    )


def deployed(version: int, description: str, status: str = "succeeded") -> ReleaseFacts:
    return ReleaseFacts(str(version), version, status, description)


FIRST = (deployed(1, "Initial release"), deployed(2, f"Deployed web ({THEN})"))


@pytest.mark.parametrize(
    ("releases", "named"),
    [
        (FIRST, {"web"}),
        ((*FIRST, deployed(3, f"Deployed web ({NOW}), worker ({NOW})", "failed")), {"web", "worker"}),
        ((*FIRST, deployed(3, "Set MODE config vars"), deployed(4, "Removed web"), deployed(5, "Rollback to v2")), {"web"}),
        (FIRST[1:], None),
        ((), frozenset()),
        ((FIRST[0], deployed(3, f"Deployed web ({NOW})")), None),
        ((*FIRST, deployed(3, "Deploy 1a2b3c4d")), None),
        ((*FIRST, deployed(3, "Promote shop-staging v7 1a2b3c4d")), None),
        ((*FIRST, deployed(3, f"Deployed web ({NOW}), wor...")), None),
    ],
)  # fmt: skip
def test_named_processes_are_known_only_where_every_release_names_its_images(
    releases: tuple[ReleaseFacts, ...], named: set[str] | None
) -> None:
    assert named_processes(releases) == named
