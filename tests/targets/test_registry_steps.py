"""The steps of a registry target: what is planned, and that each comes back from JSON."""

from __future__ import annotations

import json

import pytest

from shipit.record import from_json, to_json
from shipit.release import Step
from shipit.targets.registry.observed import HubTag
from shipit.targets.registry.plan import plan_description, plan_retention
from shipit.targets.registry.steps import DeleteTags, DescribeRepository

SHOP = "docker.io/user/shop"
TAGS = tuple(HubTag(f"v{number}", f"2026-01-0{number}T00:00:00Z") for number in range(1, 6))


@pytest.mark.parametrize(
    ("now", "summary"),
    [
        (None, f"write the description of {SHOP}"),
        ("", f"write the description of {SHOP}"),
        ("old", f"change the description of {SHOP}"),
    ],
)
def test_a_description_that_differs_is_replaced(now: str | None, summary: str) -> None:
    step = plan_description(SHOP, "new", now)
    assert step is not None
    assert (step.repository, step.text, step.summary) == (SHOP, "new", summary)


@pytest.mark.parametrize("now", ["new", "new\n", "  new"])
def test_a_description_that_is_there_needs_no_step(now: str) -> None:
    assert plan_description(SHOP, "new", now) is None


@pytest.mark.parametrize(
    ("keep", "own", "deleted"),
    [
        (3, ("v5",), ("v2", "v1")),
        (3, ("v1",), ("v3", "v2")),
        (2, ("v6", "latest", "v5"), ("v4", "v3", "v2", "v1")),
        (5, ("v5",), ()),
    ],
)
def test_the_oldest_tags_beyond_keep_tags_are_deleted(
    keep: int, own: tuple[str, ...], deleted: tuple[str, ...]
) -> None:
    step = plan_retention(SHOP, keep, own, TAGS)
    assert (step.tags if step else ()) == deleted


def test_a_tag_without_a_time_stays() -> None:
    assert plan_retention(SHOP, 1, ("v1",), (HubTag("v0", ""), HubTag("v1", "2026-01-01"))) is None


def test_steps_come_back_from_json() -> None:
    steps = (plan_description(SHOP, "new", "old"), plan_retention(SHOP, 1, ("v5",), TAGS))
    for step, kind in zip(steps, (DescribeRepository, DeleteTags), strict=True):
        found = from_json(Step, json.loads(json.dumps(to_json(step))))
        assert found == step and type(found) is kind
