"""Images on an engine: pulling them, sending them without a registry, and those that a rollback needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from shipit.delivery.direct import load_direct
from shipit.errors import BuildError, DeployFailed
from shipit.events import StepId, StepProgress
from shipit.reference import parse_reference
from shipit.release import LoadedImage
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.label_store import LabelStore
from shipit.targets.engine.owner import IMAGES, Owner
from shipit.targets.session import Session


def pull_image(image: str, platform: str, client: HostClient, session: Session) -> None:
    """Make an engine pull an image, with the login of its registry. Raises: RemoteError."""
    ref = parse_reference(image)
    find = partial(session.registries.credentials, ref) if session.registries else None
    client.pull(image, platform, find() if find else None)


def send_pinned(
    pinned: str,
    client: HostClient,
    owner: Owner,
    session: Session,
    step: str,
    before: Callable[[str], object] = lambda name: None,
    name: str = "",
) -> LoadedImage:
    """Send an engine what it lacks of an image. `id` of the result is that of the image there. Safe to repeat. Raises: DeployFailed, ShipitErrors.

    `before` is called with the name of the image before the engine has it. `name` is the one that the engine is to have, where several
    images of the release are equal.
    """
    delivery = session.delivery
    images = session.release.images if session.release else ()
    names = {owner.image_name(one.name, one.config_digest): one for one in images if one.pinned == pinned}
    name = name or next(iter(names), "")
    image = names.get(name)
    if image is None or delivery is None:
        what = f"the image {pinned} is not one of this release"
        raise DeployFailed(what, where=owner.target, hint="make a new plan")
    before(name)
    step_id = StepId("apply", step, owner.target)

    def progress(done: int, total: int) -> None:
        session.emit(StepProgress(step_id, done, total))

    try:
        return load_direct(delivery, image, name, client.engine, client.deadline, progress)
    except BuildError as error:
        error.where = error.where or client.host
        raise


def kept_images(store: LabelStore, owner: Owner) -> frozenset[str]:
    """The images that kept files of any target of this app and environment name: a rollback needs them, though no container does."""
    found = store.list_labelled(owner.app_filters)
    return frozenset(name for one in found for name in one.labels.get(IMAGES, "").split())
