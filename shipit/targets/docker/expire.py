"""Removes stopped containers of releases that are too old to return to, and the images that only they used."""

from __future__ import annotations

from shipit.targets.docker.plan_back import Record, names_in
from shipit.targets.host_connection import Hosts
from shipit.targets.host_owner import SERVICE, Owner
from shipit.targets.host_records import kept_records, read_records
from shipit.targets.session import Session


def expire(hosts: Hosts, owner: Owner, keep: int, session: Session) -> None:
    """Keep the containers of the newest releases, and all that run. Raises: RemoteError."""
    records = kept_records(read_records(hosts.client(hosts.names[0], session), owner, Record), keep)
    for host in hosts.names:
        client = hosts.client(host, session)
        kept = frozenset(name for record in records for name in names_in(record).get(host, ()))
        images, used = set(), set()
        for row in client.containers(owner.filters):
            name = next(row["Names"].rows()).text().lstrip("/")
            is_stopped = row["State"].text() in ("exited", "created", "dead")
            if is_stopped and name not in kept and SERVICE in row["Labels"].texts():
                client.remove(row["Id"].required())
                images.add(row["Image"].text())
            else:
                used.add(row["Image"].text())
        for image in sorted(images - used):
            if "@" in image:
                client.remove_image(image)
