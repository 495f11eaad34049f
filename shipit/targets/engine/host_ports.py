"""Reads on which ports of the host of an engine something listens."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from shipit.docker.dial import dial_plain
from shipit.files import Missing, Unreadable, read_file
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.container_values import Publish
from shipit.targets.engine.host_shell import host_output, is_here
from shipit.targets.engine.listening import FILES, parse_listening

_LARGEST = 16 * 1024 * 1024
_CONNECT_S = 2.0
_HEAD = " local_address "
# Connections are not read: a host may have more of them than fit in the output of a program.
LISTENING_ROWS = f"cat {' '.join(FILES)} | grep -E '{_HEAD}|^ *[0-9]+: [0-9A-F:]+ [0-9A-F:]+ (0A|07) '"


def listening_ports(client: HostClient) -> frozenset[Publish] | None:
    """None where this machine can't see them: a tcp:// host, an engine in a virtual machine. Raises: RemoteError."""
    text = _local(client) if is_here(client.engine) else host_output(client.engine, ["sh", "-c", LISTENING_ROWS])
    # Each table has a head: without those of TCP and UDP nothing is known.
    return parse_listening(text) if text and text.count(_HEAD) >= 2 else None


def _local(client: HostClient) -> str:
    info = client.info()
    folder = info["DockerRootDir"].text()
    if not (folder.startswith("/") and Path(folder).is_dir()):
        return ""
    # A rootless engine is in a network of its own, and publishes ports in that of its user.
    is_rootless = any(row.text() == "name=rootless" for row in info["SecurityOptions"].rows())
    process = os.getpid() if is_rootless else listener_of(urlsplit(client.engine.address.host).path)
    return tables_of(process) if process else ""


def tables_of(process: int) -> str:
    """The tables of the network that a process is in, as an engine may be in that of a container; empty where they can't be read."""
    found = []
    for name in FILES:
        try:
            # A kernel without IPv6 has two of them.
            with suppress(Missing):
                file = Path("/proc", str(process), "net", Path(name).name)
                found.append(read_file(file, max_bytes=_LARGEST).decode("ascii", "replace"))
        except Unreadable:
            return ""
    return "".join(found)


def listener_of(path: str) -> int:
    """The id of the process that listens on a socket of this machine; 0 where this system does not tell it."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    with suppress(OSError), dial_plain(f"unix://{path}", _CONNECT_S) as probe:
        process, _, _ = struct.unpack(
            "3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        )
        return max(0, int(process))
    return 0
