"""The free space of a host, where its engine keeps images and containers."""

from __future__ import annotations

import os
from collections.abc import Iterator

from shipit.docker.client import Engine
from shipit.printable import human_bytes
from shipit.release import Finding
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.disk import parse_free
from shipit.targets.engine.host_shell import host_output, is_here

# An engine needs room for a new image beside the old ones.
_LEAST_FREE = 2 * 1024**3


def free_space(client: HostClient) -> tuple[str, int] | None:
    """The folder of the engine, and the free bytes there; None where this machine can't ask for it. Raises: RemoteError."""
    folder = client.info()["DockerRootDir"].text()
    free = _free_bytes(client.engine, folder) if folder.startswith("/") else None
    return None if free is None else (folder, free)


def space_findings(client: HostClient) -> Iterator[Finding]:
    """What `shipit doctor` says of it, where this machine can ask for it."""
    host, found = client.host, free_space(client)
    if found is None:
        return
    folder, free = found
    said = f"{human_bytes(free)} are free in {folder} of {host}"
    if free < _LEAST_FREE:
        where = "" if host.startswith("unix://") else f" --host {host}"
        what = f"docker{where} system df shows what uses it; docker{where} image prune removes unused images"
        yield Finding("warning", "", said, what)
    else:
        yield Finding("ok", "", said)


def _free_bytes(engine: Engine, folder: str) -> int | None:
    if is_here(engine):
        try:
            found = os.statvfs(folder)
        except OSError:
            # An engine in a virtual machine has its folders there.
            return None
        return found.f_bavail * found.f_frsize
    output = host_output(engine, ["df", "-Pk", "--", folder])
    return None if output is None else parse_free(output)
