"""Finds a container of a service that runs, on any host of the target."""

from __future__ import annotations

from typing import NamedTuple

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.facts import name_of
from shipit.targets.engine.owner import SERVICE, Owner
from shipit.targets.session import Session


class RunningContainer(NamedTuple):
    """A container of a service, and the client of its host."""

    client: HostClient
    id: str
    name: str

    def read(self) -> Field:
        """The answer of GET /containers/{id}/json. Raises: RemoteError where it is gone."""
        found = self.client.container(self.id)
        if found is None:
            raise RemoteError(f"{self.name} is gone", where=self.client.host, hint="run it again", retryable=True)
        return found


def find_running(hosts: Hosts, owner: Owner, service: str, session: Session, label: str = SERVICE) -> RunningContainer:
    """By `label`, which has the name of the service: a healthy one where there is one, of the first host that has one. Raises: RemoteError; a host that is down is passed over."""
    found: list[tuple[bool, RunningContainer]] = []
    failed: list[RemoteError] = []
    for host in hosts.names:
        try:
            client = hosts.client(host, session)
            rows = client.containers(owner.filters)
        except RemoteError as error:
            failed.append(error)
            continue
        for row in rows:
            if row["Labels"].texts().get(label) == service and row["State"].text() == "running":
                name = name_of(row)
                is_worse = "unhealthy" in row["Status"].text() or "starting" in row["Status"].text()
                found.append((is_worse, RunningContainer(client, row["Id"].required(), name)))
    if found:
        return min(found, key=lambda one: one[0])[1]
    if failed:
        raise failed[0]
    raise RemoteError(
        f"no container of {service} runs", where=", ".join(hosts.names), hint="deploy first: shipit deploy"
    )
