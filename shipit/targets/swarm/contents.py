"""The files of a project that become configs of the swarm."""

from __future__ import annotations

import hashlib

# The largest content of a config in Docker 20.10.
LARGEST = 500 * 1024


def content_of(data: bytes) -> str:
    """The hash by which a config is named."""
    return hashlib.sha256(data).hexdigest()
