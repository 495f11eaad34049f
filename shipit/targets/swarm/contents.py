"""The files of a project that become configs of the swarm."""

from __future__ import annotations

import hashlib

from shipit.errors import DeployFailed

# The largest content of a config in Docker 20.10.
LARGEST = 500 * 1024


def content_of(data: bytes) -> str:
    """The hash by which a config is named."""
    return hashlib.sha256(data).hexdigest()


def secret_text(data: bytes, path: str) -> str:
    """The content of a file that is a secret. Raises: DeployFailed for one that is not text, or empty."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        hint = "docker secret create NAME FILE, and external: true in the stack file"
        raise DeployFailed(f"{path} is not text of UTF-8", hint=hint) from None
    if not text:
        raise DeployFailed(f"{path} is empty, and a swarm takes no empty secret", hint="write the secret to it")
    return text
