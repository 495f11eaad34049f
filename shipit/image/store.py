"""Blobs by digest on disk, and small memos about them. Safe under concurrent use: files appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipit.errors import BuildError


class ContentStore:
    """A folder with `blobs/sha256/HEX` and `memo/KIND/KEY.json`, both safe to delete at any time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs" / "sha256"
        try:
            self._blobs.mkdir(parents=True, exist_ok=True)
            (root / "tmp").mkdir(exist_ok=True)
        except OSError as error:
            hint = "set SHIPIT_CACHE_DIR to a folder that can be written"
            raise BuildError(f"the cache can't be created: {error.strerror}", where=str(root), hint=hint) from None

    def path(self, digest: str) -> Path:
        return self._blobs / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        return self.path(digest).is_file()

    def read(self, digest: str) -> bytes:
        return self.path(digest).read_bytes()

    def put(self, data: bytes) -> str:
        """Keep bytes; their digest."""
        digest = digest_of(data)
        if not self.has(digest):
            with self.scratch_file() as (file, path):
                file.write(data)
                file.close()
                os.replace(path, self.path(digest))
        return digest

    def put_stream(self, chunks: Iterable[bytes], digest: str, where: str) -> Path:
        """Keep a stream whose digest is known.

        Raises: BuildError when the bytes do not match it; nothing is kept then.
        """
        seen = hashlib.sha256()
        with self.scratch_file() as (file, path):
            for chunk in chunks:
                seen.update(chunk)
                file.write(chunk)
            file.close()
            if f"sha256:{seen.hexdigest()}" != digest:
                raise BuildError(
                    "the bytes received do not match their digest", where=where, hint="run it again", retryable=True
                )
            os.replace(path, self.path(digest))
        return self.path(digest)

    @contextmanager
    def scratch_file(self) -> Iterator[tuple[Any, str]]:
        """A temporary file in the store, open for binary writing, and its path; gone at the end unless it was moved."""
        handle, path = tempfile.mkstemp(dir=self.root / "tmp")
        file = os.fdopen(handle, "w+b")
        try:
            yield file, path
        finally:
            file.close()
            Path(path).unlink(missing_ok=True)

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        path = Path(tempfile.mkdtemp(dir=self.root / "tmp"))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def recall(self, kind: str, key: str) -> Any:
        """What was noted under a key, or None."""
        try:
            return json.loads((self.root / "memo" / kind / f"{key}.json").read_bytes())
        except (OSError, ValueError):
            return None

    def remembers(self, kind: str, key: str) -> bool:
        return (self.root / "memo" / kind / f"{key}.json").is_file()

    def note(self, kind: str, key: str, value: Any) -> None:
        folder = self.root / "memo" / kind
        folder.mkdir(parents=True, exist_ok=True)
        with self.scratch_file() as (file, path):
            file.write(json.dumps(value).encode())
            file.close()
            os.replace(path, folder / f"{key}.json")


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
