"""A plan and a status as text: the exact lines of each of their parts."""

from __future__ import annotations

import pytest

from shipit.digest import Digest
from shipit.release import Place, Plan, PlannedImage, Status, Step, TagMove, TargetPlan, Unit, Upload
from shipit.report.plan_text import render_plan
from shipit.report.status_text import render_status
from tests.report.samples import PLAN, PLAN_LINES

DIGEST = Digest.of(b"")
SHORT = DIGEST.short
PLACE = Place("kubernetes", "namespace shop")


def test_a_plan_names_its_images_then_each_target_with_its_steps_then_the_count() -> None:
    assert render_plan(PLAN).split("\n") == list(PLAN_LINES)


def test_an_empty_plan_says_that_everything_is_up_to_date() -> None:
    plan = Plan("shop", "production", targets=(TargetPlan("k8s", PLACE),))
    assert render_plan(plan).split("\n") == [
        "shop -> production",
        "",
        "k8s  namespace shop",
        "  = up to date",
        "",
        "up to date: nothing to change",
    ]


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        (Step("a", "Service/web", effect="create"), ["  + Service/web"]),
        (Step("a", "Service/web", ("port 80 -> 81",)), ["  ~ Service/web", "      port 80 -> 81"]),
        (Step("a", "Pod/web", destroys=True, effect="create"), ["  ! Pod/web"]),
    ],
    ids=["creates", "changes", "deletes or replaces"],
)
def test_a_step_has_the_sign_of_its_effect(step: Step, lines: list[str]) -> None:
    text = render_plan(Plan("shop", "production", targets=(TargetPlan("k8s", PLACE, steps=(step,)),)))
    assert text.split("\n")[3:-2] == lines
    assert text.endswith("\n1 change")


@pytest.mark.parametrize(
    ("upload", "line"),
    [
        (
            Upload("web", "r/shop", DIGEST, 2, 3 * 1024 * 1024, ("v1", "latest")),
            f"  + push r/shop@{SHORT}  2 layers, 3.0 MiB, tag v1, latest",
        ),
        (Upload("web", "r/shop", DIGEST, 1, 1024), f"  + push r/shop@{SHORT}  1 layer, 1.0 KiB"),
        (Upload("web", "r/shop", DIGEST), f"  + push r/shop@{SHORT}  manifest only"),
        (Upload("web", "r/shop", DIGEST, tags=("v2",), has_manifest=True), "  + tag r/shop: v2"),
    ],
    ids=["layers and tags", "one layer", "only the manifest is missing", "only a tag is missing"],
)
def test_an_upload_says_what_the_repository_lacks(upload: Upload, line: str) -> None:
    text = render_plan(Plan("shop", "production", targets=(TargetPlan("hub", PLACE, (upload,)),)))
    assert text.split("\n")[3] == line


def test_images_notes_and_tags_that_move_have_their_lines() -> None:
    plan = Plan(
        "shop",
        "staging",
        (PlannedImage("web", "linux/amd64", DIGEST, "docker buildx", ".env", "localhost:5000"),),
        (TargetPlan("k8s", PLACE, notes=("the autoscaler keeps 4 replicas",)),),
        (TagMove("r/shop", "latest", Digest.of(b"1"), Digest.of(b"2")),),
    )
    assert render_plan(plan).split("\n") == [
        "shop -> staging",
        "",
        f"image  web  {SHORT}  docker buildx",
        "image  web  left out of its context: .env",
        "image  web  insecure: localhost:5000 is asked over plain HTTP, and passwords go there in clear",
        "",
        "k8s  namespace shop",
        "  = up to date",
        "  . the autoscaler keeps 4 replicas",
        "",
        "when all are healthy",
        "  > move r/shop:latest",
        "",
        "1 change",
    ]


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (Status("k8s", PLACE), ["k8s  namespace shop", "  nothing runs there"]),
        (
            Status(
                "heroku", Place("heroku", "app shop"), "v12", (Unit("web", "up", str(DIGEST), 2, 1),), ("http://h/",)
            ),
            ["heroku  app shop", "  v12  http://h/", f"  web  1/2 ready  up  {SHORT}"],
        ),
        (
            Status("k8s", PLACE, units=(Unit("Deployment/web", "", f"r/a@{DIGEST}, r/b:v1", 3),)),
            ["k8s  namespace shop", f"  Deployment/web  0/3 ready  {SHORT}, r/b:v1"],
        ),
        (
            Status("hub", Place("registry", "r/shop"), units=(Unit("latest", image=str(DIGEST)),)),
            ["hub  r/shop", f"  latest  {SHORT}"],
        ),
    ],
    ids=["nothing runs", "a version, a URL and a process", "two images", "a tag"],
)
def test_a_status_has_one_line_for_each_unit(status: Status, lines: list[str]) -> None:
    assert list(render_status(status)) == lines
