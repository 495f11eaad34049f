"""Blobs by digest on disk, and small memos about them. Safe under concurrent use: files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shipit.digest import Digest
from shipit.errors import BuildError
from shipit.image.manifest import MAX_CONFIG_BYTES
from shipit.image.store.cache_bound import CacheUse
from shipit.image.store.cache_files import (
    cache_error,
    cache_errors,
    open_cache,
    open_regular,
    remove,
    temporary_file,
    temporary_folder,
    touch_used,
)
from shipit.image.store.memos import Memos

# Smaller ones are hashed whenever they are used; of larger ones it is remembered that they were.
_SMALL_BYTES = 64 * 1024
_PIECE = 1024 * 1024
GIB = 1024**3
# Size, time of change in nanoseconds, node: while these stay, a file holds what it held.
Identity = tuple[int, int, int]


@dataclass(frozen=True)
class Limits:
    """How much the cache may hold, and how much one layer may unpack to, in bytes; None for what is usual."""

    cache_bytes: int = 10 * GIB
    unpacked_bytes: int | None = None

    def unpacked(self, packed_bytes: int) -> int:
        """How much a layer of a size may unpack to: a hundred times that, at least 1 GiB and at most 64 GiB."""
        return self.unpacked_bytes or min(max(100 * packed_bytes, GIB), 64 * GIB)


class ContentStore:
    """A folder with `blobs/ALGORITHM/HEX` and `memo/KIND/HEX.json`, all of which may be deleted at any time.

    A path is made of a digest's algorithm and digits only. What is given out was hashed: when it came in, or when it was
    first used since its file changed. A damaged blob is removed, told with `warn`, and counts as missing.
    """

    def __init__(
        self, root: Path, warn: Callable[[str], None] = lambda text: None, limits: Limits | None = None
    ) -> None:
        self.root = root
        self.limits = limits or Limits()
        self._warn = warn
        self._intact: dict[Digest, Identity] = {}
        try:
            open_cache(root)
            self._use = CacheUse(root, self.limits.cache_bytes)
        except OSError as error:
            hint = "set SHIPIT_CACHE_DIR to a folder that can be written"
            said = error.strerror or str(error)
            raise BuildError(f"the cache can't be created: {said}", where=str(root), hint=hint) from None
        self._memos = Memos(root, warn)

    def close(self) -> None:
        """Give the cache free for other processes to bound, and bound it where it has grown too large."""
        self._use.close()

    @property
    def has_room(self) -> bool:
        """Whether its disk has room for about any layer: else a build may yet fail for want of it."""
        return self._room() >= GIB

    def _room(self) -> int:
        """How many bytes its disk has free, as far as that is told."""
        try:
            disk = os.statvfs(self.root)
        except OSError:
            return sys.maxsize
        return disk.f_bavail * disk.f_frsize

    def _check_room(self, size_bytes: int) -> None:
        """Raises: BuildError where so much can't be kept; nothing is fetched in vain then."""
        if size_bytes > self._room():
            raise cache_error(self.root, OSError(errno.ENOSPC, f"no room for {size_bytes} bytes"))

    def path(self, digest: Digest) -> Path:
        """Where a blob is, or would be. Raises: InvalidDigest for text that is no digest."""
        digest = Digest(digest)
        return self.root / "blobs" / digest.algorithm / digest.hex

    def has(self, digest: Digest, size_bytes: int | None = None) -> bool:
        """Whether a blob is there and whole, and of a size."""
        path = self.path(digest)
        try:
            info = path.lstat()
        except OSError:
            return False
        identity = (info.st_size, info.st_mtime_ns, info.st_ino)
        if not stat.S_ISREG(info.st_mode) or not self._is_intact(digest, path, identity):
            self._drop(digest, path)
            return False
        touch_used(path, info)
        return size_bytes is None or size_bytes == info.st_size

    def read(self, digest: Digest, most_bytes: int = MAX_CONFIG_BYTES) -> bytes | None:
        """The bytes of a blob that is not large, or None where there is none of that size."""
        path = self.path(digest)
        try:
            with open_regular(path) as file:
                data = file.read(most_bytes + 1)
        except OSError:
            return None
        if len(data) > most_bytes:
            return None
        if not digest.matches(data):
            self._drop(digest, path)
            return None
        return data

    def put(self, data: bytes) -> Digest:
        """Keep bytes; their digest."""
        digest = Digest.of(data)
        self.keep(digest, data)
        return digest

    def keep(self, digest: Digest, data: bytes) -> None:
        """Keep bytes under a digest that they are known to have."""
        if not self.has(digest, len(data)):
            with self.new_blob() as blob:
                blob.write(data)
                blob.keep(digest)

    def put_stream(self, chunks: Iterable[bytes], digest: Digest, where: str, size_bytes: int | None = None) -> Path:
        """Keep a stream whose digest is known, and its size where that is known, too.

        Raises: BuildError when the bytes are others; nothing is kept then, and no more is read than there should be.
        """
        self._check_room(size_bytes or 0)
        seen, size = digest.hasher(), 0
        with self.new_blob() as blob:
            for chunk in chunks:
                size += len(chunk)
                if size_bytes is not None and size > size_bytes:
                    break
                seen.update(chunk)
                blob.write(chunk)
            if size_bytes not in (None, size):
                amount = "more" if size > (size_bytes or 0) else "less"
                raise BuildError(f"{amount} bytes than the {size_bytes} of its manifest were received", where=where)
            if seen.hexdigest() != digest.hex:
                what = "the bytes received do not match their digest"
                raise BuildError(what, where=where, hint="run it again", retryable=True)
            blob.keep(digest)
        return self.path(digest)

    @contextmanager
    def new_blob(self) -> Iterator[NewBlob]:
        """A blob to write; it is kept when `keep` is called."""
        with temporary_file(self.root / "tmp") as (file, path):
            yield NewBlob(self, file, path)

    def scratch_file(self) -> AbstractContextManager[tuple[IO[bytes], Path]]:
        """A temporary file in the cache, open for writing and reading."""
        return temporary_file(self.root / "tmp")

    def scratch_folder(self) -> AbstractContextManager[Path]:
        return temporary_folder(self.root / "tmp")

    def recall(self, kind: str, key: Digest) -> Any:
        """What was noted under a key, or None."""
        return self._memos.recall(kind, key)

    def remembers(self, kind: str, key: Digest) -> bool:
        return self._memos.remembers(kind, key)

    def note(self, kind: str, key: Digest, value: Any) -> None:
        """Keep a value for later runs, if that can be."""
        self._use.add(self._memos.note(kind, key, value))

    def kept(self, digest: Digest, identity: Identity) -> None:
        """Take note of a new blob, whose file has an identity and was hashed."""
        self._use.add(identity[0])
        self._vouch(digest, identity)

    def _vouch(self, digest: Digest, identity: Identity) -> None:
        self._intact[digest] = identity
        if identity[0] > _SMALL_BYTES:
            self.note("intact", digest, identity)

    def _is_intact(self, digest: Digest, path: Path, identity: Identity) -> bool:
        if self._intact.get(digest) == identity:
            return True
        if identity[0] > _SMALL_BYTES and self.recall("intact", digest) == [*identity]:
            self._intact[digest] = identity
            return True
        seen = digest.hasher()
        try:
            with open_regular(path, buffering=0) as file:
                while chunk := file.read(_PIECE):
                    seen.update(chunk)
        except OSError:
            return False
        if seen.hexdigest() != digest.hex:
            return False
        self._vouch(digest, identity)
        return True

    def _drop(self, digest: Digest, path: Path) -> None:
        """Remove a blob that is not what its name says."""
        self._intact.pop(digest, None)
        remove(path)
        self._warn(f"a damaged file of the cache was removed, and is made or fetched again: {path}")


class NewBlob:
    """A blob that is being written."""

    def __init__(self, store: ContentStore, file: IO[bytes], path: Path) -> None:
        self._store, self._file, self._path = store, file, path

    def write(self, data: bytes) -> None:
        """Raises: BuildError that names the cache."""
        try:
            self._file.write(data)
        except OSError as error:
            raise cache_error(self._store.root, error) from None

    def keep(self, digest: Digest) -> None:
        """Put it under the digest of what was written. It is on the disk before it has its name, or hashed at each use."""
        with cache_errors(self._store.root):
            self._file.flush()
            info = os.fstat(self._file.fileno())
            if info.st_size > _SMALL_BYTES:
                os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._path, self._store.path(digest))
        self._store.kept(digest, (info.st_size, info.st_mtime_ns, info.st_ino))
