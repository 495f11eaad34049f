"""Removes stopped containers of releases that are too old to return to, and the images that only they used."""

from __future__ import annotations

from shipit.targets.docker.plan_back import Record, names_in
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.facts import has_ended, name_of
from shipit.targets.engine.images import kept_images
from shipit.targets.engine.one_off import has_expired
from shipit.targets.engine.owner import SERVICE, Owner
from shipit.targets.engine.records import kept_records, read_records
from shipit.targets.session import Session


def expire(hosts: Hosts, owner: Owner, keep: int, session: Session) -> None:
    """Keep the containers of the newest releases, and all that run. Raises: RemoteError."""
    records = kept_records(read_records(hosts.client(hosts.names[0], session), owner, Record), keep)
    for host in hosts.names:
        client = hosts.client(host, session)
        kept = frozenset(name for record in records for name in names_in(record).get(host, ()))
        images, used = set(), set()
        for row in client.containers(owner.filters):
            name = name_of(row)
            is_stopped = SERVICE in row["Labels"].texts() and has_ended(row)
            if name not in kept and (is_stopped or has_expired(client, row, session.clock.wall_s())):
                client.remove(row["Id"].required())
                images.add(row["Image"].text())
            else:
                used.add(row["Image"].text())
        for image in sorted(images - used):
            if "@" in image:
                client.remove_image(image)
        remove_sent(client, owner)


def remove_sent(client: HostClient, owner: Owner) -> None:
    """Remove the images that were sent to a host for this app and environment, and that neither a container there nor a kept file of a Compose target uses."""
    found = [(row["Id"].text(), name.text()) for row in client.images().rows() for name in row["RepoTags"].rows()]
    own = [(identity, name) for identity, name in found if owner.is_sent_image(name)]
    used = {row["ImageID"].text() for row in client.containers()} if own else set()
    kept = kept_images(client, owner) if own else frozenset()
    for identity, name in own:
        if identity not in used and name not in kept:
            client.remove_image(name)
