"""Platforms such as linux/arm64 in normal form, compatibility between them, and the platform of this machine.

Source: github.com/containerd/platforms, `Normalize` and `Only`.
"""

from __future__ import annotations

import platform
import re
from typing import NamedTuple

_PART = re.compile(r"[A-Za-z0-9_.-]+")
# Alias of an architecture -> (architecture, variant).
_NAMES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_VARIANTS = {
    ("amd64", "v1"): "",
    ("arm64", "8"): "",
    ("arm64", "v8"): "",
    ("arm64", "v8.0"): "",
    ("arm64", "9"): "v9",
    ("arm64", "9.0"): "v9",
    ("arm64", "v9.0"): "v9",
    ("arm", ""): "v7",
    **{("arm", digit): f"v{digit}" for digit in "5678"},
}
ARCHITECTURES = frozenset(
    ["386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x", *_NAMES]
)

# Kernel's name of a machine -> architecture of containers.
_MACHINES = {"armv7l": "arm/v7", "armv6l": "arm/v6", "i686": "386"}


class Platform(NamedTuple):
    """A platform in containerd's normal form. `variant` is empty for the usual one of an architecture."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, self))

    @property
    def runs(self) -> tuple[Platform, ...]:
        """The platforms whose images run on this one, best match first."""
        return tuple(Platform(self.os, *_normalized(*pair)) for pair in _compatible(self.architecture, self.variant))


def parse_platform(text: str) -> Platform:
    """The platform of a text such as `linux/arm64`, `arm64` or `linux/arm/v7`. Raises: ValueError."""
    parts = text.split("/")
    if text.lower() in ARCHITECTURES:
        parts = ["linux", text]
    if len(parts) not in (2, 3) or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(f"should be a platform such as linux/amd64 or linux/arm64, found {text!r}")
    return normal_platform(*parts)


def normal_platform(system: str, architecture: str, variant: str = "") -> Platform:
    """The normal form of a platform as an image's config gives it."""
    return Platform(system.lower() or "linux", *_normalized(architecture, variant))


def _normalized(architecture: str, variant: str) -> tuple[str, str]:
    architecture, variant = architecture.lower(), variant.lower()
    architecture, own = _NAMES.get(architecture, (architecture, None))
    variant = variant if own is None else own
    return architecture, _VARIANTS.get((architecture, variant), variant)


def _compatible(architecture: str, variant: str) -> list[tuple[str, str]]:
    if architecture == "amd64":
        older = [(architecture, f"v{number}") for number in range(_number(variant) - 1, 0, -1)]
        return [(architecture, variant), *older, ("386", "")]
    if architecture == "arm":
        return [(architecture, variant), *((architecture, f"v{n}") for n in range(_number(variant) - 1, 4, -1))]
    if architecture == "arm64":
        versions = _arm64_versions(variant or "v8")
        older = _compatible("arm", "v8" if variant[:2] in ("", "v8", "v9") else variant)
        return [*((architecture, version) for version in versions), *older]
    return [(architecture, variant)]


def _arm64_versions(variant: str) -> list[str]:
    """The variants whose images run on `variant`: v9.2 runs v9.2 down to v9, and v8.7 down to v8."""
    match = re.fullmatch(r"v(?:8(?:\.(\d))?|(9)(?:\.([0-7]))?)", variant, re.ASCII)
    if match is None:
        return []
    minor = int(match[1] or match[3] or 0)
    versions = [(9 if match[2] else 8, number) for number in range(minor, -1, -1)]
    if match[2]:
        versions += [(8, number) for number in range(min(minor + 5, 9), -1, -1)]
    return [f"v{major}.{minor}" if minor else f"v{major}" for major, minor in versions]


def _number(variant: str) -> int:
    digits = variant.removeprefix("v")
    return int(digits) if re.fullmatch(r"\d", digits, re.ASCII) else 0


def this_platform() -> str:
    """The platform of containers on this machine; always Linux."""
    name = platform.machine()
    try:
        return str(parse_platform(f"linux/{_MACHINES.get(name, name)}"))
    except ValueError:
        return "linux/amd64"
