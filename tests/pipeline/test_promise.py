"""Deploys of a saved plan, on places in memory: exactly what it says, or nothing and what moved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shipit.digest import Digest
from shipit.errors import ShipitError, UsageError
from shipit.events import Event, PlanMade
from shipit.history.saved_plan import SavedPlan, read_plan, write_plan
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.moved import compared_step, find_moved
from shipit.pipeline.promise import plan_key, promise
from shipit.pipeline.return_to_release import rollback
from shipit.pipeline.run import Run
from shipit.pipeline.shared_key import shared_key
from shipit.record import to_json
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import ImageUse, Place, PromotedRelease, Promotion, PublishedImage, Step, Upload
from shipit.targets.kinds import load_steps
from shipit.targets.locks import Holder
from tests import runs

TOKEN = "token-value-1"


class Bench:
    """Runs over two places in memory; `variables` are those of the process."""

    def __init__(self, folder: Path, registry: EmbeddedRegistry) -> None:
        self.folder, self.registry = folder, registry
        self.places = {name: InMemoryPlace() for name in ("one", "two")}
        self.names = ["one", "two"]
        self.text = f"app: shop\nimage: {registry.host}/shop\nsecrets: {{TOKEN: {{env: TOKEN}}}}\nenv: {{A: '1'}}\n"
        self.variables = {"TOKEN": TOKEN}
        self.config: dict[str, object] = {"settle": "0s"}
        self.identity = ""
        self.events: list[Event] = []
        self.clock = runs.FakeClock()

    def run(self, **variables: str) -> Run:
        environment = runs.environment(self.folder, **{**self.variables, **variables})
        loaded = runs.project(self.folder, self.text, environment)
        use = ImageUse("shop", f"{self.registry.host}/shop", "oci", "linux/amd64", None, ("latest",))
        config = MemoryConfig.model_validate(self.config)
        made = [MemoryTarget(name, self.places[name], [use], config) for name in self.names]
        if self.identity:
            made[0].place = Place("memory", self.identity)
        self.events.clear()
        run = runs.run(loaded, environment, self.events, targets=lambda _: made, clock=self.clock)
        run.confirm = lambda plan, reasons: False
        return run

    def saved(self, lasts_s: float = 3600) -> SavedPlan:
        run = self.run()
        saved, file = promise(run, plan(run, is_deploy=True), lasts_s), self.folder / "plan.json"
        write_plan(file, saved, plan_key(shared_key(run.project, run.environment), run.environment))
        found = read_plan(file, plan_key(shared_key(run.project, run.environment), run.environment))
        assert found == saved
        return found

    def writes(self) -> list[str]:
        return [write for place in self.places.values() for write in place.writes]

    def refused(self, saved: SavedPlan) -> str:
        """What is told when a saved plan does not hold; nothing is written then."""
        blobs, tags, writes = set(self.registry.blobs), dict(self.registry.tags), self.writes()
        with pytest.raises(ShipitError) as caught:
            deploy(self.run(), saved)
        assert (set(self.registry.blobs), dict(self.registry.tags), self.writes()) == (blobs, tags, writes)
        return caught.value.render()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with EmbeddedRegistry() as server:
        yield Bench(tmp_path, server)


def test_an_unmoved_plan_is_done_without_a_question(bench: Bench) -> None:
    bench.config["protected"] = True
    with pytest.raises(UsageError, match="not confirmed"):
        deploy(bench.run())
    saved = bench.saved()
    assert bench.writes() == [] and not bench.registry.tags
    assert deploy(bench.run(), saved) == 0
    assert bench.writes() == ["set", "set"]
    [made] = [event for event in bench.events if isinstance(event, PlanMade)]
    assert made.plan == saved.plan


def test_a_saved_plan_holds_no_secret(bench: Bench) -> None:
    bench.text += "release: echo ${TOKEN}\n"
    bench.saved()
    text = (bench.folder / "plan.json").read_text()
    assert TOKEN not in text and '"TOKEN"' in text


def test_a_plan_that_was_done_is_not_done_again(bench: Bench) -> None:
    saved = bench.saved()
    assert deploy(bench.run(), saved) == 0
    assert "no longer needed: set shop, A, TOKEN" in bench.refused(saved)


def test_a_plan_that_was_done_and_rolled_back_is_not_done_again(bench: Bench) -> None:
    assert deploy(bench.run()) == 0
    (bench.folder / "hello.txt").write_text("second\n")
    saved = bench.saved()
    assert deploy(bench.run(), saved) == 0
    back = bench.run()
    back.confirm = lambda plan, reasons: True
    assert rollback(back) == 0
    told = bench.refused(saved)
    assert "one: this would bring back " in told and told.count("which was rolled back") == 2


def _changed_file(bench: Bench) -> None:
    (bench.folder / "hello.txt").write_text("other\n")


def _changed_secret(bench: Bench) -> None:
    bench.variables["TOKEN"] = "token-value-2"


def _changed_variable(bench: Bench) -> None:
    bench.text = bench.text.replace("A: '1'", "A: '2'")


def _new_variable(bench: Bench) -> None:
    bench.text = bench.text.replace("A: '1'", "A: '1', B: '2'")


def _changed_settings(bench: Bench) -> None:
    bench.config["on_failure"] = "continue"


def _changed_rule_of_the_run(bench: Bench) -> None:
    bench.text += "rollback: all\n"


def _changed_waves(bench: Bench) -> None:
    bench.text += "max_parallel: 1\n"


def _changed_place(bench: Bench) -> None:
    bench.places["two"].images["shop"] = "sha256:" + "1" * 64


def _moved_place(bench: Bench) -> None:
    bench.identity = "another place"


def _pushed(bench: Bench) -> None:
    other = Bench(bench.folder, bench.registry)
    assert deploy(other.run()) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_changed_file, "the image shop was "),
        (_changed_secret, "one: TOKEN has another value"),
        (_changed_variable, "two: A has another value"),
        (_new_variable, "one: B is new"),
        (_changed_settings, "one: what deploy.yml says of it changed"),
        (_changed_rule_of_the_run, "two: what deploy.yml says of it changed"),
        (_changed_waves, "two: what deploy.yml says of it changed"),
        (_changed_place, "two: set shop, A, TOKEN: the line 'shop none -> "),
        (_moved_place, "one: it led to place of one, and leads to another place"),
        (_pushed, "one: no longer needed: the push of shop to "),
    ],
)
def test_what_moved_is_named_and_nothing_is_changed(bench: Bench, change: Callable[[Bench], None], said: str) -> None:
    saved = bench.saved()
    change(bench)
    told = bench.refused(saved)
    assert "does not hold any more; nothing was changed" in told and said in told
    assert "token-value" not in told


def test_a_push_that_is_another_one_is_named_by_what_differs(bench: Bench) -> None:
    saved = bench.saved()
    one, two = saved.plan.targets
    [push] = one.uploads

    def moved(*uploads: Upload) -> list[str]:
        targets = (one._replace(uploads=uploads), two)
        return [
            line.partition("/shop")[2]
            for line in find_moved(saved, saved._replace(plan=saved.plan._replace(targets=targets)))
        ]

    assert moved(push._replace(layers=99, size_bytes=99)) == []
    assert moved(push, push._replace(repository=f"{push.repository}2")) == ["2"]
    other = Digest(f"sha256:{'f' * 64}")
    assert moved(push._replace(manifest_digest=other, tags=("new",))) == [
        f": it was {push.manifest_digest.short}, and is {other.short}, its tags were {', '.join(push.tags) or 'none'}, and are new"
    ]


def test_a_tag_that_somebody_moved_is_named(bench: Bench) -> None:
    assert deploy(bench.run()) == 0
    _changed_file(bench)
    saved = bench.saved()
    assert len(saved.plan.tags) == 1
    [key] = bench.registry.tags
    before = bench.registry.tags.pop(key)
    assert "no longer has to move" in bench.refused(saved)
    bench.registry.tags[key] = before
    assert deploy(bench.run(), saved) == 0


def test_a_plan_expires(bench: Bench) -> None:
    saved = bench.saved(lasts_s=60)
    bench.clock.sleep(59)
    assert deploy(bench.run(), saved) == 0
    late = bench.saved(lasts_s=60)
    bench.clock.sleep(61)
    assert f"the saved plan expired at {late.expires_at}" in bench.refused(late)
    assert not [event for event in bench.events if isinstance(event, PlanMade)], "nothing was built or read"


def test_a_plan_that_expires_while_it_waits_for_another_run_changes_nothing(bench: Bench) -> None:
    saved = bench.saved(lasts_s=60)
    row = bench.places["one"].lock
    row.update(holder=to_json(Holder("0123456789ab", "deploy")), version="1", renewed_s=bench.clock.wall_s() + 60)
    with pytest.raises(UsageError, match=f"the saved plan expired at {saved.expires_at}; nothing was changed"):
        deploy(bench.run(), saved, wait_s=600)
    assert not bench.writes()


def test_a_plan_is_for_its_app_environment_and_targets(bench: Bench) -> None:
    saved = bench.saved()
    assert "for the app other, not shop" in bench.refused(saved._replace(app="other"))
    told = bench.refused(saved._replace(environment="staging"))
    assert "for the environment staging, not production" in told and "hint: add -e staging" in told
    bench.names = ["one"]
    assert "the saved plan is for one, two, not one" in bench.refused(saved)


def test_a_changed_value_that_is_masked_is_told(bench: Bench) -> None:
    saved = bench.saved()
    [first, *others] = saved.targets
    other = saved._replace(targets=(first._replace(steps=("0" * 16,)), *others))
    assert find_moved(saved, other) == ("one: set shop, A, TOKEN: a value that is not shown changed",)


def test_what_is_left_to_send_may_change(bench: Bench) -> None:
    """Another run may have sent a layer of the same image; what the repository holds afterwards is the same."""
    saved = bench.saved()
    [first, *others] = saved.plan.targets
    [upload] = first.uploads
    sent = saved.plan._replace(targets=(first._replace(uploads=(upload._replace(layers=0, size_bytes=0),)), *others))
    assert find_moved(saved, saved._replace(plan=sent)) == ()


def test_every_field_of_a_step_is_compared_but_those_that_its_kind_calls_unstable(bench: Bench) -> None:
    saved = bench.saved()
    step = saved.plan.targets[0].steps[0]
    assert set(to_json(step)) >= {"id", "summary", "detail", "effect", "destroys", "undo", "images"}
    run = bench.run()
    target = run.targets[0]
    for name in ("detail", "undo", "variables"):
        other: dict[str, Any] = {name: ("x",)}
        assert run.mark(target, compared_step(replace(step, **other))) != run.mark(target, compared_step(step)), name


def test_two_machines_share_a_key(bench: Bench, tmp_path: Path) -> None:
    bench.variables["SHIPIT_PLAN_KEY"] = "0123456789abcdef" * 2
    saved = bench.saved()
    there = {**bench.variables, "SHIPIT_CACHE_DIR": str(tmp_path / "other machine")}
    run = bench.run(**there)
    assert (
        deploy(
            run,
            read_plan(bench.folder / "plan.json", plan_key(shared_key(run.project, run.environment), run.environment)),
        )
        == 0
    )
    assert saved.plan.changes == 3


def test_without_a_shared_key_another_machine_refuses_the_plan(bench: Bench, tmp_path: Path) -> None:
    bench.saved()
    run = bench.run(SHIPIT_CACHE_DIR=str(tmp_path / "other machine"))
    with pytest.raises(UsageError, match="the signature of the plan is not valid"):
        read_plan(bench.folder / "plan.json", plan_key(shared_key(run.project, run.environment), run.environment))


def test_a_short_key_is_refused_and_a_key_is_never_printed(bench: Bench) -> None:
    with pytest.raises(UsageError, match="SHIPIT_PLAN_KEY should have at least 32 characters"):
        bench.run(SHIPIT_PLAN_KEY="short-key")
    key = "0123456789abcdef" * 2
    run = bench.run(SHIPIT_PLAN_KEY=key)
    assert key not in run.redactor.text(f"the key is {key}")


def test_the_key_of_this_machine_is_kept_for_its_owner(bench: Bench) -> None:
    bench.saved()
    assert (bench.folder / ".cache/keys/plans").stat().st_mode & 0o777 == 0o600
    (bench.folder / ".cache/keys/plans").unlink()
    (bench.folder / ".cache/keys/plans").mkdir()
    with pytest.raises(UsageError, match="the key that signs saved plans can't be kept"):
        run = bench.run()
        plan_key(shared_key(run.project, run.environment), run.environment)


def test_the_file_is_json_for_other_programs(bench: Bench) -> None:
    saved = bench.saved()
    data = json.loads((bench.folder / "plan.json").read_text())
    assert data["app"] == "shop" and data["expires_at"] == saved.expires_at
    assert [target["target"] for target in data["plan"]["targets"]] == ["one", "two"]


def test_what_a_saved_plan_does_not_compare() -> None:
    """The version of an object, the ids of containers and what a host lacks of an image: they change with no change of the place."""
    load_steps()
    kinds, found = [Step], {}
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind.unstable and kind.type and kind.__module__.startswith("shipit."):
            found[kind.type] = set(kind.unstable)
    assert found == {
        "compose.roll": {"known"},
        "compose.up": {"known"},
        "docker.replace": {"known"},
        "docker.send": {"detail"},
        "engine.prune": {"detail"},
        "kubernetes.apply": {"version"},
        "kubernetes.replace": {"version"},
        "kubernetes.restore_secret": {"version"},
        "kubernetes.secret": {"version"},
        "swarm.restore": {"known"},
        "swarm.update": {"known"},
    }


def test_a_promotion_from_another_source_or_of_an_unhealthy_one_moved(bench: Bench) -> None:
    image = PublishedImage(
        "shop", "registry.example/shop@sha256:" + "a" * 64, "linux/amd64", Digest("sha256:" + "b" * 64)
    )
    release = PromotedRelease("web", Place("memory", "web"), "v3", images=(image,))

    def promoted(found: PromotedRelease) -> SavedPlan:
        return saved._replace(plan=saved.plan._replace(promotion=Promotion("staging", (found,), (image,))))

    saved = bench.saved()
    planned = promoted(release)
    assert find_moved(planned, planned) == find_moved(planned, promoted(release._replace(version="v4"))) == ()
    other = promoted(release._replace(version="v4", images=()))
    assert find_moved(planned, other) == ("the source web ran v3, and runs v4",)
    doubted = promoted(release._replace(doubts=("it is not healthy now: web.1 crashed",)))
    assert find_moved(planned, doubted) == ("the source web was healthy: it is not healthy now: web.1 crashed",)
    assert find_moved(doubted, doubted) == ()
    with pytest.raises(UsageError, match="the saved plan is for a promotion from staging") as caught:
        deploy(bench.run(), planned)
    assert caught.value.hint == "shipit promote --from staging --plan FILE"
