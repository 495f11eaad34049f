"""Images that are sent to a host without a registry: what a host lacks of them, and the sending."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from shipit.delivery.direct import measure_direct
from shipit.errors import BuildError
from shipit.parallel import together
from shipit.release import Image, LoadedImage, Release
from shipit.targets.docker.observed import DockerObserved, HostFacts, Lacking
from shipit.targets.docker.plan import lacks_image
from shipit.targets.docker.setting import Setting
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.images import send_pinned
from shipit.targets.engine.owner import Owner
from shipit.targets.session import Session


def send_image(pinned: str, client: HostClient, setting: Setting, step: str) -> LoadedImage:
    """Send a host what it lacks of an image. `id` of the result is that of the image there. Safe to repeat. Raises: DeployFailed, ShipitErrors."""
    return send_pinned(pinned, client, setting.owner, setting.session, step)


def measure(hosts: Hosts, owner: Owner, release: Release, observed: DockerObserved, session: Session) -> DockerObserved:
    """The observation with what each host lacks of the images that it is sent. Hosts are read side by side."""
    found = together(
        {
            host: partial(_measure_host, hosts, host, owner, release, facts, session)
            for host, facts in observed.hosts.items()
        },
        session.clock,
    )
    return observed._replace(hosts=found)


def _measure_host(
    hosts: Hosts, host: str, owner: Owner, release: Release, facts: HostFacts, session: Session
) -> HostFacts:
    lacking = [image for image in release.images if not image.repository and lacks_image(image, facts)]
    if not lacking or session.delivery is None:
        return facts
    client = hosts.client(host, session)
    return facts._replace(lacks=dict(_measured(lacking, owner, client, session)))


def _measured(images: list[Image], owner: Owner, client: HostClient, session: Session) -> Iterator[tuple[str, Lacking]]:
    assert session.delivery is not None
    for image in images:
        name = owner.image_name(image.name, image.config_digest)
        # The plan only says less without it.
        with suppress(BuildError):
            found = measure_direct(session.delivery, image, name, client.engine, client.deadline)
            yield image.pinned, Lacking(found.layers, found.size_bytes)
