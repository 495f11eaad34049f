"""Published ports, volumes, sizes and restart policies, as docker run takes them: from text to values. Pure.

Source: docs.docker.com/reference/cli/docker/container/run: --publish, --volume, --memory, --restart.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from shipit.config.units import Misplaced

_PUBLISH = re.compile(
    r"(?:(?:(?P<ip>\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\]):)?(?P<host>\d{0,5}):)?(?P<port>\d{1,5})(?:/(?P<protocol>tcp|udp|sctp))?"
)
_VOLUME = re.compile(r"(?P<source>[^:]+):(?P<path>/[^:]*)(?::(?P<mode>ro|rw))?")
_TMPFS = re.compile(
    r"(?P<path>/[^:\s]*)(?::(?P<options>[a-z_]+(?:=[A-Za-z0-9.%]+)?(?:,[a-z_]+(?:=[A-Za-z0-9.%]+)?)*))?"
)
_FOLDERS = ("/", "./", "../")
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,63}")
_SIZE = re.compile(r"([0-9]{1,9})([kmg]?)i?b?", re.IGNORECASE)
# The sizes of a tmpfs that the kernel reads by itself, and the options that are one. Source: tmpfs(5).
_KERNEL_SIZE = re.compile(r"[0-9]{1,19}[kmgtpe%]?", re.IGNORECASE)
_SIZES = ("size", "nr_blocks", "nr_inodes")
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
# The least that an engine accepts.
LEAST_MEMORY = 6 * 1024**2
LEAST_SHARED = 64 * 1024
MOST_MEMORY, _MUCH_MEMORY, _MANY_CPUS = 64 * 1024**4, 512 * 1024**3, 64
_THOUSANDTHS = re.compile(r"([0-9]{1,9})(?:m|[KMG]i?)", re.ASCII)


class Publish(NamedTuple):
    """A port of a container that the host publishes. `host` is 0 where the engine chooses a free port."""

    port: int
    host: int = 0
    ip: str = ""
    protocol: str = "tcp"

    @property
    def key(self) -> str:
        """The container's port in the engine's API."""
        return f"{self.port}/{self.protocol}"

    def __str__(self) -> str:
        return f"{self.ip or '0.0.0.0'}:{self.host}/{self.protocol}"


class Volume(NamedTuple):
    """A named volume or a folder of the host, and where a container sees it."""

    source: str
    path: str
    is_read_only: bool = False

    @property
    def is_named(self) -> bool:
        return not self.source.startswith(("/", "."))

    @property
    def is_relative(self) -> bool:
        """True for a folder of this machine, beside deploy.yml."""
        return self.source.startswith(".")


class Tmpfs(NamedTuple):
    """A folder in memory, and the options of its mount; empty for none."""

    path: str
    options: str = ""


class Restart(NamedTuple):
    """A restart policy by its name in the engine's API. `attempts` is 0 for no limit."""

    name: str
    attempts: int = 0

    @property
    def body(self) -> dict[str, str | int]:
        """The policy as the engine takes it."""
        return {"Name": self.name, **({"MaximumRetryCount": self.attempts} if self.attempts else {})}


def parse_restart(text: str) -> Restart:
    """`NAME[:ATTEMPTS]`, which the configuration has checked."""
    name, _, attempts = text.partition(":")
    return Restart(name, int(attempts or 0))


def parse_publish(text: str) -> Publish:
    """`[[IP:]HOST:]PORT[/PROTOCOL]`. Raises: ValueError."""
    match = _PUBLISH.fullmatch(text)
    if match is None:
        raise ValueError("should be [[IP:]HOST:]PORT, such as 8080:3000 or 127.0.0.1:5432:5432")
    port, host = int(match["port"]), int(match["host"] or 0)
    if not 0 < port < 65536 or host > 65535:
        raise ValueError("should have ports from 1 to 65535")
    return Publish(port, host, (match["ip"] or "").strip("[]"), match["protocol"] or "tcp")


def parse_volume(text: str) -> Volume:
    """`SOURCE:PATH[:ro]`. Raises: ValueError."""
    match = _VOLUME.fullmatch(text)
    if match is None or not (match["source"].startswith(_FOLDERS) or _VOLUME_NAME.fullmatch(match["source"])):
        raise ValueError("should be NAME:/PATH or /FOLDER:/PATH, and :ro behind it for a read-only volume")
    return Volume(match["source"], match["path"], match["mode"] == "ro")


