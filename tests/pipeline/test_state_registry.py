"""`state: registry`: the runs of an app as an artifact beside its image."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.digest import Digest
from shipit.errors import UsageError
from shipit.history.state_runs import add_run, read_state_runs
from shipit.history.state_store import MOST_BYTES, StateError
from shipit.image.manifest import MANIFEST_TYPES
from shipit.past_run import PastRun
from shipit.pipeline.run import Run
from shipit.pipeline.shared_key import share_found_key
from shipit.pipeline.state_registry import StateRegistry, state_tag
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.server import Request, Response
from shipit.release import is_run_tag
from tests import runs

NAME = "runs/shop/production.json"


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        yield server


def begun(folder: Path, registry: EmbeddedRegistry, image: str = "", **variables: str) -> Run:
    environment = runs.environment(folder, **variables)
    text = f"app: shop\nstate: registry\nimage: {image or f'{registry.host}/shop'}\n"
    return runs.run(runs.project(folder, text, environment), environment, [], targets=lambda _: [])


def store(folder: Path, registry: EmbeddedRegistry, **variables: str) -> StateRegistry:
    found = begun(folder, registry, **variables).state
    assert isinstance(found, StateRegistry)
    return found


def test_what_one_machine_writes_another_one_reads(tmp_path: Path, registry: EmbeddedRegistry) -> None:
    one, two = (store(tmp_path / name, registry) for name in ("a", "b"))
    assert one.read(NAME) is None
    version = one.swap(NAME, b"first", "")
    found = two.read(NAME)
    assert found is not None and (found.data, found.version) == (b"first", version)
    assert is_run_tag(state_tag(NAME)) and not one.keeps_locks


def test_a_registry_is_not_asked_for_a_key_of_several_machines(tmp_path: Path, registry: EmbeddedRegistry) -> None:
    run = begun(tmp_path, registry)
    assert run.state is not None
    asked = list[str]()
    run.state.read = asked.append  # type: ignore[method-assign,assignment]
    share_found_key(run)
    assert asked == []


def test_of_two_that_write_at_once_the_later_one_reads_again(tmp_path: Path, registry: EmbeddedRegistry) -> None:
    one, two = (store(tmp_path / name, registry) for name in ("a", "b"))
    assert one.swap(NAME, b"first", "")
    assert two.swap(NAME, b"second", "") is None
    found = two.read(NAME)
    assert found is not None and two.swap(NAME, b"both", found.version)
    assert one.swap(NAME, b"other", found.version) is None


def test_one_manifest_stays_however_often_it_is_written(tmp_path: Path, registry: EmbeddedRegistry) -> None:
    state, version = store(tmp_path, registry), ""
    for number in range(5):
        version = state.swap(NAME, f"{number}".encode(), version) or ""
    assert len(registry.manifests) == len(registry.tags) == 1
    assert version and state.swap(NAME, b"4", version) == version, "the same again"
    assert state.read(NAME) is not None


class _Meddled(EmbeddedRegistry):
    """After the next manifest that is put, its tag names `other`; it answers a DELETE with `status`."""

    other = ""
    status = 0
    deletes = 0

    def answer(self, request: Request) -> Response:
        if request.method == "DELETE" and self.status:
            self.deletes += 1
            return Response(self.status, b"", {})
        answer = super().answer(request)
        if request.method == "PUT" and "/manifests/" in request.path and self.other:
            self.tags["shop", state_tag(NAME)], self.other = self.other, ""
        return answer


def past(run: str) -> PastRun:
    return PastRun(run, "deploy", "shop", "production", f"2026-01-31T12:00:0{len(run)}Z", "done")


def test_a_run_that_another_one_replaced_before_it_was_read_back_is_written_again(tmp_path: Path) -> None:
    with _Meddled() as registry:
        one, two = (store(tmp_path / name, registry) for name in ("a", "b"))
        add_run(two, past("other"))
        registry.other = registry.tags.pop(("shop", state_tag(NAME)))
        add_run(one, past("own"))
        assert [run.run for run in read_state_runs(two, "shop", "production")] == ["other", "own"]


@pytest.mark.parametrize("status", [403, 405, 503])
def test_a_registry_that_deletes_nothing_is_asked_once_and_keeps_the_runs(tmp_path: Path, status: int) -> None:
    with _Meddled() as registry:
        registry.status = status
        state, version = store(tmp_path, registry), ""
        for number in range(4):
            version = state.swap(NAME, f"{number}".encode(), version) or ""
        found = state.read(NAME)
        assert found is not None and found.data == b"3"
        assert registry.deletes == 1


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"x" * (MOST_BYTES + 1), "it has more than 1,048,576 bytes"), (b"other", "do not match its digest")],
)
def test_a_layer_that_is_huge_or_has_other_bytes_is_an_error(
    tmp_path: Path, registry: EmbeddedRegistry, data: bytes, why: str
) -> None:
    state = store(tmp_path, registry)
    state.swap(NAME, b"first", "")
    registry.blobs[Digest.of(b"first")] = data
    with pytest.raises(StateError, match=why) as caught:
        state.read(NAME)
    assert state_tag(NAME) in caught.value.where


def _no_artifact(manifest: dict[str, object]) -> None:
    manifest["artifactType"] = "application/other"


def _two_layers(manifest: dict[str, object]) -> None:
    manifest["layers"] = [manifest["config"], manifest["config"]]


@pytest.mark.parametrize("change", [_no_artifact, _two_layers])
def test_what_is_no_artifact_of_shipit_is_an_error_that_names_the_tag(
    tmp_path: Path, registry: EmbeddedRegistry, change: Callable[[dict[str, object]], None]
) -> None:
    state = store(tmp_path, registry)
    state.swap(NAME, b"first", "")
    [(_, data)] = registry.manifests.values()
    manifest = json.loads(data)
    change(manifest)
    forged = json.dumps(manifest).encode()
    registry.manifests["shop", Digest.of(forged)] = (MANIFEST_TYPES["oci"], forged)
    registry.tags["shop", state_tag(NAME)] = Digest.of(forged)
    with pytest.raises(StateError, match="it is no artifact of shipit") as caught:
        state.read(NAME)
    assert state_tag(NAME) in caught.value.where


def test_with_a_key_what_was_signed_with_another_one_is_an_error(tmp_path: Path, registry: EmbeddedRegistry) -> None:
    ours, same = (store(tmp_path / name, registry, SHIPIT_PLAN_KEY="ours" * 8) for name in ("a", "b"))
    other, none = store(tmp_path / "c", registry, SHIPIT_PLAN_KEY="others" * 8), store(tmp_path / "d", registry)
    version = ours.swap(NAME, b"first", "")
    assert same.read(NAME) is not None and none.read(NAME) is not None
    with pytest.raises(StateError, match="it was not signed with SHIPIT_PLAN_KEY"):
        other.read(NAME)
    none.swap(NAME, b"forged", version or "")
    with pytest.raises(StateError, match="it was not signed with SHIPIT_PLAN_KEY"):
        ours.read(NAME)


def test_a_registry_that_is_gone_and_an_image_without_a_repository_are_errors_with_a_hint(
    tmp_path: Path, registry: EmbeddedRegistry
) -> None:
    with pytest.raises(UsageError, match="needs an image with a repository"):
        _ = begun(tmp_path / "a", registry, "{build: .}").state
    state = store(tmp_path / "b", registry)
    registry.stop()
    with pytest.raises(StateError, match="can't be read or written") as caught:
        state.read(NAME)
    assert "shipit login" in caught.value.hint
