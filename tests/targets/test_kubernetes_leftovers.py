"""The patch that removes defaults of the server which it refuses beside the new values of a manifest."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.http.fields import Field
from shipit.targets.kubernetes.leftovers import leftover_patch
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.parse import parse_live

Object = dict[str, Any]
ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}
RECREATE = {"type": "Recreate"}
FIELD = "spec.strategy.rollingUpdate"


def _deployment(strategy: Object, manager: str = "shipit", **owned: Object) -> Object:
    fields = {"f:spec": {"f:strategy": {"f:type": {}, **{f"f:{key}": value for key, value in owned.items()}}}}
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": fields, "apiVersion": "apps/v1"}
    metadata = {"name": "web", "managedFields": [entry]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"strategy": strategy}}


def _live(item: Object) -> Live:
    return parse_live(Field(item, "GET test"))


@pytest.mark.parametrize(
    ("live", "wanted", "fields", "patch"),
    [
        (_deployment(ROLLING), RECREATE, [FIELD], {"spec": {"strategy": {**RECREATE, "rollingUpdate": None}}}),
        (_deployment(ROLLING, "other", rollingUpdate={"f:maxSurge": {}}), RECREATE, [FIELD], {}),
        (_deployment(ROLLING, "other"), RECREATE, [FIELD], {"spec": {"strategy": {**RECREATE, "rollingUpdate": None}}}),
        (_deployment(ROLLING), ROLLING, [FIELD], {}),
        (_deployment(RECREATE), RECREATE, [FIELD], {}),
        # No map, other ways to write a field, and none at all.
        (_deployment(ROLLING), {}, ["spec.strategy.type"], {}),
        (_deployment(ROLLING), RECREATE, ["", "spec", "spec.ports[0].port", "metadata.annotations[a]", "spec.a.b"], {}),
    ],
)
def test_leftover_patch(live: Object, wanted: Object, fields: list[str], patch: Object) -> None:
    assert leftover_patch(_deployment(wanted), _live(live), fields) == patch


def test_a_new_object_has_no_leftovers() -> None:
    assert leftover_patch(_deployment(RECREATE), None, [FIELD]) == {}
