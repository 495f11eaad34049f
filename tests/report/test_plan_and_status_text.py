"""A plan and a status as text: the exact lines of each of their parts."""

from __future__ import annotations

import pytest

from shipit.digest import Digest
from shipit.release import Place, Plan, PlannedImage, Status, Step, TagMove, TargetPlan, Unit, Upload
from shipit.report.plan_text import render_plan
from shipit.report.status_text import age, render_statuses
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
    ("line", "shown"),
    [
        ("data.a  3 -> 2, set by kubectl-edit at 2026-01-31T12:00:00Z", "data.a  3 -> 2, set by kubectl-edit, 3h ago"),
        (
            "x set by kubectl-set at 2026-01-31T14:59:58Z; no manifest has it",
            "x set by kubectl-set, 2s ago; no manifest has it",
        ),
        ("x set by kubectl-set at 2026-99-99T12:00:00Z", "x set by kubectl-set at 2026-99-99T12:00:00Z"),
        ("BUILT  made at 2026-01-31T12:00:00Z -> none", "BUILT  made at 2026-01-31T12:00:00Z -> none"),
    ],
)
def test_what_somebody_else_set_has_its_age(line: str, shown: str) -> None:
    plan = Plan("shop", "production", targets=(TargetPlan("k8s", PLACE, (), (Step("a", "x", (line,)),), (line,)),))
    assert [one.strip() for one in render_plan(plan, at="2026-01-31T15:00:00+00:00").split("\n")[4:6]] == [
        shown,
        f". {shown}",
    ]
    assert line in render_plan(plan)


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


NOW_S = 1_769_860_800.0  # 2026-01-31T12:00:00Z


def test_a_status_is_one_table_over_all_targets_then_places_then_errors() -> None:
    web = Unit(
        "Deployment/web",
        "2 of 3 updated",
        f"r/a@{DIGEST}, r/b:v1",
        3,
        2,
        4,
        "2026-01-31T09:00:00Z",
        "web-1: app exited with 1",
        "3f9c01ab22ee",
    )
    found = (
        Status("k8s", PLACE, units=(web, Unit("ConfigMap/x", "not there"))),
        Status(
            "heroku", Place("heroku", "app shop"), "v12", (Unit("web", "web.1 up", str(DIGEST), 1, 1),), ("http://h/",)
        ),
        Status("hub", Place("registry", "r/shop"), units=(Unit("latest", image=str(DIGEST)),)),
    )
    assert list(render_statuses(found, NOW_S)) == [
        f"TARGET  WHAT            READY  IMAGE{' ' * 17}VERSION       AGE  RESTARTS  STATE",
        f"k8s     Deployment/web  2/3    {SHORT}, r/b:v1  3f9c01ab22ee  3h   4         2 of 3 updated",
        f"k8s     ConfigMap/x{' ' * 63}not there",
        f"heroku  web             1/1    {SHORT}          v12                          web.1 up",
        f"hub     latest                 {SHORT}",
        "",
        "k8s     namespace shop",
        "heroku  app shop  http://h/",
        "hub     r/shop",
        "",
        "k8s  Deployment/web: web-1: app exited with 1",
    ]


def test_columns_that_say_nothing_are_left_out() -> None:
    assert list(render_statuses([Status("k8s", PLACE)], NOW_S)) == [
        "TARGET  WHAT",
        "k8s     nothing runs there",
        "",
        "k8s  namespace shop",
    ]
    assert list(render_statuses([], NOW_S)) == []


def test_what_a_server_says_stays_in_its_cell() -> None:
    hostile = Status("k8s", Place("kubernetes", "n\ns"), "v\x1b[2J", (Unit("web\nk8s  fake  9/9", "up\r", "i\x07"),))
    lines = list(render_statuses([hostile], NOW_S))
    assert len(lines) == 4 and all(line.isprintable() for line in lines), lines


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        ("2026-01-31T12:00:00Z", "0s"),
        ("2026-01-31T11:59:01.5Z", "58s"),
        ("2026-01-31T11:01:00Z", "59m"),
        ("2026-01-30T12:00:01Z", "23h"),
        ("2025-01-31T12:00:00Z", "365d"),
        ("2026-01-31T14:00:00+02:00", "0s"),
        ("2026-01-31T11:00:00", "1h"),
        ("2027-01-31T12:00:00Z", "0s"),
        ("", ""),
        ("soon", ""),
    ],
)
def test_an_age_is_one_number_with_its_unit(since: str, shown: str) -> None:
    assert age(since, NOW_S) == shown
