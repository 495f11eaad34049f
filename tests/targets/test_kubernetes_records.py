"""The record of a release as a Secret: what it holds and leaves out, how many are kept, and what can't be read."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import RemoteError, ShipitError
from shipit.events import Warned
from shipit.past_release import PastRelease
from shipit.pipeline.flow import deploy
from shipit.pipeline.prepare import prepare
from shipit.record import from_json, to_json
from shipit.targets.history import records_releases, returns
from shipit.targets.kubernetes.history.copies import MOST_COPIES
from shipit.targets.kubernetes.history.current import is_running
from shipit.targets.kubernetes.history.packed import MOST_BYTES, RELEASED, STATE, render_record, unpack
from shipit.targets.kubernetes.history.record import Record, unrestored
from shipit.targets.kubernetes.history.retention import KEPT, expired
from shipit.targets.kubernetes.live import Meta
from shipit.targets.kubernetes.observed import KubernetesObserved
from tests.targets.kube_place import KubePlace, kube_place

OWN = """\
apiVersion: v1
kind: Secret
metadata: {name: own}
stringData: {password: canary-own-1}
---
apiVersion: v1
kind: Secret
metadata: {name: there, namespace: other}
stringData: {password: canary-there-1}
"""
PAST = PastRelease("run-1", "healthy", "run-1", "2026-01-31T12:00:00.000Z")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[KubePlace]:
    with kube_place(tmp_path / "shop", OWN.partition("---")[0]) as found:
        yield found


def records(place: KubePlace) -> list[Record]:
    return [unpack(place.data(name)) for name in place.records]


def with_record(data: Any) -> dict[str, Any]:
    packed = gzip.compress(data if isinstance(data, bytes) else json.dumps(data).encode())
    return {"record": base64.b64encode(packed).decode()}


@pytest.mark.slow
def test_a_deploy_leaves_a_record_with_its_verdict_and_an_unchanged_one_leaves_none(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    [name] = place.records
    [record] = records(place)
    metadata = place.api.objects["secrets", name]["metadata"]
    assert metadata["annotations"][STATE] == record.past.state == "healthy"
    kinds = sorted(item["kind"] for item in record.objects)
    assert kinds == ["Deployment", "Secret", "Service"]
    [image] = record.past.images
    assert json.dumps(record.objects).count(image.reference) == 1, "pinned to the digest of the release"
    requests = len(place.api.log)
    assert place.deploy()[1].state == "unchanged"
    assert place.records == [name]
    later = place.api.log[requests:]
    assert {path.rpartition("/")[2] for method, path in later if method != "GET"} == {"selfsubjectrulesreviews"}
    lists = [path for method, path in later if method == "GET" and path.endswith(("/secrets", "/replicasets"))]
    # No journal says that the newest deploy ended well: its record is asked for, once.
    assert sorted(lists) == sorted([*set(lists), "/api/v1/namespaces/prod/secrets"]), "what is kept is not read"


def test_no_value_of_a_secret_is_in_a_record_and_each_is_in_a_secret_that_the_record_names(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    [record] = records(place)
    text = json.dumps(to_json(record))
    assert "canary" not in text and base64.b64encode(b"canary-own-1").decode() not in text
    [copy] = record.copies.values()
    assert set(record.needs) == {f"Secret/{place.env_secret}", f"Secret/{copy}"}
    assert base64.b64decode(place.data(copy)["password"]) == b"canary-own-1"
    assert place.api.objects["secrets", copy]["immutable"] is True


@pytest.mark.slow
def test_a_secret_of_the_manifests_gets_one_copy_for_each_of_its_values(place: KubePlace) -> None:
    for value in ("1", "2", "1"):
        place.own = OWN.partition("---")[0].replace("canary-own-1", f"canary-own-{value}")
        assert place.deploy()[0] == 0
    found = [item for (kind, _), item in place.api.objects.items() if kind == "secrets"]
    copies = [item for item in found if item["metadata"]["labels"].get("shipit.dev/version-of") == "own"]
    assert sorted(base64.b64decode(item["data"]["password"]) for item in copies) == [b"canary-own-1", b"canary-own-2"]
    assert place.deploy()[1].state == "unchanged"


@pytest.mark.slow
def test_of_very_many_secrets_in_manifests_no_copies_are_made(place: KubePlace) -> None:
    one = OWN.partition("---")[0]
    place.own = "---\n".join(one.replace("own", f"own-{number}") for number in range(MOST_COPIES + 1))
    assert place.deploy()[0] == 0
    [record] = records(place)
    assert record.copies == {} and len(list(unrestored(record, "prod"))) == MOST_COPIES + 1
    assert not any(
        item["metadata"]["labels"].get("shipit.dev/version-of", "").startswith("own")
        for (kind, _), item in place.api.objects.items()
        if kind == "secrets"
    )


def meta(number: int, state: str) -> Meta:
    at = f"2026-01-31T12:{number:02d}:00Z"
    return Meta(f"r{number:02d}", created=at, annotations={STATE: state, RELEASED: at})


@pytest.mark.parametrize(
    ("states", "gone"),
    [
        (["healthy"] * KEPT, []),
        (["healthy"] * (KEPT + 2), ["r01", "r00"]),
        (["healthy", "healthy", *["failed"] * KEPT], ["r00"]),
        (["begun"] * (KEPT + 1), ["r00"]),
    ],
)
def test_the_last_ten_and_the_newest_healthy_release_are_kept(states: list[str], gone: list[str]) -> None:
    found = [meta(number, state) for number, state in enumerate(states)]
    random.Random(4).shuffle(found)
    assert [item.name for item in expired(found)] == gone


def test_a_record_that_is_too_large_says_what_it_leaves_out(place: KubePlace) -> None:
    run, _ = place.run()
    desired = run.targets[0]._desired  # type: ignore[attr-defined]
    noise = base64.b64encode(random.Random(4).randbytes(2 * MOST_BYTES)).decode()
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"a": noise}}
    record = Record(PAST, (item,), ("Secret/shop-env-1",))
    made = render_record(desired, record)
    assert len(base64.b64decode(made["data"]["record"])) <= MOST_BYTES
    found = unpack(made["data"])
    assert found.objects == () and found.needs == ()
    assert found.left_out == found.past.gone and found.left_out.startswith("its manifests have ")
    small = render_record(desired, record._replace(objects=()))
    assert unpack(small["data"]) == record._replace(objects=())


@pytest.mark.slow
def test_ten_records_of_the_largest_size_are_listed(place: KubePlace) -> None:
    run, _ = place.run()
    [target] = run.targets
    desired = target._desired  # type: ignore[attr-defined]
    noise = base64.b64encode(random.Random(4).randbytes(MOST_BYTES * 9 // 10)).decode()
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"a": noise}}
    for number in range(KEPT):
        made = render_record(desired, Record(PAST._replace(version=f"run-{number}"), (item,)))
        assert len(made["data"]["record"]) > MOST_BYTES
        made["metadata"]["creationTimestamp"] = f"2026-01-31T12:{number:02d}:00Z"
        place.api.update_or_create("secrets", made["metadata"]["name"], made)
    assert records_releases(target)
    session = run.session(target, is_planning=False)
    found = target.past_releases(KEPT, session, tells_current=False)
    assert [past.version for past in found] == [f"run-{number}" for number in reversed(range(KEPT))]
    assert [past.version for past in target.past_releases(1, session, tells_current=False)] == [f"run-{KEPT - 1}"]


WHOLE = to_json(Record(PAST, ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {}},)))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({}, "should have the JSON of a release"),
        ({"record": "?"}, "should have the JSON of a release"),
        ({"record": base64.b64encode(b"no gzip").decode()}, "should have the JSON of a release"),
        (with_record(b"{"), "should have the JSON of a release"),
        (with_record(b"[" * 100_000), "should have the JSON of a release"),
        (with_record(b" " * (65 * 1024 * 1024)), "should have at most 64 MiB"),
        (with_record([]), "should be an object"),
        (with_record({**WHOLE, "past": {**WHOLE["past"], "state": "done"}}), "should be one of"),
        (with_record({**WHOLE, "objects": ["a"]}), "should be an object"),
        (with_record({**WHOLE, "objects": [{"kind": "Pod"}]}), "an object without apiVersion, kind or name"),
        (with_record({**WHOLE, "objects": [{**WHOLE["objects"][0], "metadata": []}]}), "an object without"),
        (with_record({**WHOLE, "health": {"web": ["a", "/"]}}), "should be a whole number"),
        (with_record({**WHOLE, "copies": {str(n): "a" for n in range(MOST_COPIES + 1)}}), "has more than 30 copies"),
        (
            with_record(json.dumps(WHOLE).replace('"data', '"x": NaN, "data').encode()),
            "should have the JSON of a release",
        ),
        (with_record({**WHOLE, "format": 2}), "has the format 2, and this shipit reads 1"),
        (with_record({**WHOLE, "more": 1}), "should be a field of Record"),
    ],
)
def test_a_record_with_other_content_is_not_read(data: dict[str, Any], what: str) -> None:
    with pytest.raises(RemoteError) as caught:
        unpack(data)
    assert what in caught.value.what


@pytest.mark.parametrize("data", [5, True, 1.5, "a", ["a"], None])
@pytest.mark.parametrize("key", ["data", "stringData"])
def test_a_recorded_secret_whose_data_is_no_map_is_one_that_does_not_run(key: str, data: Any) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, key: data}
    record = unpack(with_record({**WHOLE, "objects": [secret], "copies": {"Secret/own": "own-1"}}))
    assert not is_running(record, KubernetesObserved({"Secret/own": None}), "prod")


def test_a_record_comes_back_equal() -> None:
    assert unpack(with_record(WHOLE)) == from_json(Record, WHOLE)


@pytest.mark.slow
def test_a_record_that_cannot_be_read_is_left_out_with_its_name(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    place.mode = "new"
    assert place.deploy()[0] == 0
    place.api.objects["secrets", place.records[0]]["data"] = {"record": "AAAA"}
    run, events = place.run()
    [target] = run.targets
    assert records_releases(target)
    assert len(target.past_releases(10, run.session(target, is_planning=False))) == 1
    [warning] = [event.message for event in events if isinstance(event, Warned)]
    assert warning.startswith(f"Secret/{place.records[0]} should have the JSON of a release")


@pytest.mark.slow
def test_a_release_whose_secret_is_gone_cannot_be_returned_to_and_says_so(place: KubePlace) -> None:
    assert place.deploy()[0] == 0
    first = place.env_secret
    place.token = "canary-second-4712"
    assert place.deploy()[0] == 0
    del place.api.objects["secrets", first]
    run, _ = place.run()
    [target] = run.targets
    assert returns(target)
    session = run.session(target, is_planning=False)
    _, older = target.past_releases(10, session)
    with pytest.raises(ShipitError, match=f"can't return to {older.version}: Secret/{first} is gone"):
        target.recall(older, session)
    with pytest.raises(ShipitError, match="there is no record of the release"):
        target.recall(older._replace(version="other"), session)


@pytest.mark.slow
def test_what_runs_is_the_newest_release_with_the_same_objects(place: KubePlace) -> None:
    current = []
    for mode in ("one", "two", "one"):
        place.mode = mode
        assert place.deploy()[0] == 0
        run, _ = place.run()
        [target] = run.targets
        assert records_releases(target)
        found = target.past_releases(10, run.session(target, is_planning=False))
        current.append([past.is_current for past in found])
    assert [sum(row) for row in current] == [1, 1, 1]
    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "other:1"}]}}}}
    place.api.update("deployments", "web", "kubectl-set", image)
    run, _ = place.run()
    [target] = run.targets
    assert records_releases(target)
    found = target.past_releases(10, run.session(target, is_planning=False))
    assert [past.is_current for past in found] == [False] * 3, "somebody else runs another image"


@pytest.mark.slow
def test_twelve_releases_leave_ten_records_and_what_they_need(place: KubePlace) -> None:
    names = []
    for number in range(12):
        place.token = f"canary-{number:04d}-token"
        assert place.deploy()[0] == 0
        names.append(place.env_secret)
    assert len(place.records) == 10
    for kind, name in list(place.api.objects):
        if kind == "replicasets":
            del place.api.objects[kind, name]
    place.mode = "new"
    assert place.deploy()[0] == 0
    kept = {name for kind, name in place.api.objects if kind == "secrets" and name in names}
    assert kept == set(names[2:])


@pytest.mark.slow
def test_a_plan_after_a_deploy_is_empty_with_records_of_several_releases(place: KubePlace) -> None:
    for number in range(3):
        place.token = f"canary-{number:04d}-token"
        assert deploy(place.run()[0]) == 0
    assert prepare(place.run()[0]).plan.changes == 0
