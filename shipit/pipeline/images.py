"""What the repositories of a project hold, and where each image runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from shipit.delivery.stored_images import MOST_TAGS, read_repository
from shipit.digest import Digest, parse_digest
from shipit.errors import Interrupted, ShipitError
from shipit.events import ImagesListed, Warned
from shipit.parallel import settle, together
from shipit.pipeline.prepare import observe_target
from shipit.pipeline.run import Run
from shipit.pipeline.telling import tell_warnings
from shipit.release import Repository, Status, StoredImage
from shipit.targets.base import Target
from shipit.targets.verbs import has_workloads, uses_images

# The digits of a digest that a place shows at least.
_LEAST_DIGITS = 7


def list_images(run: Run, names: Sequence[str]) -> ImagesListed:
    """Read the repositories of the images of these names, and the places of the run; emit the images that were found.

    A place that can't be read is a warning. Raises: ShipitError for a repository that can't be read.
    """
    tell_warnings(run.project, run.emit)
    listed = read_images(run, names, {target.name: target for target in run.targets})
    listed = listed._replace(repositories=tuple(map(_without_records, listed.repositories)))
    run.emit(listed)
    return listed


def read_images(
    run: Run, names: Sequence[str], targets: Mapping[str, Target], most_tags: int = MOST_TAGS
) -> ImagesListed:
    """The repositories of the images of these names. `targets`: name for people -> target, of which it is told what runs there."""
    looked, unread = _look(run, targets)
    running: dict[str, list[str]] = {}
    for place, parts in (row for one in looked for row in _running(one)):
        # Objects of several kinds may have one name.
        running.setdefault(place, []).extend(parts)
    calls = {
        name: partial(read_repository, run.delivery, name, repository, _digests(running, repository), most_tags)
        for name in names
        if (repository := run.project.images[name].repository)
    }
    found = together(calls, run.clock)
    return ImagesListed(tuple(_with_places(found[name], running) for name in calls), unread)


def _without_records(found: Repository) -> Repository:
    return found._replace(images=tuple(image for image in found.images if not image.is_record))


class _Look(NamedTuple):
    """What runs at a target, and all images that it may start."""

    status: Status
    used: tuple[str, ...] = ()


def _look(run: Run, targets: Mapping[str, Target]) -> tuple[list[_Look], tuple[str, ...]]:
    """What runs at each target that runs something, and the targets that can't be read."""
    looks = settle({name: partial(_look_at, run, name, target) for name, target in targets.items()}, run.clock)
    looked, unread = [], []
    for name, seen in looks.items():
        if isinstance(seen, Interrupted) or (isinstance(seen, Exception) and not isinstance(seen, ShipitError)):
            raise seen
        if isinstance(seen, Exception):
            run.emit(Warned(name, f"what runs there is not known: {seen}"))
            unread.append(name)
        else:
            looked.append(seen)
    return looked, tuple(unread)


def _look_at(run: Run, name: str, target: Target) -> _Look:
    if not has_workloads(target) and not uses_images(target):
        raise ShipitError(f"the kind {target.kind.name} does not tell it")
    if not has_workloads(target):
        return _Look(Status(name, target.place))
    observed = observe_target(run, target)
    used = tuple(target.images_in_use(observed)) if uses_images(target) else ()
    return _Look(target.describe(observed)._replace(target=name), used)


def _running(look: _Look) -> Iterator[tuple[str, list[str]]]:
    """TARGET/WORKLOAD -> its images: `repository@digest`, a digest, or the first digits of one.

    TARGET -> those that it uses beside its workloads.
    """
    status, shown = look.status, set[str]()
    for unit in status.units:
        if unit.image:
            # The name of a workload, without the kind of its object before it.
            yield f"{status.target}/{unit.name.rpartition('/')[2]}", unit.image.split(", ")
            shown |= set(unit.image.split(", "))
    if others := [image for image in look.used if image not in shown]:
        yield status.target, others


def _digests(running: Mapping[str, Sequence[str]], repository: str) -> list[Digest]:
    """The digests of a repository that run somewhere."""
    parts = (part.rpartition("@") for images in running.values() for part in images)
    found = (parse_digest(digest) for name, _, digest in parts if name == repository)
    return list(dict.fromkeys(digest for digest in found if digest))


def _with_places(repository: Repository, running: Mapping[str, Sequence[str]]) -> Repository:
    images = (image._replace(runs=_places(image, running)) for image in repository.images)
    return repository._replace(images=tuple(images))


def _places(image: StoredImage, running: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Where an image runs; a target alone only where none of its workloads does."""
    found = [place for place, parts in running.items() if any(is_image(image, part) for part in parts)]
    return tuple(place for place in found if not any(other.startswith(f"{place}/") for other in found))


def is_image(image: StoredImage, part: str) -> bool:
    """Whether an image is the one that a place shows: by manifest digest, config digest or the first digits of either."""
    shown = part.rpartition("@")[2]
    own = [str(image.manifest_digest), image.config_digest]
    if shown in own:
        return True
    return len(shown) >= _LEAST_DIGITS and any(digest.partition(":")[2].startswith(shown) for digest in own)
