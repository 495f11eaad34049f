"""The stock of the hosts of a target: what neither a service that runs nor a rollback needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from shipit.parallel import together
from shipit.targets.docker.plan_back import Record, names_in
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.connection import Hosts
from shipit.targets.engine.facts import has_ended, name_of
from shipit.targets.engine.label_store import Labelled
from shipit.targets.engine.one_off import has_expired
from shipit.targets.engine.owner import SERVICE, Owner
from shipit.targets.engine.prune import Networks, engine_locks, find_stock, is_own
from shipit.targets.engine.records import kept_records, read_records
from shipit.targets.engine.stock import Stock, only_images
from shipit.targets.session import Session


def read_stock(
    hosts: Hosts, owner: Owner, repositories: Collection[str], keep: int, session: Session
) -> dict[str, Stock]:
    """Host -> its stock. Raises: RemoteError where one can't be read."""
    first = hosts.client(hosts.names[0], session)
    unread: list[str] = []
    records = read_records(first, owner, Record, unread.append)
    kept: dict[str, set[str]] = {}
    for record in kept_records(records, keep):
        for host, names in names_in(record).items():
            kept.setdefault(host, set()).update(names)
    now_s = session.clock.wall_s()
    locks = _locks(hosts, session)

    def read(host: str) -> Stock:
        client, names = hosts.client(host, session), kept.get(host, ())
        return _read(client, owner, repositories, names, now_s, locks, is_known=not unread)

    return together({host: partial(read, host) for host in hosts.names}, session.clock)


def images_after(hosts: Hosts, owner: Owner, repositories: Collection[str], session: Session) -> dict[str, Stock]:
    """Host -> the images that nothing needs when every container of the target is gone. Raises: RemoteError."""
    found, locks = {}, _locks(hosts, session)
    for host in hosts.names:
        client = hosts.client(host, session)
        rows = client.containers()
        gone = [row for row in rows if is_own(row, owner)]
        networks = Networks(owner.app_filters, "local")
        found[host] = only_images(find_stock(client, owner, repositories, rows, gone, networks, locks=locks))
    return found


def _locks(hosts: Hosts, session: Session) -> list[Labelled]:
    """The locks on all hosts: a target keeps its lock on its first host only."""
    reads = {host: partial(engine_locks, hosts.client(host, session)) for host in hosts.names}
    return [lock for found in together(reads, session.clock).values() for lock in found]


def _read(
    client: HostClient,
    owner: Owner,
    repositories: Collection[str],
    kept: Collection[str],
    now_s: float,
    locks: Sequence[Labelled],
    *,
    is_known: bool,
) -> Stock:
    rows = client.containers()
    own = [row for row in rows if is_own(row, owner)]
    running = {row["Labels"].texts().get(SERVICE, "") for row in own if not has_ended(row)} - {""}
    gone = []
    for row in own:
        # `shipit start` starts the containers of a service that was stopped, also those that no release has.
        is_old = row["Labels"].texts().get(SERVICE, "") in running and has_ended(row) and name_of(row) not in kept
        if has_expired(client, row, now_s) or (is_known and is_old):
            gone.append(row)
    stock = find_stock(client, owner, repositories, rows, gone, Networks(owner.app_filters, "local"), locks=locks)
    if is_known:
        return stock
    note = (
        f"the stopped containers on {client.host} stay: a record of a release can't be read by this version of shipit"
    )
    return stock._replace(notes=(note, *stock.notes))
