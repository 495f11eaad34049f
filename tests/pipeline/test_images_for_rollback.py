"""The images that `shipit prune --keep` leaves for a rollback."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from shipit.digest import Digest
from shipit.errors import RemoteError, ShipitError
from shipit.events import Event
from shipit.past_release import PastRelease
from shipit.pipeline.images_for_rollback import images_for_rollback
from shipit.rehearsal.memory import KIND
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.release import PublishedImage
from shipit.targets.heroku.past import past_images
from shipit.targets.session import Session
from tests import runs

OLD, LOST = Digest.of(b"old"), Digest.of(b"lost")


def release(version: str, digest: Digest, gone: str = "") -> PastRelease:
    image = PublishedImage("web", "linux/amd64", f"r.example/shop@{digest}", digest)
    return PastRelease(version, "healthy", images=(image,), gone=gone)


class Remembers(MemoryTarget):
    """A place with two past releases, of which it has lost the images of one."""

    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        assert not session.is_planning and not tells_current
        return [release("v2", OLD), release("v1", LOST, gone="its images are gone")]


class PushesAgain(Remembers):
    kind = KIND._replace(capabilities=KIND.capabilities | {"pushes_again"})


class TellsNothing(Remembers):
    kind = KIND._replace(capabilities=KIND.capabilities - {"has_workloads"})


class Unreadable(MemoryTarget):
    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        raise RemoteError("may not list secrets", where="GET k8s.example/secrets", hint="ask for the right")


def images_of(tmp_path: Path, target: MemoryTarget) -> frozenset[str]:
    environment = runs.environment(tmp_path)
    project = runs.project(tmp_path, "app: shop\nimage: r.example/shop\ntargets: {hub: }\n", environment)
    events: list[Event] = []
    run = runs.run(project, environment, events, targets=lambda _: [target])
    return images_for_rollback(run, {"staging:one": target})


def test_images_of_releases_that_a_place_can_return_to_are_needed(tmp_path: Path) -> None:
    old, lost = {f"r.example/shop@{OLD}", str(OLD)}, {f"r.example/shop@{LOST}", str(LOST)}
    assert images_of(tmp_path, Remembers("one", InMemoryPlace())) == old
    assert images_of(tmp_path, PushesAgain("one", InMemoryPlace())) == old | lost
    assert images_of(tmp_path, TellsNothing("one", InMemoryPlace())) == set(), "a registry keeps its own"


def test_past_releases_that_can_not_be_read_are_an_error_that_says_so(tmp_path: Path) -> None:
    said = "nothing is deleted: the images of the past releases of staging:one are not known: GET k8s.example/secrets"
    with pytest.raises(ShipitError, match=said) as caught:
        images_of(tmp_path, Unreadable("one", InMemoryPlace()))
    assert caught.value.hint == "ask for the right"


@pytest.mark.parametrize(
    ("description", "digits"),
    [
        ("Deployed web (0123456789ab), worker (ba9876543210)", {"0123456789ab", "ba9876543210"}),
        ("Set A config vars", set()),
        ("Rollback to v3", set()),
        ("a web (0123456789ab) of somebody", set()),
    ],
)
def test_the_images_of_a_release_of_heroku(description: str, digits: set[str]) -> None:
    assert past_images(PastRelease("v4", changes=(description,))) == digits
