"""What `shipit prune` deletes: only old images of commits that nothing needs."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.digest import Digest
from shipit.pipeline.plan_pruning import plan_pruning
from shipit.release import Repository, StoredImage


def image(number: int, **changes: Any) -> StoredImage:
    """The image of a commit that was made on a day of January."""
    digest = Digest.of(str(number).encode())
    made = StoredImage(
        digest, (f"abcdef{number}",), digest, f"abcdef{number}", 10, "", f"2026-01-{number:02}T00:00:00+00:00"
    )
    return made._replace(**changes)


def removed(*images: StoredImage, keep: int = 1, children: tuple[Digest, ...] = ()) -> list[str]:
    found = plan_pruning(Repository("web", "r/web", images), keep, {"latest", "buildcache"}, children)
    assert found.kept + len(found.removed) == len(images)
    return [item.commit for item in found.removed]


def test_what_is_older_than_the_newest_goes() -> None:
    assert removed(image(3), image(2), image(1), keep=2) == ["abcdef1"]
    assert removed(image(3), image(2), image(1), keep=3) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"runs": ("k8s/web",)}, "it runs somewhere"),
        ({"config_digest": ""}, "it is an index, or no image"),
        ({"tags": ("abcdef1", "latest")}, "the next deploy has its tag"),
        ({"tags": ("buildcache",)}, "the next deploy has its tag"),
        ({"tags": ("abcdef1", "v1.4")}, "it has a tag that is not the name of a commit"),
        ({"tags": ()}, "it has a tag that is not the name of a commit"),
        ({"committed": ""}, "neither its time nor that of its commit is known here"),
    ],
)
def test_an_old_image_stays_for_a_reason(changes: dict[str, Any], reason: str) -> None:
    found = plan_pruning(Repository("web", "r/web", (image(2), image(1, **changes))), 1, {"latest", "buildcache"})
    assert found.removed == () and found.notes == (f"1 kept: {reason}",)


def test_an_old_image_that_a_rollback_needs_stays() -> None:
    stored = Repository("web", "r/web", (image(3), image(2), image(1)))
    found = plan_pruning(stored, 1, {"latest"}, for_rollback=[image(1).manifest_digest])
    assert [item.commit for item in found.removed] == ["abcdef2"]
    assert found.notes == ("1 kept: a rollback needs it",)


@pytest.mark.parametrize(
    ("changes", "is_removed"),
    [
        ({"tags": ("1234567",), "commit": "1234567"}, True),
        ({"tags": ("1234567",), "commit": "1234567", "committed": "", "created": "2026-01-01T00:00:00Z"}, False),
        ({"tags": ("20260101",), "commit": ""}, False),
        ({"tags": ("abcdef1-dirty",)}, True),
    ],
)
def test_digits_alone_are_a_commit_only_where_git_knows_it(changes: dict[str, Any], is_removed: bool) -> None:
    assert bool(removed(image(2), image(1, **changes))) == is_removed


def test_what_an_index_names_stays() -> None:
    assert removed(image(2), image(1), children=(image(1).manifest_digest,)) == []


def test_an_image_without_a_time_does_not_count_among_the_newest() -> None:
    assert removed(image(3), image(2), image(9, committed=""), keep=1) == ["abcdef2"]
