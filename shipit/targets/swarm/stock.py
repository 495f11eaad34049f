"""The stock of the manager of a swarm: what neither a service that runs nor a rollback needs."""

from __future__ import annotations

from collections.abc import Collection

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.printable import counted
from shipit.targets.engine.owner import Owner
from shipit.targets.engine.prune import Networks, find_stock
from shipit.targets.engine.prune import is_own as is_container_of
from shipit.targets.engine.records import read_records
from shipit.targets.engine.stock import Stock, only_images
from shipit.targets.session import Session
from shipit.targets.swarm.client import SwarmClient
from shipit.targets.swarm.kept import find_expired
from shipit.targets.swarm.look import first_ids
from shipit.targets.swarm.observed import SwarmObserved
from shipit.targets.swarm.owned import is_own
from shipit.targets.swarm.plan_back import Record
from shipit.targets.swarm.spec import KEEPS, network_name

# The label of a task's container, and how long removing one may take.
_SERVICE_ID = "com.docker.swarm.service.id"
_REMOVAL_S, _RETRY_S = 60.0, 0.3


def read_stock(
    client: SwarmClient, owner: Owner, repositories: Collection[str], keep: int, observed: SwarmObserved
) -> dict[str, Stock]:
    """The stock of the manager: Swarm itself removes the containers of tasks. Raises: RemoteError."""
    notes, names, unread = list[str](), tuple[str, ...](), list[str]()
    read_records(client, owner, Record, unread.append)
    if unread:
        notes = ["the specs of releases stay: a record can't be read by this version of shipit"]
    else:
        expired = find_expired(client, owner, keep, observed)
        names = tuple(one.name for one in (*expired.configs, *expired.secrets))
    if (others := len(client.nodes()) - 1) > 0:
        notes.append(f"images on {counted(others, 'other node')} are not looked at: run docker image prune there")
    rows = _rows(client)
    stock = find_stock(client, owner, repositories, rows, (), Networks(owner.app_filters, "swarm"), names)
    # A rollback makes no other network again: those of a stack file stay.
    networks = tuple(name for name in stock.networks if name == network_name(owner))
    return {client.host: stock._replace(networks=networks, notes=(*notes, *stock.notes))}


def _rows(client: SwarmClient) -> list[Field]:
    """The containers of the engine, without those of services that are gone: Swarm is about to remove them."""
    services = _services(client)
    return [row for row in client.containers() if _service_of(row) in services]


def _services(client: SwarmClient) -> frozenset[str]:
    """The ids of the services that are there, and the empty one of a container that is of none."""
    return frozenset(["", *(row["ID"].required() for row in client.services())])


def _service_of(row: Field) -> str:
    return row["Labels"].texts().get(_SERVICE_ID, "")


def await_removed(client: SwarmClient, owner: Owner, session: Session) -> None:
    """Wait until the engine has removed the containers of services of a target that are gone: it does so after their answer.

    Raises: RemoteError where they are still there a minute after the time in which they may end.
    """
    deadline = None
    while left := _left_of_services(client, owner):
        deadline = deadline or session.deadline.within(_REMOVAL_S + _grace_s(left, client))
        if not deadline.remaining_s():
            what = f"containers of services that are gone are still there: {first_ids(left, 'Id')}"
            raise RemoteError(what, where=client.host, hint="docker rm -f removes one; then run the command again")
        session.clock.sleep(_RETRY_S)


def _left_of_services(client: SwarmClient, owner: Owner) -> list[Field]:
    services = _services(client)
    return [row for row in client.containers() if _service_of(row) not in services and is_container_of(row, owner)]


def _grace_s(rows: list[Field], client: SwarmClient) -> int:
    """The longest time in which one of the containers may end."""
    found = [client.container(row["Id"].required()) for row in rows]
    return max((one["Config"]["StopTimeout"].whole() for one in found if one is not None), default=0)


def drop_kept(name: str, client: SwarmClient, owner: Owner) -> None:
    """Remove a config or a secret of a target; one that a service uses stays."""
    for one in client.configs(owner.filters):
        if one.name == name:
            client.remove_config(one.id)
    for one in client.secrets(owner.filters):
        if one.name == name:
            client.remove_secret(one.id)


def images_after(client: SwarmClient, owner: Owner, repositories: Collection[str]) -> dict[str, Stock]:
    """The images on the manager that nothing needs when the services of the target are gone. Raises: RemoteError."""
    services = {row["ID"].required() for row in client.services() if is_own(row, owner)}
    rows = _rows(client)
    gone = [row for row in rows if _service_of(row) in services]
    kept = [one.name for one in client.configs(owner.filters) if KEEPS in one.labels]
    found = find_stock(client, owner, repositories, rows, gone, Networks(owner.app_filters, "swarm"), kept, services)
    return {client.host: only_images(found)}
