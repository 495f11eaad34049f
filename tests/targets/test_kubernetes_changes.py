"""What a dry run changes, why the server refuses an object, and where its field is written: values in, values out."""

from __future__ import annotations

import json
import time
from io import BytesIO
from typing import Any

import pytest

from shipit.config.position import Position
from shipit.http.fields import Field
from shipit.http.messages import Answer, Request
from shipit.targets.kubernetes.changes import find_changes, is_unchanged
from shipit.targets.kubernetes.details import detail_of
from shipit.targets.kubernetes.drift import Difference
from shipit.targets.kubernetes.field_position import field_position
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.observed import Preview
from shipit.targets.kubernetes.parse import parse_live
from shipit.targets.kubernetes.refusal import Cause, is_misfit, is_temporary, parse_refusal
from shipit.targets.kubernetes.unready import Needed, needed_first
from shipit.targets.kubernetes.wanted import Wanted, want

Object = dict[str, Any]


def fields(value: Any, keys: tuple[str, ...] = ("name",)) -> Object:
    """The fieldsV1 of a value; lists of maps by these keys, others as a whole."""
    if isinstance(value, dict) and value:
        return {f"f:{key}": fields(item, keys) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) and set(keys) <= item.keys() for item in value):
        return {f"k:{json.dumps({key: item[key] for key in keys})}": {".": {}, **fields(item, keys)} for item in value}
    return {}


def live(spec: Object, owned: Object | None = None, keys: tuple[str, ...] = ("name",), **metadata: Any) -> Live:
    """A custom object as the server answers it; shipit applied `owned` of its spec."""
    own = spec if owned is None else owned
    entry = {"manager": "shipit", "operation": "Apply", "fieldsV1": {"f:spec": fields(own, keys)}}
    meta = {"name": "own", "managedFields": [entry], **metadata}
    value = {"apiVersion": "example.com/v1", "kind": "Own", "metadata": meta, "spec": spec}
    return parse_live(Field(value, "GET test"))


def lines(before: Live, after: Live) -> list[str]:
    return list(detail_of(Wanted("Own/own", {}, before), before, Preview(after)))


RECREATE: Object = {"strategy": {"type": "Recreate"}, "template": {"spec": {"nodeName": "a"}}}
ELSEWHERE: Object = {"template": {"spec": {"nodeName": "b"}}}
OUTAGE = "all of its pods end before new ones start (strategy: Recreate)"


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        (RECREATE, RECREATE | ELSEWHERE, True),
        (RECREATE | {"replicas": 2}, RECREATE | ELSEWHERE | {"replicas": 2}, True),
        (RECREATE | {"replicas": 0}, RECREATE | ELSEWHERE | {"replicas": 0}, False),
        (RECREATE | {"replicas": 1}, RECREATE | {"replicas": 2}, False),
        (RECREATE | {"strategy": {"type": "RollingUpdate"}}, RECREATE | ELSEWHERE, True),
        (RECREATE, RECREATE | ELSEWHERE | {"strategy": {"type": "RollingUpdate"}}, False),
        (RECREATE, RECREATE | ELSEWHERE | {"strategy": None}, False),
    ],
)  # fmt: skip
def test_the_plan_tells_that_a_recreated_deployment_has_no_pods_meanwhile(
    before: Object, after: Object, is_told: bool
) -> None:
    own, result = (live(spec)._replace(kind="Deployment") for spec in (before, after))
    assert (OUTAGE in lines(own, result)) == is_told
    assert OUTAGE not in lines(live(before), live(after))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"a": 1}, {"a": 2}, ["a  1 -> 2"]),
        ({"a": 1, "b": {"c": 1}}, {"a": 1}, ["- b"]),
        ({"rows": [{"name": "x", "v": 1}, {"name": "y"}]}, {"rows": [{"name": "y"}, {"name": "z", "v": 3}]},
         ["- rows[x]", "+ rows[z].v  3"]),
        ({"rows": [{"name": "x"}]}, {"rows": [{"name": "x"}, {"name": "y"}]}, ["+ rows[y]"]),
        ({"rows": [{"name": "x"}, {"name": "y"}]}, {"rows": [{"name": "y"}, {"name": "x"}]},
         ['rows order  ["x", "y"] -> ["y", "x"]']),
        ({"args": ["a", "b"]}, {"args": ["a", "c"]}, ['args  ["a", "b"] -> ["a", "c"]']),
        ({"on": True}, {"on": 1}, ["on  true -> 1"]),
        ({"text": "a\nb\nc\n"}, {"text": "a\nB\nc\n"}, ["text", "  line 1:", "    a", "  - b", "  + B", "    c"]),
        ({"text": "a\nb\n"}, {"text": "a"}, ["text  a\nb\n -> a"]),
        ({"rows": [{"name": "x"}, {"name": "x"}]}, {"rows": [{"name": "x"}]}, ['rows  [{"name": "x"}, {"name": "x"}] -> [{"name": "x"}]']),
        ({"empty": {}}, {"empty": {"a": 1}}, ["+ empty.a  1"]),
        ({"long": "a" * 300 + "b"}, {"long": "a" * 300 + "c"}, [f"long  ...{'a' * 30}b -> ...{'a' * 30}c"]),
        ({"long": "b" + "a" * 300}, {"long": "cc" + "a" * 300}, [f"long  b{'a' * 30}... -> cc{'a' * 30}..."]),
        ({"long": "a" * 300}, {"long": "a" * 301}, [f"long  ...{'a' * 30} -> ...{'a' * 31}"]),
    ],
)  # fmt: skip
def test_changes_are_named(before: Object, after: Object, said: list[str]) -> None:
    assert lines(live(before), live(after)) == said
    assert not is_unchanged(live(before), live(after))
    assert find_changes(live(before), live(before)) == ()


