"""Settings of the kernel for a container, as docker run takes them: from text and maps to values. Pure.

Source: docs.docker.com/reference/cli/docker/container/run: --device, --ulimit; docker/go-units, ulimit.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

ULIMITS = (
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
)  # fmt: skip
_DEVICE = re.compile(r"(?P<host>/[^:\s]+)(?::(?P<path>/[^:\s]+))?(?::(?P<rights>[rwm]{1,3}))?")


class Ulimit(NamedTuple):
    """Limits of a process, of which the soft one can be raised to the hard one. -1 is none."""

    soft: int
    hard: int


class Device(NamedTuple):
    """A device of the host, and where a container sees it with which rights: r, w and m."""

    host: str
    path: str
    rights: str = "rwm"


def parse_device(text: str) -> Device:
    """`HOST[:PATH][:RIGHTS]`. Raises: ValueError."""
    match = _DEVICE.fullmatch(text)
    if match is None or len(set(match["rights"] or "")) != len(match["rights"] or ""):
        raise ValueError("should be /DEVICE, /DEVICE:/PATH or /DEVICE:/PATH:rwm")
    return Device(match["host"], match["path"] or match["host"], match["rights"] or "rwm")


def render_ulimits(limits: Mapping[str, Ulimit]) -> list[dict[str, Any]]:
    """The limits as the engine takes them."""
    return [{"Name": name, "Soft": limit.soft, "Hard": limit.hard} for name, limit in sorted(limits.items())]


def render_devices(devices: tuple[Device, ...]) -> list[dict[str, str]]:
    """The devices as the engine takes them."""
    return [{"PathOnHost": one.host, "PathInContainer": one.path, "CgroupPermissions": one.rights} for one in devices]
