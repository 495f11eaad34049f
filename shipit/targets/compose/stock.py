"""The stock of the engine of a project: what neither a service that runs nor a rollback needs."""

from __future__ import annotations

from collections.abc import Collection

from shipit.targets.compose.history import Record
from shipit.targets.compose.kept import old_files
from shipit.targets.compose.look import project_filters
from shipit.targets.compose.observed import ComposeObserved
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.one_off import has_expired
from shipit.targets.engine.owner import Owner
from shipit.targets.engine.prune import Networks, find_stock, is_own
from shipit.targets.engine.records import kept_records, read_records
from shipit.targets.engine.stock import Stock, only_images


def read_stock(
    client: HostClient,
    project: str,
    owner: Owner,
    repositories: Collection[str],
    keep: int,
    observed: ComposeObserved,
    now_s: float,
) -> dict[str, Stock]:
    """The stock of the only engine. `observed` is the project without what the run wants. Raises: RemoteError."""
    rows = client.containers()
    gone = [row for row in rows if is_own(row, owner) and has_expired(client, row, now_s)]
    unread: list[str] = []
    records = read_records(client, owner, Record, unread.append)
    if unread:
        note = f"the compose files of releases stay on {client.host}: a record can't be read by this version of shipit"
        stock = find_stock(client, owner, repositories, rows, gone, Networks(project_filters(project)))
        return {client.host: stock._replace(notes=(note, *stock.notes))}
    kept = {record.file for record in kept_records(records, keep)}
    # After a failure the containers may be of files that no kept release has.
    kept |= {file.file for file in (observed.current, observed.made) if file}
    old = [volume.name for volume in old_files(client, owner, kept)]
    return {client.host: find_stock(client, owner, repositories, rows, gone, Networks(project_filters(project)), old)}


def images_after(client: HostClient, project: str, owner: Owner, repositories: Collection[str]) -> dict[str, Stock]:
    """The images that nothing needs when the containers and files of the target are gone. Raises: RemoteError."""
    rows = client.containers()
    gone = [row for row in rows if is_own(row, owner)]
    old = [volume.name for volume in old_files(client, owner, ())]
    found = find_stock(client, owner, repositories, rows, gone, Networks(project_filters(project)), old)
    return {client.host: only_images(found)}