def test_list_items_are_matched_by_the_keys_that_the_server_matches_them_by() -> None:
    keys = ("port", "protocol")
    before = live(
        {"ports": [{"port": 53, "protocol": "TCP", "to": 1}, {"port": 53, "protocol": "UDP", "to": 2}]}, keys=keys
    )
    after = live(
        {"ports": [{"port": 53, "protocol": "UDP", "to": 3}, {"port": 53, "protocol": "TCP", "to": 1}]}, keys=keys
    )
    found = find_changes(before, after)
    assert found[0] == Difference("spec.ports[53,UDP].to", ("spec", "ports", 1, "to"), 2, 3)
    assert found[1].path == "spec.ports order"


def test_what_the_server_adds_is_left_out() -> None:
    before = live({"image": "a"})
    after = live(
        {"image": "b", "pullPolicy": "Always", "probe": {"path": "/", "period": 10}},
        {"image": "b", "probe": {"path": "/"}},
    )
    assert lines(before, after) == ["image  a -> b", "+ probe.path  /"]


def test_a_changed_default_is_named() -> None:
    """What leaves the manifest gets its default."""
    assert lines(live({"grace": 5}), live({"grace": 30}, {})) == ["grace  5 -> 30"]


def test_what_the_server_writes_by_itself_is_no_change() -> None:
    before = live({"a": 1}, resourceVersion="1", uid="u1", creationTimestamp="2026-01-31T12:00:00Z", generation=1)
    after = live({"a": 1}, resourceVersion="2", uid="u2", creationTimestamp="2026-01-31T12:00:01Z", generation=2)
    assert is_unchanged(before, after)
    assert find_changes(before, after) == ()


def answer(
    status: int, message: str, reason: str = "", causes: list[Object] | None = None, kind: str = "Status"
) -> Answer:
    body = {"kind": kind, "message": message, "reason": reason, "details": {"causes": causes or []}}
    return Answer(Request("PATCH", "https://cluster.example/x"), status, {}, BytesIO(json.dumps(body).encode()))


TYPED = "failed to create typed patch object (/web; apps/v1, Kind=Deployment): "
DUMP = 'Invalid value: {"matchLabels":{"app":"web2"}}: field is immutable'


@pytest.mark.parametrize(
    ("found", "causes"),
    [
        (answer(422, "is invalid", "Invalid", [{"field": "spec.selector", "reason": "FieldValueInvalid", "message": DUMP}]),
         (Cause("spec.selector", "FieldValueInvalid", "field is immutable"),)),
        (answer(500, f'{TYPED}.spec.containers[name="web"].imge: field not declared in schema'),
         (Cause('spec.containers[name="web"].imge', "", "field not declared in schema"),)),
        (answer(500, f"{TYPED}errors:\n  .spec.a: field not declared in schema\n  .spec.b: expected numeric, got string"),
         (Cause("spec.a", "", "field not declared in schema"), Cause("spec.b", "", "expected numeric, got string"))),
        (answer(400, 'strict decoding error: unknown field "spec.a[0].b", duplicate field "spec.c"', "BadRequest"),
         (Cause("spec.a[0].b", "", "unknown field"), Cause("spec.c", "", "duplicate field"))),
        (answer(403, 'configmaps "a" is forbidden: exceeded quota: q', "Forbidden"),
         (Cause("", "Forbidden", 'configmaps "a" is forbidden: exceeded quota: q'),)),
        (answer(422, "is invalid\n@@ a diff", "Invalid"), (Cause("", "Invalid", "is invalid"),)),
    ],
)  # fmt: skip
def test_the_causes_of_a_refusal(found: Answer, causes: tuple[Cause, ...]) -> None:
    assert parse_refusal(found).causes == causes


