"""Values as JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.digest import Digest
from shipit.record import InvalidRecord, from_json, to_json
from shipit.release import (
    Image,
    ImageUse,
    Place,
    Plan,
    PlannedImage,
    Release,
    Seen,
    State,
    Status,
    Step,
    TagMove,
    TargetPlan,
    Unit,
    Upload,
    Verdict,
)
from shipit.targets.kubernetes.steps import ApplyObject

DIGEST = Digest("sha256:" + "a" * 64)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Shape:
    type: ClassVar[str] = ""

    name: str


@dataclass(frozen=True, kw_only=True)
class Circle(Shape):
    type: ClassVar[str] = "test.circle"

    radius: float
    color: Color = Color.RED


@dataclass(frozen=True, kw_only=True)
class Square(Shape):
    type: ClassVar[str] = "test.square"

    side: int
    labels: Mapping[str, str | None]


class Drawing(NamedTuple):
    title: str
    shapes: tuple[Shape, ...] = ()
    pair: tuple[int, str] = (0, "")
    kept: frozenset[str] = frozenset()
    level: Literal["low", "high"] = "low"
    digest: Digest | None = None
    extra: Any = None


DRAWING = Drawing(
    "all",
    (Circle("c", radius=1.5, color=Color.BLUE), Square("s", side=2, labels={"a": None, "b": "x"})),
    (7, "seven"),
    frozenset({"y", "x"}),
    "high",
    DIGEST,
    {"any": [1, None, "text"]},
)
USE = ImageUse("web", "docker.io/me/app", "oci", "linux/amd64", ("node", "web.js"), ("latest",), attempt=2)
PLAN = Plan(
    "app",
    "production",
    (PlannedImage("web", "linux/amd64", DIGEST, "native: no RUN", ".git", "registry.test"),),
    (TargetPlan("k8s", Place("kubernetes", "context a"), (Upload("web", "docker.io/me/app", DIGEST, 2, 9, ("v1",)),)),),
    (TagMove("docker.io/me/app", "latest", DIGEST, Digest("sha256:" + "b" * 64)),),
)


@pytest.mark.parametrize(
    "value",
    [
        DRAWING,
        Drawing("empty"),
        PLAN,
        Release("app", "production", (Image(USE, "docker.io/me/app", DIGEST, DIGEST),), {"A": "0f"}),
        Status(
            "web", Place("heroku", "app x"), "v3", (Unit("web", "up", "abc", 1, 1, 0, "2026-01-02T03:04:05Z"),), ("u",)
        ),
        Verdict(State.FAILED, "crashed", "1", ("last line",), "logs", "pod:x", "kubectl", ("w",), "down", ("p",)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_equal_from_its_json_text(value: Any) -> None:
    back = from_json(type(value), json.loads(json.dumps(to_json(value))))
    assert back == value
    assert type(back) is type(value)


def test_json_names_fields_and_types() -> None:
    assert to_json(Circle("c", radius=2)) == {"type": "test.circle", "name": "c", "radius": 2, "color": "red"}
    assert to_json(Drawing("t", kept=frozenset({"b", "a"})))["kept"] == ["a", "b"]
    assert to_json(PLAN)["targets"][0]["uploads"][0]["tags"] == ["v1"]


@pytest.mark.parametrize(
    ("kind", "data", "where", "what"),
    [
        (Drawing, {}, "title", "should be there"),
        (Drawing, {"title": 1}, "title", "should be text"),
        (Drawing, {"title": "t", "titel": "t"}, "titel", "should be a field of Drawing"),
        (Drawing, {"title": "t", "shapes": {}}, "shapes", "should be an array"),
        (Drawing, {"title": "t", "shapes": [{"type": "test.star"}]}, "shapes.0.type", "test.circle, test.square"),
        (Drawing, {"title": "t", "shapes": [{"name": "c"}]}, "shapes.0.type", "should be one of"),
        (Drawing, {"title": "t", "shapes": ["c"]}, "shapes.0", "should be an object"),
        (Drawing, {"title": "t", "shapes": [{"type": "test.circle", "name": "c"}]}, "shapes.0.radius", "be there"),
        (
            Drawing,
            {"title": "t", "shapes": [{"type": "test.circle", "name": "c", "radius": True}]},
            "shapes.0.radius",
            "a number",
        ),
        (Drawing, {"title": "t", "pair": [1]}, "pair", "should be an array of 2"),
        (Drawing, {"title": "t", "level": "middle"}, "level", "should be one of low, high"),
        (Drawing, {"title": "t", "digest": "sha256:../../x"}, "digest", "64 hexadecimal digits"),
        (Drawing, ["t"], "", "should be an object"),
        (Verdict, {"state": "fine", "reason": ""}, "state", "should be one of waiting, healthy, failed"),
        (int, True, "", "should be a whole number"),
        (Step, {"type": "", "id": "x", "summary": "y"}, "type", "should be one of"),
    ],
)
def test_json_of_another_shape_is_refused_at_its_field(kind: type, data: Any, where: str, what: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        from_json(kind, data)
    assert caught.value.where == where
    assert what in caught.value.what


@pytest.mark.parametrize("value", [b"bytes", object(), {1: "a number as a key"}, lambda: None])
def test_what_has_no_json_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        to_json(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "title", "shapes", "pair", "x"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_a_value_or_an_invalid_record(data: Any) -> None:
    try:
        value = from_json(Drawing, data)
    except InvalidRecord:
        return
    assert from_json(Drawing, to_json(value)) == value


def nested(levels: int) -> Any:
    data: Any = {}
    for _ in range(levels):
        data = [data]
    return data


@pytest.mark.parametrize(
    ("kind", "data", "where", "what"),
    [
        (Step, {"type": ["step"], "id": "x", "summary": "y"}, "type", "should be one of"),
        (Step, {"type": {}, "id": "x", "summary": "y"}, "type", "should be one of"),
        (
            Step,
            {"type": "kubernetes.apply", "manifest": {}, "id": "x", "summary": "y", "effect": ["run"]},
            "effect",
            "should be one of",
        ),
        (
            Step,
            {"type": "kubernetes.apply", "manifest": {}, "id": "x", "summary": "y", "destroys": 1},
            "destroys",
            "true or false",
        ),
        (
            Step,
            {"type": "kubernetes.apply", "id": "x", "summary": "y", "manifest": {"a": nested(10_000)}},
            "",
            "250 levels",
        ),
        (Step, nested(10_000), "", "at most 250 levels deep"),
        (Seen, {"now_s": 10**400, "started_s": 0, "unchanged_since_s": 0}, "now_s", "should be a number"),
        (Seen, {"now_s": float("nan"), "started_s": 0, "unchanged_since_s": 0}, "now_s", "should be a number"),
        (Seen, {"now_s": True, "started_s": 0, "unchanged_since_s": 0}, "now_s", "should be a number"),
        (Seen, {"now_s": "1", "started_s": 0, "unchanged_since_s": 0}, "now_s", "should be a number"),
    ],
)
def test_hostile_json_is_refused_at_its_field(kind: type, data: Any, where: str, what: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        from_json(kind, data)
    assert caught.value.where == where
    assert what in caught.value.what


def test_a_manifest_as_deep_as_yaml_may_be_comes_back() -> None:
    step = ApplyObject("x", "y", manifest={"spec": nested(200)})
    assert from_json(Step, json.loads(json.dumps(to_json(step)))) == step