def check_address(text: str, *, what: str, is_of_host: bool = False) -> str:
    """The text itself, when it is an IP address, or `NAME:ADDRESS` of a host. Raises: ValueError with `what` for another one."""
    address = text.partition(":")[2] if is_of_host else text
    try:
        if address != "host-gateway":
            ipaddress.ip_address(address)
    except ValueError:
        raise ValueError(what) from None
    return text


def parse_tmpfs(text: str) -> Tmpfs:
    """`PATH[:OPTION,...]`. Raises: ValueError."""
    match = _TMPFS.fullmatch(text)
    if match is None:
        raise ValueError("should be /PATH or /PATH:OPTIONS, such as /run:size=64m,mode=1777")
    return Tmpfs(match["path"], match["options"] or "")


def check_tmpfs(text: str) -> None:
    """Check a tmpfs and its sizes. Raises: ValueError."""
    for option in parse_tmpfs(text).options.split(","):
        name, _, value = option.partition("=")
        if name in _SIZES and not _KERNEL_SIZE.fullmatch(value) and not _SIZE.fullmatch(value):
            raise ValueError(f"should have a size such as {name}=64m or {name}=64Mi")


def mount_options(found: Tmpfs) -> str:
    """The options as the kernel takes them: it reads `64m`, and not `64Mi`."""
    return ",".join(map(_mount_option, found.options.split(",")))


def _mount_option(option: str) -> str:
    name, _, value = option.partition("=")
    if name not in _SIZES or _KERNEL_SIZE.fullmatch(value):
        return option
    size = _SIZE.fullmatch(value)
    return f"{name}={_bytes(size)}" if size else option


def tmpfs_options(found: Tmpfs) -> dict[str, int]:
    """The options as Swarm takes them, which knows a size and a mode. Raises: ValueError for others."""
    options: dict[str, int] = {}
    for option in found.options.split(",") if found.options else ():
        name, _, value = option.partition("=")
        if name == "size" and (size := _SIZE.fullmatch(value)):
            options["SizeBytes"] = _bytes(size)
        elif name == "mode" and re.fullmatch("[0-7]{3,4}", value):
            options["Mode"] = int(value, 8)
        else:
            raise ValueError(f"can't have {option} in a swarm, which takes size=64m and mode=1777")
    return options


def parse_size(value: object) -> int:
    """Bytes of a memory limit such as `512Mi` or `512m`, which both mean 1024 * 1024. Raises: ValueError."""
    match = _size(value)
    size = _bytes(match)
    if size < LEAST_MEMORY:
        is_bare = not match[2] and size >= LEAST_MEMORY // 1024**2
        what = f"means {size} bytes; should be at least 6Mi, which is the engine's limit"
        raise Misplaced(what, hint=f"write {match[1]}Mi" if is_bare else "leave it out for no limit")
    if size > MOST_MEMORY:
        raise ValueError("should be at most 64Ti")
    return size


def parse_shared_memory(value: object) -> int:
    """Bytes, as `parse_size` reads them, with another least. Raises: ValueError."""
    size = _bytes(_size(value))
    if not LEAST_SHARED <= size <= MOST_MEMORY:
        raise ValueError("should be from 64Ki to 64Ti")
    return size


def _size(value: object) -> re.Match[str]:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("should be a size such as 512Mi or 1Gi")
    return match


def _bytes(size: re.Match[str]) -> int:
    return int(size[1]) * _UNITS[size[2].lower()]


def parse_cpus(value: object) -> object:
    """The number of CPUs. Raises: Misplaced for an amount in the words of Kubernetes."""
    match = _THOUSANDTHS.fullmatch(value) if isinstance(value, str) else None
    if match:
        raise Misplaced("should be a number of CPUs, such as 0.5", hint=f"write {int(match[1]) / 1000:g}")
    return value


def doubt_cpus(cpus: float | None) -> str:
    """A warning about an amount that is possible but unlikely; empty for none."""
    if cpus is None or cpus <= _MANY_CPUS:
        return ""
    return f"is {cpus:g} CPUs, more than most hosts have; {cpus:g} thousandths of a CPU are {cpus / 1000:g}"


def doubt_size(size: int | None) -> str:
    """A warning about an amount that is possible but unlikely; empty for none."""
    return "is more memory than most hosts have" if size is not None and size > _MUCH_MEMORY else ""


def render_size(size: int) -> str:
    """The size in the largest unit that divides it."""
    unit, name = next(
        (found for found in ((1024**3, "Gi"), (1024**2, "Mi"), (1024, "Ki")) if size % found[0] == 0), (1, "")
    )
    return f"{size // unit}{name}"
