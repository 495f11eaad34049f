"""Which fields of a live object a refusal is about that the manifest does not have."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.http.fields import Field
from shipit.targets.kubernetes.leftovers import leftovers, with_nulls
from shipit.targets.kubernetes.live import Live
from shipit.targets.kubernetes.parse import parse_live

Object = dict[str, Any]
PROBE = {"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}, "periodSeconds": 10}
OWNED_PROBE = {"f:httpGet": {"f:path": {}, "f:port": {}}}
IN_PODS = "spec.template.spec.containers[1].readinessProbe"


def _entry(manager: str, operation: str, fields: Object) -> Object:
    return {"manager": manager, "operation": operation, "fieldsV1": fields, "apiVersion": "apps/v1"}


def _pods(*containers: Object) -> Object:
    return {"template": {"spec": {"containers": list(containers)}}}


def _deployment(spec: Object, *entries: Object) -> Object:
    metadata = {"name": "web", "managedFields": list(entries)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _live(spec: Object, *entries: Object) -> Live:
    return parse_live(Field(_deployment(spec, *entries), "GET test"))


ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}
OURS = _entry("shipit", "Apply", {"f:spec": {"f:strategy": {"f:type": {}}}})
TWO = _pods({"name": "log"}, {"name": "web", "readinessProbe": PROBE})
OWN_TWO = {
    "f:spec": {
        "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:readinessProbe": OWNED_PROBE}}}}
    }
}
EXEC = _pods({"name": "web", "readinessProbe": {"exec": {"command": ["true"]}}})
AT = ("spec", "template", "spec", "containers", 0, "readinessProbe", "httpGet")


@pytest.mark.parametrize(
    ("live", "wanted", "fields", "found"),
    [
        # A default beside another type, which nobody owns.
        (_live({"strategy": ROLLING}, OURS), {"strategy": {"type": "Recreate"}}, ["spec.strategy.rollingUpdate"], [("spec", "strategy", "rollingUpdate")]),
        # The same of an object that another manager changed, too.
        (_live({"strategy": ROLLING}, OURS, _entry("other", "Update", {"f:spec": {"f:strategy": {"f:rollingUpdate": {"f:maxSurge": {}}}}})),
            {"strategy": {"type": "Recreate"}}, ["spec.strategy.rollingUpdate"], []),
        # The list of the live object has a container that somebody injected.
        (_live(TWO, _entry("shipit", "Apply", OWN_TWO)), EXEC, [f"{IN_PODS}.httpGet"], [AT]),
        # The server names the new handler: the old one beside it is shipit's.
        (_live(TWO, _entry("shipit", "Apply", OWN_TWO)), EXEC, [f"{IN_PODS}.exec"], [AT]),
        # A field of kubectl apply, which shipit takes over.
        (_live(TWO, _entry("kubectl-client-side-apply", "Update", {**OWN_TWO, "f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}})),
            EXEC, [f"{IN_PODS}.exec"], [AT]),
        # What the manifest has is not left over, nor is a value that is no map.
        (_live({"strategy": ROLLING}, OURS), {"strategy": ROLLING}, ["spec.strategy.rollingUpdate"], []),
        (_live({"strategy": ROLLING}, OURS), {"strategy": {}}, ["spec.strategy.type"], []),
        # Nothing is known of fields that are written in other ways, and of those that are not there.
        (_live({"strategy": ROLLING}, OURS), {}, ["spec.strategy.rollingUpdate", "", "spec.containers[name=\"a\"].env", "spec.a[9].b", "spec.strategy[0].b"], []),
        (_live(TWO), _pods(), [f"{IN_PODS}.httpGet"], []),
    ],
)  # fmt: skip
def test_leftovers(live: Live, wanted: Object, fields: list[str], found: list[Any]) -> None:
    manifest = _deployment(wanted)
    assert list(leftovers(manifest, live, fields)) == found
    cleared: Any = with_nulls(manifest, found)
    for path in found:
        value = cleared
        for key in path:
            value = value[key]
        assert value is None
    assert manifest == _deployment(wanted), "the manifest itself stays"
