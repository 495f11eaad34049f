"""Custom resources against the schema of a definition that the same deploy creates."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.targets.kubernetes.schema import Misfit, misfits, schema_of

TEXTS = {"type": "array", "minItems": 1, "items": {"type": "string", "maxLength": 3}}
SPEC: dict[str, Any] = {
    "type": "object",
    "required": ["wheels", "colour"],
    "properties": {
        "wheels": {"type": "integer", "minimum": 1, "maximum": 8},
        "colour": {"type": "string", "enum": ["red", "1"], "default": "red"},
        "price": {"type": "number"},
        "port": {"x-kubernetes-int-or-string": True},
        "names": TEXTS,
        "tags": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "free": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"known": {"type": "string"}},
        },
        "template": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "properties": {"metadata": {"type": "object"}, "spec": {"type": "object"}},
        },
        "level": {"type": "integer", "enum": [1, 2]},
        "free_rows": {
            "type": "array",
            "x-kubernetes-preserve-unknown-fields": True,
            "items": {"type": "object", "properties": {"known": {"type": "string"}}},
        },
    },
}  # fmt: skip
SCHEMA: dict[str, Any] = {"type": "object", "required": ["apiVersion", "spec"], "properties": {"spec": SPEC}}


def car(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Car", "metadata": {"name": "own"}, "spec": {"wheels": 4, **spec}}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"wheels": 4.0, "price": 3, "colour": "1"},
        {"price": 1.5, "port": "http", "names": ["a"], "tags": {"a": True}, "colour": None},
        {"port": 80, "free": {"other": [1], "known": "x"}},
        {"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {}}, "spec": {}}},
        {"port": 80.0, "level": 1.0, "free_rows": [{"known": "x", "other": 1}]},
    ],
)
def test_what_fits(spec: dict[str, Any]) -> None:
    assert list(misfits(car(**spec), SCHEMA)) == []


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"doors": 2}, Misfit("spec.doors", "unknown field")),
        ({"wheels": "4"}, Misfit("spec.wheels", "should be of type integer")),
        ({"wheels": True}, Misfit("spec.wheels", "should be of type integer")),
        ({"wheels": 4.5}, Misfit("spec.wheels", "should be of type integer")),
        ({"wheels": 0}, Misfit("spec.wheels", "should be at least 1")),
        ({"wheels": 9}, Misfit("spec.wheels", "should be at most 8")),
        ({"colour": "blue"}, Misfit("spec.colour", 'should be one of "red", "1"')),
        ({"colour": 1}, Misfit("spec.colour", "should be of type string")),
        ({"port": 1.5}, Misfit("spec.port", "should be a whole number or text")),
        ({"names": []}, Misfit("spec.names", "should have at least 1 items")),
        ({"names": ["abc", "abcd"]}, Misfit("spec.names[1]", "should have at most 3 characters")),
        ({"tags": {"a": "yes"}}, Misfit("spec.tags.a", "should be of type boolean")),
        ({"tags": []}, Misfit("spec.tags", "should be of type object")),
        ({"free": {"known": 1}}, Misfit("spec.free.known", "should be of type string")),
        ({"template": {"other": 1}}, Misfit("spec.template.other", "unknown field")),
        ({"template": {"spec": {"other": 1}}}, Misfit("spec.template.spec.other", "unknown field")),
    ],
)
def test_what_does_not_fit(spec: dict[str, Any], found: Misfit) -> None:
    assert [one._replace(is_of_value=False) for one in misfits(car(**spec), SCHEMA)] == [found]


def test_mutating_admission_may_set_values_but_not_known_fields_or_types() -> None:
    own = car(wheels=9, names=[], colour="blue", price="x", doors=1, tags={"a": 1})
    assert [one.field for one in misfits(own, SCHEMA) if not one.is_of_value] == [
        "spec.price",
        "spec.doors",
        "spec.tags.a",
    ]


def test_a_field_that_is_required_and_has_no_default() -> None:
    own = car()
    del own["spec"]["wheels"]
    assert list(misfits(own, SCHEMA)) == [Misfit("spec", "lacks wheels", is_of_value=True)]
    del own["spec"]
    assert list(misfits(own, SCHEMA)) == [Misfit("", "lacks spec", is_of_value=True)]


def test_fields_outside_of_the_spec() -> None:
    own = {**car(), "extra": 1}
    assert list(misfits(own, SCHEMA)) == [Misfit("extra", "unknown field")]


@pytest.mark.parametrize("odd", [None, 1, "x", [], {}, [1], [{}], {"a": 1}])
def test_a_schema_of_any_shape_is_no_failure_of_shipit(odd: Any) -> None:
    keys = ("properties", "required", "enum", "minimum", "maxLength", "items", "additionalProperties", "type")
    for key in keys:
        list(misfits(car(names=["a"], price=1), {"type": "object", "properties": {"spec": {**SPEC, key: odd}}}))
        list(misfits(car(names=["a"]), {"properties": {"spec": {"properties": {"names": {**TEXTS, key: odd}}}}}))
    schema_of({"spec": {"versions": odd}}, "v1")
    schema_of({"spec": {"versions": [{"name": "v1", "schema": odd}]}}, "v1")


def test_the_schema_of_a_version() -> None:
    row = {"name": "v1", "schema": {"openAPIV3Schema": SCHEMA}}
    assert schema_of({"spec": {"versions": [row]}}, "v1") == SCHEMA
    assert schema_of({"spec": {"versions": [row]}}, "v2") == {}
    assert schema_of({"spec": {"versions": [row], "preserveUnknownFields": True}}, "v1") == {}
    assert list(misfits(car(doors=1), {})) == []
