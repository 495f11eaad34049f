"""Reads on which ports of the host of an engine something listens."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from shipit.files import Missing, Unreadable, read_file
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.container_values import Publish
from shipit.targets.engine.host_shell import host_output, is_here
from shipit.targets.engine.listening import FILES, parse_listening

_LARGEST = 16 * 1024 * 1024
_HEAD = " local_address "


def listening_ports(client: HostClient) -> frozenset[Publish] | None:
    """None where this machine can't see them: a tcp:// host, an engine in a virtual machine. Raises: RemoteError."""
    text = _local(client) if is_here(client.engine) else host_output(client.engine, ["cat", *FILES])
    # Each table has a head: without those of TCP and UDP nothing is known.
    return parse_listening(text) if text and text.count(_HEAD) >= 2 else None


def _local(client: HostClient) -> str:
    folder = client.info()["DockerRootDir"].text()
    if not folder.startswith("/") or not Path(folder).is_dir():
        return ""
    found = []
    for name in FILES:
        try:
            # A kernel without IPv6 has two of them.
            with suppress(Missing):
                found.append(read_file(Path(name), max_bytes=_LARGEST).decode("ascii", "replace"))
        except Unreadable:
            return ""
    return "".join(found)
