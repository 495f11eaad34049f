"""The images that a rollback of a target may need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from shipit.errors import Interrupted, ShipitError
from shipit.parallel import together
from shipit.pipeline.releases import MOST_RELEASES
from shipit.pipeline.run import Run
from shipit.targets.base import Target
from shipit.targets.history import HasHistory, has_history, pushes_again, tells_past_images
from shipit.targets.verbs import has_workloads


def images_for_rollback(run: Run, targets: Mapping[str, Target]) -> frozenset[str]:
    """The images of past releases, as `repository@digest`, digests or first digits of one, of the targets that run something.

    `targets`: name for people -> target. A registry keeps its own releases by its own rules, and is not asked.
    Raises: ShipitError where past releases can't be read.
    """
    asked = {name: target for name, target in targets.items() if has_workloads(target) and has_history(target)}
    found = together({name: partial(_read, run, name, target) for name, target in asked.items()}, run.clock)
    return frozenset().union(*found.values())


def _read(run: Run, name: str, target: HasHistory) -> frozenset[str]:
    try:
        return frozenset(_images(run, target))
    except Interrupted:
        raise
    except ShipitError as error:
        what = f"nothing is deleted: the images of the past releases of {name} are not known: {error}"
        raise ShipitError(what, hint=error.hint) from None


def _images(run: Run, target: HasHistory) -> Iterator[str]:
    session = run.session(target, is_planning=False)
    for past in target.past_releases(MOST_RELEASES, session, tells_current=False):
        # Images that a place has lost can be pushed to it again, where its kind does that.
        if past.gone and not pushes_again(target):
            continue
        for image in past.images:
            yield from (image.reference, image.config_digest)
        if tells_past_images(target):
            yield from target.past_images(past)
