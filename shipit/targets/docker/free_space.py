"""The free space of a host, where its engine keeps images and containers."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from shipit.docker.client import Engine
from shipit.docker.tunnel import ssh_program
from shipit.process import ProgramFailed, run_program
from shipit.targets.docker.disk import parse_free
from shipit.targets.engine.client import HostClient

_DF_S = 15.0


def free_space(client: HostClient) -> tuple[str, int] | None:
    """The folder of the engine, and the free bytes there; None where this machine can't ask for it. Raises: RemoteError."""
    folder = client.info()["DockerRootDir"].text()
    free = _free_bytes(client.engine, folder) if folder.startswith("/") else None
    return None if free is None else (folder, free)


def _free_bytes(engine: Engine, folder: str) -> int | None:
    address = engine.address.host
    if urlsplit(address).scheme == "unix":
        try:
            found = os.statvfs(folder)
        except OSError:
            # An engine in a virtual machine has its folders there.
            return None
        return found.f_bavail * found.f_frsize
    if urlsplit(address).scheme != "ssh":
        return None
    command = ssh_program(address, ["df", "-Pk", "--", folder])
    try:
        done = run_program(command, variables=engine.variables, timeout_s=_DF_S)
    except ProgramFailed:
        return None
    return parse_free(done.output.decode("utf-8", "replace"))
