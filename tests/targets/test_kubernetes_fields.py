"""Field ownership of server-side apply: which parts of an object one manager owns."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.kubernetes.fields import FieldPath, parse_owned

DEPLOYMENT = {
    "spec": {
        "replicas": 3,
        "template": {"spec": {"containers": [{"name": "web", "image": "a"}, {"name": "proxy", "image": "b"}]}},
    },
    "metadata": {"labels": {"app": "shop", "team": "x"}, "finalizers": ["ours", "theirs"]},
}
OWNED = {
    "f:spec": {
        "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}}}}}
    },
    "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {'v:"ours"': {}}},
}


def field(data: Any) -> Field:
    return Field(data, "GET /apis", "fieldsV1")


@pytest.mark.parametrize(
    ("owned", "value", "part"),
    [
        (OWNED, DEPLOYMENT, {
            "spec": {"template": {"spec": {"containers": [{"name": "web", "image": "a"}]}}},
            "metadata": {"labels": {"app": "shop"}, "finalizers": ["ours"]},
        }),
        ({}, DEPLOYMENT, DEPLOYMENT),
        ({".": {}}, {"a": 1}, {"a": 1}),
        ({"f:a": {}}, {"b": 1}, {}),
        ({"f:a": {"f:b": {}}}, {"a": 1}, {"a": 1}),
        ({'k:{"port":80,"protocol":"TCP"}': {"f:port": {}}}, [{"port": 80, "protocol": "UDP"}], []),
        ({"i:0": {}}, ["x"], ["x"]),
        ({"v:1": {}}, [1, 2, "1"], [1]),
    ],
    ids=["fields, items and values", "an empty set is everything", "the thing itself", "a field that is not there",
         "a value that is no map any more", "an item with another key", "an item by its place", "a value of a set"],
)  # fmt: skip
def test_the_owned_part_of_a_value(owned: Any, value: Any, part: Any) -> None:
    assert parse_owned(field(owned)).part_of(value) == part


@pytest.mark.parametrize(
    ("path", "is_owned"),
    [
        ((), True),
        (("spec", "replicas"), False),
        (("spec", "template"), True),
        (("spec", "template", "spec", "containers", 0, "image"), True),
        (("spec", "template", "spec", "containers", 0, "command"), False),
        (("spec", "template", "spec", "containers", 1, "image"), False),
        (("spec", "template", "spec", "containers", 2), False),
        (("metadata", "labels", "app"), True),
        (("metadata", "labels", "team"), False),
        (("metadata", "finalizers", 0), True),
        (("metadata", "finalizers", 1), False),
        (("metadata", "labels", "app", "deeper"), True),
        (("metadata", 0), False),
        (("status",), False),
    ],
    ids=str,
)
def test_whether_a_path_is_owned(path: FieldPath, is_owned: bool) -> None:
    assert parse_owned(field(OWNED)).has(path, DEPLOYMENT) is is_owned


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("x:name", "should be a field, an item or a value"),
        ("name", "should be a field, an item or a value"),
        ("k:[1]", "should name the keys of an item"),
        ("k:{", "should be named by JSON"),
        ("v:{", "should be named by JSON"),
    ],
)
def test_a_set_of_fields_in_another_form_is_an_error(key: str, what: str) -> None:
    with pytest.raises(RemoteError, match=what):
        parse_owned(field({key: {}}))
