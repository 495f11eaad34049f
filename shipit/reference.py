"""References to images, parsed once into a value. Imports digest and errors."""

from __future__ import annotations

import re
from typing import NamedTuple

from shipit.digest import Digest, parse_digest
from shipit.errors import ShipitError

_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DOCKER_HUB = "docker.io"


class ImageRef(NamedTuple):
    """A reference to an image: registry host, repository path, and a tag or a digest or neither."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str) -> ImageRef:
    """Parse a reference as docker does: no host means Docker Hub, one word there means `library/`.

    Raises: ShipitError when the text is no reference.
    Source: distribution/reference, the grammar in its package documentation.
    """
    rest, _, pin = text.partition("@")
    digest = parse_digest(pin)
    if pin and digest is None:
        raise ShipitError(f"{text!r} should end in @sha256: and 64 hexadecimal digits")
    head, _, tail = rest.rpartition(":")
    tag = tail if head and "/" not in tail else ""
    rest = head if tag else rest
    host, slash, path = rest.partition("/")
    if not slash or not (("." in host) or (":" in host) or host == "localhost" or host != host.lower()):
        host, path = DOCKER_HUB, rest
    host = DOCKER_HUB if host in ("index.docker.io", "registry-1.docker.io") else host
    if host == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    valid = re.fullmatch(_DOMAIN, host) and _PATH.fullmatch(path) and (not tag or _TAG.fullmatch(tag))
    if not valid or len(path) > 255 or rest.endswith(":") or text.endswith("@"):
        raise ShipitError(
            f"{text!r} should be an image reference", hint="for example user/app, ghcr.io/team/app or redis:8"
        )
    return ImageRef(host, path, tag or None, digest)


def is_tag(text: str) -> bool:
    return bool(_TAG.fullmatch(text))
