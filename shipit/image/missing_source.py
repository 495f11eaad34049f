"""The error for a source of COPY or ADD that does not exist."""

from __future__ import annotations

from shipit.errors import BuildError


class MissingSource(BuildError):
    """A source does not exist in its context, stage or image. `path` is as written in the Dockerfile."""

    def __init__(self, keyword: str, path: str, *, where: str) -> None:
        super().__init__(f"{keyword}: {path!r} does not exist", where=where, hint="check the path, and .dockerignore")
        self.path = path
