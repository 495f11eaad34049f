"""Records and locks of places as somebody else may have written them: each is left out and named, or is a lock that somebody has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.events import Event, Warned
from shipit.past_release import PastRelease
from shipit.pipeline.flow import deploy
from shipit.pipeline.releases import known_releases
from shipit.record import to_json
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.targets.compose import history as compose
from shipit.targets.docker import plan_back as docker
from shipit.targets.engine.label_store import Labelled
from shipit.targets.engine.lock import read_lock
from shipit.targets.engine.owner import LABEL, LOCK, RECORD, Owner
from shipit.targets.engine.records import read_records
from shipit.targets.kubernetes.lease import HOLDER_ANNOTATION, Lease
from shipit.targets.locks import Holder
from shipit.targets.swarm import plan_back as swarm
from tests import runs
from tests.targets.test_kubernetes_lease import Held

PAST: dict[str, Any] = to_json(PastRelease("run-1", "healthy"))
BAD_IMAGE = {"name": "web", "platform": "linux/amd64", "reference": "r/x@sha256:1", "config_digest": "sha256:../../etc"}
# What is in place of a release.
PASTS: Mapping[str, Any] = {
    "no map": [],
    "nothing": None,
    "another state": {**PAST, "state": "done"},
    "no version": {key: value for key, value in PAST.items() if key != "version"},
    "a number": {**PAST, "version": 7},
    "a list": {**PAST, "by": ["ana"]},
    "a later field": {**PAST, "signed_by": "ana"},
    "no digest": {**PAST, "images": [BAD_IMAGE]},
    "a half": {**PAST, "elapsed_s": "1.5"},
}
TEXTS = ["", "{", "[]", "null", "[" * 100_000, '{"past": NaN}', "\x1b[31mred", "\ud800", "9" * 5000, '{"past": 1e999}']
KINDS = [docker.Record, compose.Record, swarm.Record]


class Labels:
    """A store with these labels on one object."""

    def __init__(self, **labels: str) -> None:
        self._found = [Labelled("shop-release-1", labels)]

    def list_labelled(self, filters: str) -> Sequence[Labelled]:
        return self._found

    def put(self, name: str, labels: Mapping[str, str]) -> None: ...

    def find_labels(self, name: str) -> Mapping[str, str] | None:
        return None

    def drop(self, name: str) -> bool:
        return False


@pytest.mark.parametrize("text", [*TEXTS, *(json.dumps({"past": past, "sequence": 1}) for past in PASTS.values())])
@pytest.mark.parametrize("kind", KINDS, ids=["docker", "compose", "swarm"])
def test_a_label_that_is_no_record_is_left_out_and_named(kind: Any, text: str) -> None:
    said: list[str] = []
    assert read_records(Labels(**{RECORD: text}), Owner("shop", "production", "one"), kind, said.append) == ()
    assert said == ["shop-release-1 is no record of a release that this version of shipit can read, and is left out"]
    assert read_records(Labels(other=text), Owner("shop", "production", "one"), kind, said.append) == ()
    assert len(said) == 1


HOLDER = to_json(Holder("run-1"))
HOLDERS = [*TEXTS, "{}", *(json.dumps({**HOLDER, **changed}) for changed in ({"run": 5}, {"run": None}, {"more": 1}))]


@pytest.mark.parametrize("text", HOLDERS)
def test_a_lock_whose_holder_is_none_is_held_by_somebody(text: str) -> None:
    lock = Labels(**{LOCK: "12", f"{LABEL}.lock-holder": text})
    state = read_lock(lock, Owner("shop", "production", "one"))
    assert (state.holder, state.version, state.is_free) == (Holder("unknown"), "12", False)


@pytest.mark.parametrize("version", ["", "-1", "1.5", "\u0661", "9" * 19, "x"])
def test_a_lock_without_a_version_is_none(version: str) -> None:
    assert read_lock(Labels(**{LOCK: version}), Owner("shop", "production", "one")).holder is None


@pytest.mark.parametrize("text", [*HOLDERS, None, "x" * 5000])
def test_a_lease_whose_annotation_is_no_holder_is_held_by_whom_it_names(text: Any) -> None:
    state = lease(text).read()
    assert state.holder is not None and state.holder.run == "run-1" and not state.is_free


@pytest.mark.parametrize("value", [5, ["a"], {"run": "a"}])
def test_a_lease_with_an_annotation_that_is_no_text_is_an_error_that_names_it(value: Any) -> None:
    with pytest.raises(RemoteError, match=r"leases/lock: metadata\.annotations\.shipit\.dev/holder should be text"):
        lease(value).read()


def lease(annotation: Any) -> Lease:
    """A Lease that is renewed in the far future."""
    held = {
        "metadata": {"resourceVersion": "7", "annotations": {HOLDER_ANNOTATION: annotation}},
        "spec": {"holderIdentity": "run-1", "renewTime": "9999-12-31T23:59:59.999999-23:59"},
    }
    return Lease("lock", "prod", Held(held), runs.FakeClock())


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        yield server


@pytest.mark.parametrize("past", PASTS.values(), ids=PASTS.keys())
def test_a_manifest_of_a_run_that_is_no_record_is_left_out_and_named(
    tmp_path: Path, registry: EmbeddedRegistry, past: Any
) -> None:
    events: list[Event] = []
    environment = runs.environment(tmp_path)
    text = f"app: shop\nimage: {{repository: {registry.host}/shop, tags: [latest], build: .}}\ntargets: {{hub: {{settle: 0s}}}}\n"

    def again() -> Any:
        events.clear()
        return runs.run(runs.project(tmp_path, text, environment), environment, events)

    with again() as run:
        assert deploy(run) == 0
    [key] = [key for key in registry.tags if key[1].startswith("shipit-")]
    kind, data = registry.manifests[key[0], registry.tags[key]]
    index = json.loads(data)
    release = json.loads(index["annotations"]["dev.shipit.release"])
    index["annotations"]["dev.shipit.release"] = json.dumps({**release, "past": past})
    registry.manifests[key[0], registry.tags[key]] = (kind, json.dumps(index).encode())
    with again() as run:
        assert known_releases(run, run.targets)["hub"] == ()
        assert deploy(run) == 0
    what = (
        f"{registry.host}/shop:{key[1]} is no record of a release that this version of shipit can read, and is left out"
    )
    assert Warned("hub", what) in events
