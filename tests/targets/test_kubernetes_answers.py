"""Every part of an answer made odd: it is read all the same, or the error names the part; nothing else can come of it."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.record import from_json, to_json
from shipit.release import Seen
from shipit.targets.kubernetes.applied import applied, plan_back
from shipit.targets.kubernetes.describe import describe_objects
from shipit.targets.kubernetes.drift import hashes, object_differences, stamp
from shipit.targets.kubernetes.judge import judge_kubernetes
from shipit.targets.kubernetes.live import Live, job_state
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.parse import parse_event, parse_live, parse_meta, parse_pod
from shipit.targets.kubernetes.plan import plan_objects
from shipit.targets.kubernetes.pods import Limits
from shipit.targets.kubernetes.sealed import sealed_live
from shipit.targets.kubernetes.superseded import Released
from tests.sampled import sampled

DIGEST = "sha256:" + "1" * 64
METADATA = {
    "name": "web", "namespace": "prod", "uid": "u", "generation": 2, "resourceVersion": "7", "labels": {"app": "web"},
    "annotations": {"deployment.kubernetes.io/revision": "2"}, "ownerReferences": [{"uid": "o"}], "finalizers": ["x"],
    "managedFields": [
        {"manager": "shipit", "operation": "Apply", "time": "2026-01-31T12:00:00Z", "fieldsV1": {
            "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}}}}}},
            "f:metadata": {"f:finalizers": {'v:"x"': {}}},
        }},
        {"manager": "kubectl", "operation": "Update", "subresource": "scale", "time": "2026-01-31T12:00:00Z", "fieldsV1": {"f:spec": {"f:x": {}}}},
    ],
}  # fmt: skip
CONTAINER = {
    "name": "web",
    "image": f"r/web@{DIGEST}",
    "env": [{"name": "A", "value": "b"}],
    "resources": {"limits": {"memory": "1Gi"}},
}
CONDITIONS = [{"type": "Ready", "status": "True", "reason": "R", "message": "m"}]
ANSWERS: dict[str, dict[str, Any]] = {
    "deployment": {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": METADATA,
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}},
        "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1, "conditions": CONDITIONS},
    },
    "stateful set": {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": METADATA,
        "spec": {"replicas": 1, "updateStrategy": {"type": "OnDelete"}, "template": {"spec": {"containers": [CONTAINER]}}},
        "status": {"observedGeneration": 2, "readyReplicas": 1},
    },
    "pod": {
        "apiVersion": "v1", "kind": "Pod", "metadata": METADATA, "spec": {"containers": [CONTAINER]},
        "status": {"phase": "Running", "conditions": CONDITIONS, "containerStatuses": [{
            "name": "web", "restartCount": 1, "imageID": f"r/web@{DIGEST}", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "m"}},
            "lastState": {"terminated": {"exitCode": 3, "reason": "Error", "message": "m"}},
        }]},
    },
    "job": {"apiVersion": "batch/v1", "kind": "Job", "metadata": METADATA, "spec": {"template": {"spec": {"containers": [CONTAINER]}}},
            "status": {"conditions": [{"type": "Complete", "status": "True"}]}},
    "secret": {"apiVersion": "v1", "kind": "Secret", "metadata": METADATA, "data": {"TOKEN": "YQ=="}},
    "service": {"apiVersion": "v1", "kind": "Service", "metadata": METADATA, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
    "custom resource": {"apiVersion": "example.com/v1", "kind": "Deployment", "metadata": METADATA, "spec": {"replicas": "many"}, "status": []},
    "event": {"metadata": METADATA, "involvedObject": {"kind": "Pod", "name": "web"}, "type": "Warning", "reason": "BackOff", "message": "m"},
}  # fmt: skip
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 2**63, 10**400, "", "text", "../../x", "\ud800", "a\x1b[31m\r\nb", "sha256:" + "1" * 63, [], [None], [1], ["x"], [{}], {}, {"": None},
    {"k:": {}}, {"k:[]": {}}, {"k:{": {}}, {"v:": {}}, {"x:y": {}}, {"f:a": 1}, {"name": 1},
]  # fmt: skip


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


def _changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = odd
    return whole


def _look(live: Live, wanted: dict[str, Any]) -> None:
    """Everything that is ever done with an object as observed."""
    key = key_of(wanted, "prod")
    live = sealed_live(live, str)
    pods = (live.pod,) if live.pod else ()
    observed = KubernetesObserved({key: live}, pods, (live.meta,), (live,), secret=live)
    released = Released({key: stamp(wanted)}, {}, {f"r/web@{DIGEST}": frozenset({DIGEST})}, key, {"TOKEN": "m"})
    for baseline in (None, observed):
        for known in (frozenset[str](), frozenset(hashes(object_differences(wanted, live)))):
            judge_kubernetes(released._replace(known={key: known}), observed, Seen(9, 0, 0, baseline), Limits(0, 30))
    plan_objects([wanted], observed, "prod")
    plan_back(observed, observed, "prod", released)
    plan_back(KubernetesObserved({}), observed, "prod", released)
    applied(live)
    job_state(live)
    list(describe_objects(observed))
    assert from_json(Live, json.loads(json.dumps(to_json(live)))) == live


@pytest.mark.sampled
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "pod" else [pytest.mark.slow]) for name in ANSWERS]
)
def test_every_odd_field_of_an_answer_is_read_or_an_error(name: str) -> None:
    whole = ANSWERS[name]
    wanted = {key: whole[key] for key in ("apiVersion", "kind", "spec", "data") if key in whole} | {
        "metadata": {"name": "web"}
    }
    read = refused = 0
    for path, odd in sampled(list(itertools.product(_paths(whole), ODD)), 300, of=name):
        part = Field(_changed(whole, path, odd), "GET cluster/x")
        try:
            if name == "event":
                parse_event(part)
            else:
                if name == "pod":
                    parse_pod(part)
                parse_meta(part["metadata"])
                _look(parse_live(part), wanted)
            read += 1
        except RemoteError as error:
            assert error.where == "GET cluster/x" and " should " in error.what, (path, odd, error.render())
            refused += 1
    assert read and refused


@pytest.mark.parametrize(
    ("name", "path", "odd", "said"),
    [
        ("pod", ("status", "containerStatuses"), {}, "status.containerStatuses should be a list, not a map"),
        ("pod", ("status", "containerStatuses", 0, "restartCount"), "1", "status.containerStatuses[0].restartCount should be a whole number, not text"),
        ("pod", ("status", "containerStatuses", 0, "lastState", "terminated", "exitCode"), 1.0,
         "status.containerStatuses[0].lastState.terminated.exitCode should be a whole number, not a floating-point number"),
        ("pod", ("metadata", "name"), "x; rm -rf ~", "metadata.name should be the name of a pod"),
        ("pod", ("metadata", "namespace"), "../x", "metadata.namespace should be the name of a namespace: at most 63 lower-case letters, digits and '-'"),
        ("pod", ("status", "containerStatuses", 0, "name"), "../x?", "status.containerStatuses[0].name should be the name of a container, not other text"),
        ("pod", ("status", "containerStatuses", 0, "name"), "a\x1b[31m", "status.containerStatuses[0].name should be the name of a container, not other text"),
        ("pod", ("status", "containerStatuses", 0, "name"), "", "status.containerStatuses[0].name should be the name of a container, not other text"),
        ("deployment", ("metadata",), None, "metadata.name should be there"),
        ("deployment", ("status", "conditions", 0), "x", "status.conditions[0] should be a map, not text"),
        ("deployment", ("metadata", "managedFields", 0, "time"), "now", "metadata.managedFields[0].time should be a time such as 2026-01-31T12:00:00Z"),
        ("deployment", ("metadata", "managedFields", 0, "fieldsV1"), {"k:x": {}}, "metadata.managedFields[0].fieldsV1.k:x should be named by JSON"),
        ("secret", ("data", "TOKEN"), "canary!", "data.TOKEN should be base64"),
    ],
)  # fmt: skip
def test_an_error_names_the_field_without_its_value(name: str, path: tuple[Any, ...], odd: Any, said: str) -> None:
    with pytest.raises(RemoteError) as caught:
        parse_live(Field(_changed(ANSWERS[name], path, odd), "GET cluster/x"))
    assert str(caught.value) == f"GET cluster/x: {said}"
    assert "canary" not in caught.value.render()


def test_a_null_field_equals_a_missing_one() -> None:
    found = parse_live(Field({**ANSWERS["pod"], "status": {"containerStatuses": None, "conditions": None}}, "GET x"))
    assert found.pod is not None and (found.pod.containers, found.pod.conditions) == ((), ())
