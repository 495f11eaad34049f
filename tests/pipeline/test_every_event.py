"""A command that is killed or interrupted after each of its events, those of later versions too: the next one completes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.errors import Interrupted
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.pipeline.commits_bench import PRODUCTION, STAGING, CommitsBench

# Far more than a run over one target has.
_MOST_EVENTS = 100


@pytest.fixture
def commits(tmp_path: Path, registry: EmbeddedRegistry) -> CommitsBench:
    return CommitsBench(tmp_path, registry)


def ended_early(bench: CommitsBench, call: Callable[[], int], prepare: Callable[[], None]) -> Iterator[int]:
    """The number of each event after which a command ended, once it did; up to the one that ran to its end."""
    for number in range(1, _MOST_EVENTS):
        prepare()
        bench.dies_at = number
        try:
            assert call() == 0
        except Interrupted:
            yield number
        else:
            return
    raise AssertionError(f"it has more than {_MOST_EVENTS} events")


def is_free(bench: CommitsBench, environment: str) -> bool:
    return not bench.places[environment].lock.get("holder")


@pytest.mark.parametrize("dies", [True, False])
def test_a_deploy_is_completed_by_the_next_one(commits: CommitsBench, dies: bool) -> None:
    commits.dies = dies
    place, count = commits.places[STAGING], 0
    for number in ended_early(commits, lambda: commits.deploy(STAGING), commits.commit):
        count += 1
        assert dies or is_free(commits, STAGING), number
        assert commits.deploy(STAGING) == 0, number
        assert is_free(commits, STAGING), number
        assert place.records[-1]["past"]["state"] == "healthy", number
        latest = commits.registry.tags["staging/app", "latest"]
        assert place.images["app"].encode() in commits.registry.manifests["staging/app", latest][1], number
        writes = len(place.writes)
        assert commits.deploy(STAGING) == 0 and len(place.writes) == writes, number
    assert count > 10


@pytest.mark.parametrize("dies", [True, False])
def test_a_rollback_is_completed_by_the_next_one(commits: CommitsBench, dies: bool) -> None:
    commits.dies = dies
    place, wanted, count = commits.places[STAGING], "", 0

    def prepare() -> None:
        nonlocal wanted
        for _ in range(2):
            wanted = place.images.get("app", "")
            commits.commit()
            assert commits.deploy(STAGING) == 0

    for number in ended_early(commits, lambda: commits.roll_back(STAGING), prepare):
        count += 1
        assert dies or is_free(commits, STAGING), number
        if place.images["app"] != wanted or place.records[-1]["past"]["state"] == "begun":
            assert commits.roll_back(STAGING) == 0, number
        assert place.images["app"] == wanted, number
        assert place.records[-1]["past"]["state"] == "healthy", number
    assert count > 5


@pytest.mark.parametrize("dies", [True, False])
def test_a_scale_and_a_restart_are_completed_by_the_next_one(commits: CommitsBench, dies: bool) -> None:
    commits.dies = dies
    commits.commit()
    assert commits.deploy(STAGING) == 0
    place, wanted = commits.places[STAGING], 1

    def prepare() -> None:
        nonlocal wanted
        wanted += 1

    for number in ended_early(commits, lambda: commits.scale(STAGING, wanted), prepare):
        assert dies or is_free(commits, STAGING), number
        assert commits.scale(STAGING, wanted) == 0 and place.quantities == {"app": wanted}, number
    assert place.quantities == {"app": wanted} and wanted > 5
    for number in ended_early(commits, lambda: commits.restart(STAGING, f"{wanted}"), prepare):
        assert dies or is_free(commits, STAGING), number
        assert commits.restart(STAGING, f"{wanted} again") == 0, number
        assert place.restarts == {"app": f"{wanted} again"}, number
    assert place.restarts == {"app": f"{wanted}"} and place.quantities["app"] < wanted


@pytest.mark.parametrize("dies", [True, False])
def test_a_destroy_is_completed_by_the_next_one(commits: CommitsBench, dies: bool) -> None:
    commits.dies = dies
    place, count = commits.places[STAGING], 0

    def prepare() -> None:
        commits.commit()
        assert commits.deploy(STAGING) == 0

    for number in ended_early(commits, lambda: commits.destroy(STAGING), prepare):
        count += 1
        assert dies or is_free(commits, STAGING), number
        assert commits.destroy(STAGING) == 0 and place.images == {}, number
    assert count > 5 and place.images == {}


@pytest.mark.parametrize("dies", [True, False])
def test_a_promotion_is_completed_by_the_next_one(commits: CommitsBench, dies: bool) -> None:
    commits.dies = dies
    staging, production, count = commits.places[STAGING], commits.places[PRODUCTION], 0

    def prepare() -> None:
        commits.commit()
        assert commits.deploy(STAGING) == 0

    for number in ended_early(commits, commits.promote, prepare):
        count += 1
        assert dies or is_free(commits, PRODUCTION), number
        assert commits.promote() == 0, number
        assert production.images == staging.images, number
        assert commits.has_image(PRODUCTION, production.images["app"]), number
    assert count > 5
