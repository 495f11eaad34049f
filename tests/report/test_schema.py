"""The JSON Schema of --output json: what it says of each event, and that every kind of value fits and comes back."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from shipit.digest import Digest
from shipit.envelope import EVENTS, envelope_from_json, envelope_to_json
from shipit.events import (
    CachePruned,
    Event,
    Examined,
    ImagesBuilt,
    ImagesListed,
    ImagesPruned,
    ImagesPushed,
    PlanMade,
    Problem,
    ReleaseRendered,
    RunFailed,
    StatusRead,
    StepApplied,
    Validated,
)
from shipit.record import InvalidRecord, tagged
from shipit.release import (
    Finding,
    Place,
    Plan,
    PlannedImage,
    Pruning,
    PublishedImage,
    Rendered,
    RenderedPart,
    Repository,
    Status,
    Step,
    StoredImage,
    TagMove,
    TargetPlan,
    Unit,
    Upload,
)
from shipit.report.schema import render_output_schema
from shipit.targets.kinds import load_steps
from tests.output_schema import check_line
from tests.report.samples import DEPLOY, REFUSED, told

DIGEST = Digest.of(b"x")
PLACE = Place("kubernetes", "namespace shop")
PLAN = Plan(
    "shop",
    "production",
    (PlannedImage("web", "linux/amd64", DIGEST, "native"),),
    (TargetPlan("k8s", PLACE, (Upload("web", "r/shop", DIGEST, 2, 10, ("latest",)),)),),
    (TagMove("r/shop", "latest", DIGEST, DIGEST),),
)
PROBLEM = Problem("error", "is missing", "deploy.yml:1:1", "deploy.yml", 1, 1, "app", "add it", ("1 | x",))
RESULTS: tuple[Event, ...] = (
    PlanMade(PLAN, 2),
    StepApplied("release", "heroku", {"version": 3}),
    RunFailed(2, "1 mistake", (PROBLEM, Problem("error", "refused"))),
    ImagesBuilt(PLAN.images),
    ImagesPushed((PublishedImage("web", "linux/amd64", f"r/shop@{DIGEST}", DIGEST, ("latest",)),)),
    StatusRead((Status("k8s", PLACE, "v1", (Unit("web", "up", f"r/shop@{DIGEST}", 2, 1),), ("https://shop/",)),)),
    ImagesListed(
        (
            Repository(
                "web", "r/shop", (StoredImage(DIGEST, ("v1",), DIGEST, "a1b2c3d", 10, "", "", ("k8s/web",)),), 1, False
            ),
        ),
        ("eu",),
    ),
    ImagesPruned((Pruning("r/shop", (StoredImage(DIGEST, ("v1",)),), 3, ("1 kept: it runs somewhere",)),), False),
    CachePruned("/cache", 10, 0, 100),
    ReleaseRendered(Rendered("k8s", PLACE, "manifests", (RenderedPart("Secret/s", {"kind": "Secret"}, ("TOKEN",)),))),
    Examined((Finding("warning", "disk", "1 GiB free", "make room"),)),
    Validated("deploy.yml", True, (PROBLEM,)),
)


@pytest.mark.parametrize("event", [*DEPLOY, *REFUSED, *RESULTS], ids=lambda event: type(event).__name__)
def test_every_event_fits_the_schema_and_comes_back_equal(event: Event) -> None:
    data = json.loads(json.dumps(envelope_to_json(told(event))))
    # The samples have a step of no kind.
    if not (isinstance(event, PlanMade) and event.plan is not PLAN):
        check_line(data)
    assert envelope_from_json(data) == told(event)


def test_the_schema_is_valid_and_has_every_event_and_every_step() -> None:
    load_steps()
    schema = render_output_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert [item["$ref"] for item in schema["oneOf"]] == [f"#/$defs/{name}" for name in EVENTS]
    assert set(tagged(Step)) <= set(schema["$defs"])


def test_a_reader_of_the_published_schema_takes_fields_that_it_does_not_know() -> None:
    data = {**envelope_to_json(told(Validated("deploy.yml", True, ()))), "later": 1}
    jsonschema.validate(data, render_output_schema())
    with pytest.raises(jsonschema.ValidationError):
        check_line(data)


@cache
def _open_validator() -> Any:
    """The validator of the published schema."""
    load_steps()
    return jsonschema.Draft202012Validator(render_output_schema())


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"run": "x"},
        {"seq": 0},
        {"at": "yesterday"},
        {"event": "nothing"},
        {"valid": "yes"},
        {"problems": [{}]},
        {"file": None},
    ],
    ids=str,
)
def test_what_is_no_line_of_output_is_refused(change: dict[str, Any]) -> None:
    data = envelope_to_json(told(Validated("deploy.yml", True, (PROBLEM,))))
    check_line(data)
    with pytest.raises(jsonschema.ValidationError):
        check_line({**data, **change})
    with pytest.raises(jsonschema.ValidationError):
        _open_validator().validate({**data, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": "1"},
        {"event": "nothing"},
        {"event": ["log"]},
        {"seq": "x"},
        {"seq": None},
        {"run": 1},
        {"at": {}},
        {"valid": "yes"},
        {"problems": [{}]},
    ],
    ids=str,
)
def test_an_envelope_is_read_from_json_only_if_it_is_one(change: dict[str, Any]) -> None:
    data = envelope_to_json(told(Validated("deploy.yml", True, (PROBLEM,))))
    with pytest.raises(InvalidRecord):
        envelope_from_json({**data, **change})
