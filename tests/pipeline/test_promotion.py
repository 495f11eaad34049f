"""Promotions between places in memory: what is taken, what is refused, and what a fault leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipit.digest import Digest
from shipit.errors import RemoteError, ShipitError, UsageError
from shipit.events import RunStarted, StepStarted, Transferred
from shipit.history.joined import PlaceHistory, joined
from shipit.past_release import PastRelease
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.lock_keepers import own_holder
from shipit.pipeline.promotion_images import check_images, choose_images
from shipit.pipeline.promotion_release import healthy_at, release_to_promote, state_doubts
from shipit.pipeline.return_to_release import rollback
from shipit.record import from_json, to_json
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.server import Request, Response
from shipit.release import Place, PromotedRelease, Promotion, PublishedImage
from shipit.report.plan_text import render_plan
from tests.pipeline.promotion_bench import PromotionBench


class Refusing(EmbeddedRegistry):
    """Refuses manifests of production while `is_full`."""

    is_full = False

    def answer(self, request: Request) -> Response:
        if self.is_full and request.method == "PUT" and "/production/app/manifests/" in request.path:
            return Response(403, b"{}")
        return super().answer(request)


@pytest.fixture
def registry() -> Iterator[Refusing]:
    with Refusing() as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, registry: Refusing) -> PromotionBench:
    made = PromotionBench(tmp_path, registry)
    assert made.deploy("first") == 0
    return made


def image_of(place: InMemoryPlace) -> str:
    return place.images["app"]


def test_production_gets_the_image_of_staging_with_its_own_settings(bench: PromotionBench) -> None:
    source = bench.read()
    [image] = source.promotion.images
    assert bench.promote(source) == 0
    place = bench.production["one"]
    assert image_of(place) == image_of(bench.staging["one"]) == image.config_digest
    assert (place.marks, bench.staging["one"].marks) == ({"MODE": "production"}, {"MODE": "staging"})
    digest = image.reference.partition("@")[2]
    assert bench.registry.manifests["production/app", digest] == bench.registry.manifests["staging/app", digest]
    assert [name for name, _ in bench.registry.tags if name == "production/app"] == ["production/app"]
    assert bench.registry.tags["production/app", f"sha-{image.config_digest.short}"] == digest
    actions = {event.step.action for event in bench.events if isinstance(event, StepStarted)}
    assert actions == {"resolve", "push", "apply"}, "nothing is built"
    [moved] = [event for event in bench.events if isinstance(event, Transferred)]
    assert moved.mounted == 1, "the layer is mounted"


def test_the_plan_and_history_say_from_where(bench: PromotionBench) -> None:
    source = bench.read()
    run = bench.promoting(source)
    plan(run)
    made = bench.planned().plan
    assert made.promotion == source.promotion and from_json(Promotion, to_json(made.promotion)) == source.promotion
    [image] = source.promotion.images
    [release] = source.promotion.releases
    text = render_plan(made)
    assert f"from  staging/one  {release.version}, healthy since 2023-11-14 22:30 UTC" in text
    assert f"from  app  {image.reference}" in text
    assert deploy(bench.promoting(source)) == 0
    [started] = [event for event in bench.events if isinstance(event, RunStarted)]
    assert (started.command, started.promoted_from) == ("promote", f"staging/one {release.version}")
    past = from_json(PastRelease, bench.production["one"].records[-1]["past"])
    assert (past.command, past.promoted_from) == ("promote", f"staging/one {release.version}")
    [found] = joined((), [PlaceHistory("one", "place", "app", "production", [past])])
    assert (found.command, found.promoted_from) == ("promote", past.promoted_from)


def test_a_second_promotion_changes_nothing(bench: PromotionBench) -> None:
    assert bench.promote() == 0
    log = len(bench.production["one"].writes)
    assert bench.promote() == 0
    assert bench.verdicts() == {"one": "unchanged"} and len(bench.production["one"].writes) == log


def test_a_manifest_of_another_tool_is_copied_as_it_is(bench: PromotionBench) -> None:
    """Its digest is that of its bytes, which shipit would write otherwise."""
    [image] = bench.read().promotion.images
    digest = image.reference.partition("@")[2]
    kind, manifest = bench.registry.manifests["staging/app", digest]
    other = json.dumps({**json.loads(manifest), "annotations": {"made.by": "another tool"}}, indent=3).encode()
    renamed = str(Digest.of(other))
    bench.registry.manifests["staging/app", renamed] = kind, other
    for row in bench.staging["one"].records:
        row["past"]["images"][0]["reference"] = image.reference.replace(digest, renamed)
    assert bench.promote() == 0
    assert bench.registry.manifests["production/app", renamed] == (kind, other)


def test_blobs_go_to_another_registry(tmp_path: Path) -> None:
    with EmbeddedRegistry() as registry, EmbeddedRegistry() as other:
        bench = PromotionBench(tmp_path, registry, other)
        assert bench.deploy("first") == 0
        [image] = bench.read().promotion.images
        assert bench.promote() == 0
        digest = image.reference.partition("@")[2]
        assert other.manifests["production/app", digest] == registry.manifests["staging/app", digest]
        assert {*other.blobs} == {*registry.blobs}


def test_what_staging_returned_to_is_promoted(bench: PromotionBench) -> None:
    first = image_of(bench.staging["one"])
    assert bench.deploy("second") == 0
    assert rollback(bench.source_run()) == 0
    assert image_of(bench.staging["one"]) == first
    assert bench.promote() == 0
    assert image_of(bench.production["one"]) == first


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda place: place.records[-1]["past"].update(state="failed", reason="it crashed"), "it crashed"),
        (lambda place: place.records[-1]["past"].update(state="begun"), "its deploy is still running, or was killed"),
        (lambda place: setattr(place, "starting", 5), "looks to go"),
        (lambda place: setattr(place, "fails", "judge"), "it is not healthy now: it broke"),
        (lambda place: setattr(place, "serves", False), "it is not healthy now: it does not answer"),
        (lambda place: place.images.update(app="sha256:" + "f" * 64), "it is not healthy now: app not as in"),
    ],
)
def test_an_unhealthy_source_is_refused_without_the_option_unhealthy(
    bench: PromotionBench, spoil: object, what: str
) -> None:
    assert callable(spoil)
    spoil(bench.staging["one"])
    with pytest.raises(UsageError) as refused:
        bench.read()
    assert "staging is not healthy, so nothing is promoted from it; one: " in refused.value.what
    assert what in refused.value.what and "--unhealthy" in refused.value.hint
    unhealthy = bench.read(takes_unhealthy=True)
    assert any(what in doubt for doubt in unhealthy.promotion.releases[0].doubts)
    plan(bench.promoting(unhealthy))
    assert "warning: " in render_plan(bench.planned().plan)


def test_targets_with_different_images_are_refused_without_a_name(bench: PromotionBench) -> None:
    bench.staging["two"] = InMemoryPlace()
    assert bench.deploy("second", ["two"]) == 0
    with pytest.raises(UsageError, match=r"staging runs different images of app: one runs .*, two runs") as refused:
        bench.read()
    assert refused.value.hint == "choose one target: --from staging/one"
    assert bench.promote(bench.read(["two"])) == 0
    assert image_of(bench.production["one"]) == image_of(bench.staging["two"])


def test_an_image_that_left_its_registry_is_refused(bench: PromotionBench) -> None:
    [image] = bench.read().promotion.images
    digest = image.reference.partition("@")[2]
    bench.registry.manifests.pop(("staging/app", digest))
    for file in (bench.folder / ".cache").rglob(digest.partition(":")[2]):
        file.unlink()
    with pytest.raises(RemoteError, match="does not exist any more"):
        bench.read()


def test_a_record_with_another_digest_than_the_registry_is_refused(bench: PromotionBench) -> None:
    for row in bench.staging["one"].records:
        row["past"]["images"][0]["config_digest"] = "sha256:" + "e" * 64
    with pytest.raises(UsageError, match=r"one runs eeeeeeeeeeee, and .* is "):
        bench.read()


def test_a_source_that_changes_after_the_plan_stops_the_promotion(bench: PromotionBench) -> None:
    source = bench.read()
    run = bench.promoting(source)

    def deploys_meanwhile(*_: object) -> bool:
        assert bench.deploy("second") == 0
        return True

    run.confirm = deploys_meanwhile
    run.project = replace(run.project, protected=True)
    writes = list(bench.production["one"].writes)
    with pytest.raises(ShipitError, match="staging changed since the plan: it ran staging/one") as moved:
        deploy(run)
    assert "nothing was changed" in moved.value.what
    assert bench.production["one"].writes == writes
    assert not [name for name, _ in bench.registry.manifests if name == "production/app"]


def test_a_registry_that_fails_midway_leaves_production_as_it_is(bench: PromotionBench, registry: Refusing) -> None:
    registry.is_full = True
    with pytest.raises(ShipitError):
        bench.promote()
    assert bench.production["one"].images == {}
    registry.is_full = False
    assert bench.promote() == 0
    assert image_of(bench.production["one"]) == image_of(bench.staging["one"])


def test_what_was_copied_and_not_released_is_released_by_the_next_run(bench: PromotionBench) -> None:
    bench.production["one"].fails = "apply"
    assert bench.promote() == 1
    assert [name for name, _ in bench.registry.manifests if name == "production/app"]
    bench.production["one"].fails = ""
    assert bench.promote() == 0
    assert bench.planned().plan.targets[0].uploads == ()
    assert image_of(bench.production["one"]) == image_of(bench.staging["one"])


PLACE = Place("memory", "place")
ONE, TWO = (Digest("sha256:" + digit * 64) for digit in "12")


def published(name: str, digest: Digest, platform: str = "linux/amd64") -> PublishedImage:
    return PublishedImage(name, platform, f"r.example/{name}@{digest}", digest)


def released(target: str, *images: PublishedImage, commit: str = "", branch: str = "") -> PromotedRelease:
    return PromotedRelease(target, PLACE, "v1", commit=commit, branch=branch, images=images)


def test_choose_images() -> None:
    web, worker = published("web", ONE), published("worker", TWO)
    assert choose_images("staging", [released("a", web, worker), released("b", web)]) == (web, worker)
    assert choose_images("staging", []) == ()
    for other in (published("web", TWO), published("web", ONE, "linux/arm64")):
        with pytest.raises(UsageError, match=r"staging runs different images of web: a runs 111111111111, b runs"):
            choose_images("staging", [released("a", web), released("b", other)])


def test_check_images() -> None:
    check_images("staging", [published("web", ONE)], [("k8s", "web"), ("k8s", "cache")], ["cache"])
    with pytest.raises(UsageError, match="staging does not run the image worker, which k8s uses") as missing:
        check_images("staging", [published("web", ONE)], [("k8s", "web"), ("k8s", "worker")], [])
    assert missing.value.hint == "images that run there: web; deploy worker there first"


def test_the_commit_of_a_promotion_is_that_of_all_its_releases() -> None:
    one, two = released("a", commit="c0ffee", branch="main"), released("b", commit="decade", branch="main")
    assert Promotion("staging", (one, one)).commit == ("c0ffee", "main")
    assert Promotion("staging", (one, two)).commit == ("", "")
    assert Promotion("staging", (one, two)).source == "staging/a v1, staging/b v1"


def test_the_lock_of_a_promotion_names_the_commit_that_it_promotes(bench: PromotionBench) -> None:
    source = replace(bench.read(), promotion=Promotion("staging", (released("a", commit="c0ffee"),)))
    run = bench.promoting(source)
    run.announce("promote")
    assert own_holder(run).commit == "c0ffee"
    run.announce("rollback")
    assert own_holder(run).commit == ""


def test_the_release_to_promote() -> None:
    old, new = PastRelease("v1", "healthy"), PastRelease("v2", "healthy", is_current=True)
    assert release_to_promote("k8s", "staging", [new, old]) == (new, new)
    back = PastRelease("v3", "healthy", is_current=True, returns_to="v1")
    assert release_to_promote("k8s", "staging", [back, new._replace(is_current=False), old]) == (back, old)
    with pytest.raises(UsageError, match="staging has no release of k8s"):
        release_to_promote("k8s", "staging", [])
    with pytest.raises(UsageError, match="it was changed without shipit"):
        release_to_promote("k8s", "staging", [old])


def test_verdicts_and_times_of_a_release() -> None:
    past = PastRelease("v1", "healthy", released_at="2026-01-31T12:00:00.000Z", elapsed_s=90.5)
    assert healthy_at(past) == "2026-01-31T12:01:30.500Z"
    assert healthy_at(past._replace(state="unknown")) == healthy_at(past._replace(released_at="then")) == ""
    for at, elapsed_s in ((past.released_at, 1e20), ("9999-12-31T23:59:59Z", 5.0), ("0001-01-01T00:00:00", 0.0)):
        assert healthy_at(past._replace(released_at=at, elapsed_s=elapsed_s)) in ("", "0001-01-01T00:00:00.000Z")
    assert list(state_doubts(past)) == list(state_doubts(past._replace(state="unknown"))) == []
    assert list(state_doubts(past._replace(state="failed"))) == ["v1 was not healthy: it failed"]
