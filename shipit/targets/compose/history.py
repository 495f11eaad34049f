"""The releases of a Compose project: their records, the files that they need, and which of them can run again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from shipit.past_release import PastRelease
from shipit.printable import Name
from shipit.targets.compose.apply import remove_one_offs
from shipit.targets.compose.kept import forget_files
from shipit.targets.compose.observed import ComposeObserved, Wanted
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.owner import Owner
from shipit.targets.engine.records import cannot_return, kept_records, read_records


class Record(NamedTuple):
    """A release as the engine keeps it. `file` is the id of its kept file. Newer ones have a higher `sequence`."""

    past: PastRelease
    file: Name = ""
    sequence: int = 0


class ComposeRecalled(NamedTuple):
    """An earlier release, whose rendered file the engine has kept."""

    record: Record
    wanted: Wanted


def past_releases(
    records: Sequence[Record], observed: ComposeObserved, *, tells_current: bool
) -> Iterator[PastRelease]:
    """The records as history shows them: the newest one whose file runs is the current one."""
    files = {file.file: file for file in observed.files}
    current = next((one for one in records if one.file in files and observed.runs(files[one.file])), None)
    for one in records:
        is_current = one is current and tells_current
        yield one.past._replace(is_current=is_current, gone=_gone(one, files, observed.images))


def recalled(record: Record, observed: ComposeObserved, where: str) -> ComposeRecalled:
    """Raises: RemoteError where the engine lacks what the release needs."""
    files = {file.file: file for file in observed.files}
    if why := _gone(record, files, observed.images):
        raise cannot_return(why, where)
    return ComposeRecalled(record, files[record.file])


def expire(client: HostClient, owner: Owner, file: str, keep: int, now_s: float) -> None:
    """Keep the files of the newest releases; remove the others, the images of deploy.yml that only they used, and old one-off containers."""
    remove_one_offs(client, owner, now_s)
    records = kept_records(read_records(client, owner, Record), keep)
    kept = {file, *(record.file for record in records)}
    for image in forget_files(client, owner, kept):
        client.remove_image(image)


def _gone(record: Record, files: Mapping[str, Wanted], images: Collection[str]) -> str:
    """Why the engine can't return to a release; empty where it keeps its file, and the images that no registry has."""
    if record.file not in files:
        return "the engine does not have its compose file any more"
    missing = [name for name in files[record.file].images.values() if "@" not in name and name not in images]
    return f"the engine does not have its image {missing[0]} any more" if missing else ""
