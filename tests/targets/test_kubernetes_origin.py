"""Annotations of run, commit and author: written with an object that changes, and no part of what is compared."""

from __future__ import annotations

import pytest

from shipit.targets.kubernetes.origin import Origin, with_origin, without_origin
from shipit.targets.kubernetes.render import Manifest


def object_with(**annotations: str) -> Manifest:
    named = {name.replace("_", "."): value for name, value in annotations.items()}
    return {"kind": "ConfigMap", "metadata": {"name": "a", **({"annotations": named} if named else {})}}


@pytest.mark.parametrize(
    ("origin", "annotations"),
    [
        (
            Origin("run1", "c0ffee", "ann@host"),
            {"shipit.dev/run": "run1", "shipit.dev/commit": "c0ffee", "shipit.dev/by": "ann@host"},
        ),
        (Origin("run1"), {"shipit.dev/run": "run1"}),
        (Origin(), {}),
    ],
)
def test_what_is_known_is_annotated_beside_other_annotations(origin: Origin, annotations: dict[str, str]) -> None:
    marked = with_origin(object_with(team="shop"), origin)
    assert marked["metadata"]["annotations"] == {"team": "shop", **annotations}
    assert without_origin(marked) == object_with(team="shop")


def test_an_object_without_other_annotations_is_compared_as_one_without_any() -> None:
    assert without_origin(with_origin(object_with(), Origin("run1"))) == object_with()


@pytest.mark.parametrize(
    "value", [{"kind": "A"}, {"metadata": None}, {"metadata": {"annotations": ["shipit.dev/run"]}}]
)
def test_other_answers_stay_as_they_are(value: Manifest) -> None:
    assert without_origin(value) == value
