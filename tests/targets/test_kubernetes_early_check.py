"""Which refusals of an object in another namespace count for its own one."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from shipit.http.messages import Answer, Request
from shipit.targets.kubernetes.early_check import is_about_fields, may_be_moved
from shipit.targets.kubernetes.refusal import parse_refusal
from shipit.targets.kubernetes.refused import Asked
from shipit.targets.kubernetes.unready import Needed
from shipit.targets.kubernetes.wanted import Wanted

FIELD = {"field": "spec.replicas", "reason": "FieldValueInvalid", "message": "Invalid value: -1"}
WHOLE = {"message": "expression failed"}
DENIED = 'admission webhook "own.example.com" denied the request: '


def asked(kind: str, code: int, message: str, *causes: dict[str, Any]) -> Asked:
    value = {"kind": "Status", "message": message, "reason": "Invalid", "details": {"causes": list(causes)}}
    answer = Answer(Request("PATCH", "https://cluster.example/x"), code, {}, BytesIO(json.dumps(value).encode()))
    manifest = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "own"}}
    return Asked(Wanted(f"{kind}/own", manifest), refusal=parse_refusal(answer))


@pytest.mark.parametrize(
    ("found", "counts"),
    [
        (asked("Deployment", 422, "is invalid", FIELD), True),
        (asked("Deployment", 400, 'strict decoding error: unknown field "spec.replica"'), True),
        (asked("Pod", 400, 'strict decoding error: unknown field "spec.replica"'), True),
        # A LimitRange sets a limit that is less than what the Pod requests.
        (asked("Pod", 422, "is invalid", FIELD), False),
        (asked("Deployment", 422, DENIED + "is invalid", FIELD), False),
        (asked("Deployment", 400, DENIED + 'unknown field "spec.replica"'), False),
        (asked("Deployment", 422, "a policy denied the request", WHOLE), False),
        (asked("Deployment", 403, "exceeded quota", FIELD), False),
        (asked("Deployment", 409, "the object has been modified"), False),
        (Asked(Wanted("Deployment/own", {"kind": "Deployment"})), False),
    ],
)
def test_a_refusal_that_is_the_same_in_every_namespace(found: Asked, counts: bool) -> None:
    assert is_about_fields(found) is counts


@pytest.mark.parametrize(
    ("kind", "lacks_namespace_only", "may"),
    [("ConfigMap", True, True), ("ConfigMap", False, False), ("Secret", True, False)],
)
def test_no_secret_is_shown_to_another_namespace(kind: str, lacks_namespace_only: bool, may: bool) -> None:
    wanted = Wanted(f"{kind}/own", {"apiVersion": "v1", "kind": kind, "metadata": {"name": "own"}})
    assert may_be_moved(wanted, Needed("Namespace/own is new", None, lacks_namespace_only)) is may