@pytest.mark.parametrize(
    ("found", "misfit", "temporary"),
    [
        (answer(500, TYPED), True, False),
        (answer(500, "failed calling webhook", "InternalError"), False, True),
        (answer(500, "a proxy", kind="Other"), False, True),
        (answer(503, "", "ServiceUnavailable"), False, True),
        (answer(422, "", "Invalid"), False, False),
    ],
)
def test_a_manifest_that_does_not_fit_is_not_asked_for_again(found: Answer, misfit: bool, temporary: bool) -> None:
    assert (is_misfit(found), is_temporary(found)) == (misfit, temporary)


@pytest.mark.slow
@pytest.mark.parametrize("part", [".a", "[", '["', ".a: ", 'unknown field "', "Invalid value: {}"])
def test_a_long_refusal_is_read_in_no_time(part: str) -> None:
    whole = part * (4_000_000 // len(part))
    cause = {"field": whole, "reason": "FieldValueInvalid", "message": f"Invalid value: {whole}"}
    started = time.process_time()
    for found in (answer(422, whole, "Invalid", [cause]), answer(500, whole), answer(400, whole, "BadRequest")):
        for one in parse_refusal(found).causes:
            assert len(one.field) <= 500 and len(one.message) <= 700
            field_position(TEXT, Position(7, 3, 1, "own.yml"), one.field)
    assert time.process_time() - started < 5


TEXT = """\
kind: ConfigMap
metadata: {name: first}
---
apiVersion: v1
kind: List
items:
- kind: Deployment
  spec:
    containers:
    - name: web
      image: x
      ports: [{containerPort: 80}]
  data: {a/b: '1', a.b: '2'}
"""


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("spec.containers[0].image", (11, 7, 5)),
        ('spec.containers[name="web"].ports', (12, 7, 5)),
        ("spec.containers[0].ports[0].containerPort", (12, 16, 13)),
        ("spec.containers[containerPort=80]", (9, 5, 10)),
        ("spec.containers[7].image", (9, 5, 10)),
        ("spec.strategy.type", (8, 3, 4)),
        ("data[a/b]", (13, 10, 3)),
        ("data[a.b]", (13, 20, 3)),
        ("status", (7, 3, 1)),
        ("", (7, 3, 1)),
    ],
)
def test_the_position_of_a_field(field: str, place: tuple[int, int, int]) -> None:
    at = Position(7, 3, 1, "own.yml")
    assert field_position(TEXT, at, field) == Position(*place, "own.yml")


def _own(kind: str, name: str = "x", version: str = "v1", **more: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **more.pop("metadata", {})}, **more}


CRD = _own(
    "CustomResourceDefinition",
    "cars.example.com",
    "apiextensions.k8s.io/v1",
    spec={"group": "example.com", "names": {"kind": "Car"}, "versions": [{"name": "v1", "served": True}]},
)


def _live(item: Object) -> Live:
    return parse_live(Field(item, "GET test"))


@pytest.mark.parametrize(
    ("manifest", "other", "first"),
    [
        (_own("ConfigMap", metadata={"namespace": "other"}), _own("Namespace", "other"), "Namespace/other"),
        (_own("ConfigMap"), _own("Namespace", "other"), ""),
        (_own("Car", version="example.com/v1"), CRD, "CustomResourceDefinition/cars.example.com"),
        (_own("Car", version="other.example/v1"), CRD, ""),
        (_own("Pod", spec={"serviceAccountName": "runner"}), _own("ServiceAccount", "runner"), "ServiceAccount/runner"),
        (
            _own("Pod", metadata={"namespace": "other"}, spec={"priorityClassName": "high"}),
            _own("PriorityClass", "high"),
            "PriorityClass/high",
        ),
        (_own("RoleBinding", roleRef={"kind": "Role", "name": "deployer"}), _own("Role", "deployer"), "Role/deployer"),
    ],
)
def test_what_has_to_exist_before_an_object_can_be_checked(manifest: Object, other: Object, first: str) -> None:
    wanted = [want(f"{item['kind']}/{item['metadata']['name']}", item, None) for item in (other, manifest)]
    found = {key: needed.why for key, needed in needed_first(wanted, "prod").items()}
    assert found == ({wanted[1].key: f"{first} is new"} if first else {})
    there = wanted[0]._replace(live=_live(other))
    assert needed_first([there, wanted[1]], "prod") == {}


def test_an_object_of_a_version_that_its_definition_gets_now_is_not_checked() -> None:
    key = "CustomResourceDefinition/cars.example.com"
    own = [want(key, CRD, _live(CRD)), want("Car.example.com/own", _own("Car", version="example.com/v2"), None)]
    assert needed_first(own, "prod") == {"Car.example.com/own": Needed(f"{key} does not serve v2 yet", own[0].manifest)}
