"""Blobs by digest on disk, and memos about them. Safe with concurrent processes: files appear whole or not at all."""

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

# Smaller blobs are hashed at each use; for larger ones it is remembered that their file was hashed.
_SMALL_BYTES = 64 * 1024
_PIECE = 1024 * 1024
GIB = 1024**3
# Size in bytes, mtime in nanoseconds, inode number: while they stay the same, so does a file's content.
Identity = tuple[int, int, int]


_LARGEST = 64 * GIB


@dataclass(frozen=True)
class Limits:
    """Limits in bytes, of the cache and of the unpacked size of one layer; None for the default."""

    cache_bytes: int = 10 * GIB
    unpacked_bytes: int | None = None

    def unpacked(self, packed_bytes: int) -> int:
        """The most bytes that a layer may unpack to: 100 times its size, at least 1 GiB and at most 64 GiB."""
        return self.unpacked_bytes or min(max(100 * packed_bytes, GIB), _LARGEST)

    @property
    def exported(self) -> int:
        """The most bytes that an engine's export of an image may have: 64 GiB, or the limit of one layer if that is more."""
        return max(self.unpacked_bytes or 0, _LARGEST)


class ContentStore:
    """A folder with `blobs/ALGORITHM/HEX` and `memo/KIND/HEX.json`, all of which may be deleted at any time.

    Paths contain only a digest's algorithm and hexadecimal digits. Blobs are hashed when they are stored, and at the first
    use after their file changed. A damaged blob is removed with a warning, and counts as missing.
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
            reason = error.strerror or str(error)
            raise BuildError(f"the cache can't be created: {reason}", where=str(root), hint=hint) from None
        self._memos = Memos(root, warn)

    def close(self) -> None:
        """Release the cache, and remove files when it exceeds its limit."""
        self._use.close()

    @property
    def has_free_space(self) -> bool:
        """Whether the disk has space for a typical layer, so that a build is unlikely to fail for lack of it."""
        return self._free_bytes() >= GIB

    def _free_bytes(self) -> int:
        """The free bytes of the disk, if known."""
        try:
            disk = os.statvfs(self.root)
        except OSError:
            return sys.maxsize
        return disk.f_bavail * disk.f_frsize

    def _check_free_space(self, size_bytes: int) -> None:
        """Raises: BuildError when the disk lacks the space, before anything is downloaded."""
        if size_bytes > self._free_bytes():
            raise cache_error(self.root, OSError(errno.ENOSPC, f"no space for {size_bytes} bytes"))

    def path(self, digest: Digest) -> Path:
        """The path of a blob, which may not exist. Raises: InvalidDigest."""
        digest = Digest(digest)
        return self.root / "blobs" / digest.algorithm / digest.hex

    def has(self, digest: Digest, size_bytes: int | None = None) -> bool:
        """Whether an intact blob of that size exists."""
        path = self.path(digest)
        try:
            info = path.lstat()
        except OSError:
            return False
        identity = (info.st_size, info.st_mtime_ns, info.st_ino)
        if not stat.S_ISREG(info.st_mode) or not self._is_intact(digest, path, identity):
            self._remove_damaged(digest, path)
            return False
        touch_used(path, info)
        return size_bytes is None or size_bytes == info.st_size

    def read(self, digest: Digest, most_bytes: int = MAX_CONFIG_BYTES) -> bytes | None:
        """The content of a small blob; None when it is missing or has another size."""
        path = self.path(digest)
        try:
            with open_regular(path) as file:
                data = file.read(most_bytes + 1)
        except OSError:
            return None
        if len(data) > most_bytes:
            return None
        if not digest.matches(data):
            self._remove_damaged(digest, path)
            return None
        return data

    def put(self, data: bytes) -> Digest:
        """Store bytes. Returns their digest."""
        digest = Digest.of(data)
        self.keep(digest, data)
        return digest

    def keep(self, digest: Digest, data: bytes) -> None:
        """Store bytes whose digest was verified."""
        if not self.has(digest, len(data)):
            with self.new_blob() as blob:
                blob.write(data)
                blob.keep(digest)

    def put_stream(self, chunks: Iterable[bytes], digest: Digest, where: str, size_bytes: int | None = None) -> Path:
        """Store a stream with a known digest, and a known size unless that is None.

        Raises: BuildError when the bytes differ; then nothing is stored, and no more than the size is read.
        """
        self._check_free_space(size_bytes or 0)
        hasher, size = digest.hasher(), 0
        with self.new_blob() as blob:
            for chunk in chunks:
                size += len(chunk)
                if size_bytes is not None and size > size_bytes:
                    break
                hasher.update(chunk)
                blob.write(chunk)
            if size_bytes not in (None, size):
                amount = "more" if size > (size_bytes or 0) else "less"
                raise BuildError(f"received {amount} bytes than the {size_bytes} in the manifest", where=where)
            if hasher.hexdigest() != digest.hex:
                what = "the bytes received do not match their digest"
                raise BuildError(what, where=where, hint="run it again", retryable=True)
            blob.keep(digest)
        return self.path(digest)

    @contextmanager
    def new_blob(self) -> Iterator[NewBlob]:
        """A blob to write; it is stored when its `keep` is called."""
        with temporary_file(self.root / "tmp") as (file, path):
            yield NewBlob(self, file, path)

    def scratch_file(self) -> AbstractContextManager[tuple[IO[bytes], Path]]:
        """A temporary file in the cache, open for reading and writing."""
        return temporary_file(self.root / "tmp")

    def scratch_folder(self) -> AbstractContextManager[Path]:
        return temporary_folder(self.root / "tmp")

    def recall(self, kind: str, key: Digest) -> Any:
        """The memo under a key, or None."""
        return self._memos.recall(kind, key)

    def remembers(self, kind: str, key: Digest) -> bool:
        return self._memos.remembers(kind, key)

    def note(self, kind: str, key: Digest, value: Any) -> None:
        """Store a memo for later runs. Errors are a warning."""
        self._use.add(self._memos.note(kind, key, value))

    def register(self, digest: Digest, identity: Identity) -> None:
        """Register a new blob that was hashed, with the identity of its file."""
        self._use.add(identity[0])
        self._remember_intact(digest, identity)

    def _remember_intact(self, digest: Digest, identity: Identity) -> None:
        self._intact[digest] = identity
        if identity[0] > _SMALL_BYTES:
            self.note("intact", digest, identity)

    def _is_intact(self, digest: Digest, path: Path, identity: Identity) -> bool:
        if self._intact.get(digest) == identity:
            return True
        if identity[0] > _SMALL_BYTES and self.recall("intact", digest) == [*identity]:
            self._intact[digest] = identity
            return True
        hasher = digest.hasher()
        try:
            with open_regular(path, buffering=0) as file:
                while chunk := file.read(_PIECE):
                    hasher.update(chunk)
        except OSError:
            return False
        if hasher.hexdigest() != digest.hex:
            return False
        self._remember_intact(digest, identity)
        return True

    def _remove_damaged(self, digest: Digest, path: Path) -> None:
        """Remove a blob whose content does not match its digest."""
        self._intact.pop(digest, None)
        remove(path)
        self._warn(f"removed a damaged file of the cache, which is built or fetched again: {path}")


class NewBlob:
    """A blob while it is written."""

    def __init__(self, store: ContentStore, file: IO[bytes], path: Path) -> None:
        self._store, self._file, self._path = store, file, path

    def write(self, data: bytes) -> None:
        """Append bytes. Raises: BuildError that names the cache."""
        try:
            self._file.write(data)
        except OSError as error:
            raise cache_error(self._store.root, error) from None

    def keep(self, digest: Digest) -> None:
        """Store the blob under the digest of its content. A large one is synced to disk before it is renamed."""
        with cache_errors(self._store.root):
            self._file.flush()
            info = os.fstat(self._file.fileno())
            if info.st_size > _SMALL_BYTES:
                os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._path, self._store.path(digest))
        self._store.register(digest, (info.st_size, info.st_mtime_ns, info.st_ino))
