"""Secrets as files of a container: uploaded before it starts, and read back from it.

They are in a volume of the container's own: neither its variables nor its image have them, and they go with the container.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping

from shipit.errors import DeployFailed
from shipit.http.fields import Field
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.owner import FILES, SECRETS_FOLDER
from shipit.targets.engine.users import User, find_user

_MODE = 0o400


def names_of_files(answer: Field) -> tuple[str, ...]:
    """The names of the secrets that a container has as files, by its label."""
    text = answer["Config"]["Labels"].texts().get(FILES, "")
    return tuple(name for name in text.split(",") if name and "/" not in name and name not in (".", ".."))


def read_files(client: HostClient, container: str, names: Iterable[str]) -> dict[str, str]:
    """Name -> value of the files that a container has."""
    found = {name: client.read_file(container, f"{SECRETS_FOLDER}/{name}") for name in names}
    return {name: data.decode("utf-8", "replace") for name, data in found.items() if data is not None}


def copy_files(client: HostClient, like: Field, container: str) -> None:
    """Give a new container the files of another one, by its answer to GET /containers/{id}/json. Raises: DeployFailed."""
    names = names_of_files(like)
    values = read_files(client, like["Id"].required(), names)
    if missing := [name for name in names if name not in values]:
        what = f"{SECRETS_FOLDER}/{missing[0]} of {like['Name'].text().lstrip('/')} can't be read"
        raise DeployFailed(what, where=client.host, hint="deploy again, which makes a new container")
    if values:
        give_files(client, container, values)


def give_files(client: HostClient, container: str, values: Mapping[str, str]) -> None:
    """Upload the files to a container that does not run yet. Its own user may read them, and nobody else there."""
    answer = client.container(container)
    if answer is None:
        raise DeployFailed(f"somebody removed {container}", where=client.host, hint="deploy again")

    def read(path: str) -> str:
        return (client.read_file(container, path) or b"").decode("utf-8", "replace")

    user = find_user(answer["Config"]["User"].text(), read)
    client.write_archive(container, SECRETS_FOLDER, archive_of(values, user))


def archive_of(values: Mapping[str, str], user: User) -> bytes:
    """The tar that the engine unpacks. Pure."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, value in sorted(values.items()):
            content = value.encode("utf-8", "surrogateescape")
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid, info.gid = len(content), _MODE, user.uid, user.gid
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()
