"""Reads on which ports of the host of an engine something listens."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from shipit.files import Unreadable, read_file
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.container_values import Publish
from shipit.targets.engine.host_shell import host_output, is_here
from shipit.targets.engine.listening import FILES, parse_listening

_LARGEST = 16 * 1024 * 1024


def listening_ports(client: HostClient) -> frozenset[Publish] | None:
    """None where this machine can't see them: a tcp:// host, an engine in a virtual machine. Raises: RemoteError."""
    text = _local(client) if is_here(client.engine) else host_output(client.engine, ["cat", *FILES])
    return parse_listening(text) if text else None


def _local(client: HostClient) -> str:
    folder = client.info()["DockerRootDir"].text()
    if not folder.startswith("/") or not Path(folder).is_dir():
        return ""
    found = []
    for name in FILES:
        # A kernel without IPv6 has two of them.
        with suppress(Unreadable):
            found.append(read_file(Path(name), max_bytes=_LARGEST).decode("ascii", "replace"))
    return "".join(found)
