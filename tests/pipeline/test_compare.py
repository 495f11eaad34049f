"""`shipit diff`: what differs between two releases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import UsageError
from shipit.events import Difference, ReleasesCompared
from shipit.pipeline.compare import compare, differences
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.report.history_text import render_diffs
from tests.pipeline.bench import Bench
from tests.pipeline.test_rollback import release


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with EmbeddedRegistry() as registry:
        yield Bench(tmp_path, registry)


def test_two_releases_differ_in_their_image(bench: Bench) -> None:
    place = bench.add("one")
    first, second = release(bench, "first")["one"], release(bench, "second")["one"]
    [one, two] = [row["past"]["version"] for row in place.records]
    [diff] = compare(bench.run(), one, two[:6])
    assert diff.differences == (Difference("images.app", first, second),)
    assert list(render_diffs([diff])) == [
        f"one  {one} (2023-11-14 22:30 UTC, healthy) -> {two} (2023-11-14 22:30 UTC, healthy)",
        f"  ~ images.app  {first} -> {second}",
    ]
    assert bench.of(ReleasesCompared) == [ReleasesCompared((diff,))]
    [same] = compare(bench.run(), two, two)
    assert same.differences == () and "  nothing differs" in render_diffs([same])


def test_a_release_that_no_target_has_is_an_error(bench: Bench) -> None:
    place = bench.add("one")
    release(bench, "first")
    with pytest.raises(UsageError, match="one has no release 'v9'"):
        compare(bench.run(), place.records[0]["past"]["version"], "v9")


WEB = {"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 1}}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"version": "a", "x": 1}, {"version": "b", "x": 1}, []),
        ({"x": 1}, {"x": 2}, [("x", "1", "2")]),
        ({}, {"x": "new"}, [("x", "", "new")]),
        ({"x": ""}, {"x": "new"}, [("x", '""', "new")]),
        ({"x": ""}, {}, [("x", '""', "")]),
        ({"x": {"version": 1}}, {"x": {"version": 2}}, [("x.version", "1", "2")]),
        ({"x": ["a", "b"]}, {"x": ["a", "c"]}, [("x.1", "b", "c")]),
        (
            {"x": [WEB]},
            {"x": [{"kind": "Service", "metadata": {"name": "web"}}, {**WEB, "spec": {"replicas": 2}}]},
            [
                ("x.Deployment/web.spec.replicas", "1", "2"),
                ("x.Service/web", "", "{'kind': 'Service', 'metadata': {'name': 'web'}}"),
            ],
        ),
        ({"x": [{"name": "a", "v": 1}]}, {"x": []}, [("x.a", "{'name': 'a', 'v': 1}", "")]),
        ({"record": {"past": 1}}, {"record": {"past": 2}}, []),
    ],
)
def test_differences_have_the_path_of_what_differs(before: Any, after: Any, found: list[tuple[str, str, str]]) -> None:
    assert list(differences(before, after)) == [Difference(*row) for row in found]
