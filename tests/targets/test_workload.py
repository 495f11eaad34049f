"""Names of workloads on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.cli.completion import complete_workloads
from shipit.errors import UsageError
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.release import ImageUse
from shipit.targets.workload import WorkloadName, find_workload, parse_workload

USES = [ImageUse(name, f"registry.example/{name}", "oci", "linux/amd64", None, ()) for name in ("web", "worker")]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("k8s", WorkloadName("k8s")),
        ("k8s/web", WorkloadName("k8s", "web")),
        ("k8s/a/b", WorkloadName("k8s", "a/b")),
    ],
)
def test_a_name_is_read_and_written_the_same(text: str, name: WorkloadName) -> None:
    assert parse_workload(text) == name
    assert str(name) == text


@pytest.mark.parametrize("text", ["", "/", "k8s/", "/web"])
def test_an_empty_part_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="should be TARGET or TARGET/WORKLOAD"):
        parse_workload(text)


def test_a_workload_is_found_by_its_name_or_as_the_only_one() -> None:
    two, one = MemoryTarget("k8s", InMemoryPlace(), USES), MemoryTarget("k8s", InMemoryPlace(), USES[:1])
    assert find_workload(two, "worker", "exec") == "worker"
    assert find_workload(one, "", "exec") == "web"


@pytest.mark.parametrize(
    ("workload", "what", "hint"),
    [
        ("", "k8s runs 2 workloads", "name one: k8s/web, k8s/worker"),
        ("wob", "k8s has no workload 'wob'", "did you mean k8s/web?"),
        ("database", "k8s has no workload 'database'", "workloads there: k8s/web, k8s/worker"),
    ],
)
def test_a_workload_that_is_not_there_is_an_error_with_those_that_are(workload: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_workload(MemoryTarget("k8s", InMemoryPlace(), USES), workload, "exec")
    assert (caught.value.what, caught.value.hint) == (what, hint)


def test_workloads_complete_with_the_keys_of_their_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deploy.yml").write_text(
        "app: shop\nimage: marcwright/shop\ntargets:\n  k8s: {workloads: {web: {}, worker: {}}}\n"
        "  eu: {kind: heroku, processes: {clock: {}, '$(x)': {}}}\n  hub: {}\n  odd: {kind: [1], workloads: {x: {}}}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert complete_workloads("") == ["k8s", "eu", "hub", "odd", "k8s/web", "k8s/worker", "eu/clock"]
    assert complete_workloads("k8s/wo") == ["k8s/worker"]
