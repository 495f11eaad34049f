"""The tar in which an engine gives a file of a container. Pure."""

from __future__ import annotations

import io
import tarfile


def only_file(archive: bytes, most_bytes: int) -> bytes | None:
    """The content of the only file in a tar; None for a tar that has something else."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            found = tar.next()
            content = tar.extractfile(found) if found and found.isreg() and found.size <= most_bytes else None
            return content.read() if content else None
    except (tarfile.TarError, EOFError, ValueError):
        return None
