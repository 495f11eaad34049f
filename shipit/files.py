"""Reads whole files: regular files only, with a size limit and a time limit. Writes them whole. Imports errors only."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from shipit.errors import ShipitError

KIB, MIB = 1024, 1024 * 1024
DEFAULT_LIMIT = MIB
# Time limits for reading a file, and for reading standard input.
FILE_TIMEOUT_S, STREAM_TIMEOUT_S = 10.0, 60.0

_CHUNK = 256 * KIB
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_KINDS = (
    (stat.S_ISFIFO, "it is a pipe"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
)


class Unreadable(ShipitError):
    """A file can't be read. `reason` says why, without the file's name and without its content."""

    exit_code = 2

    def __init__(self, path: str | Path, reason: str, *, hint: str = "") -> None:
        super().__init__(f"can't be read: {reason}", where=str(path), hint=hint)
        self.reason = reason


class Missing(Unreadable):
    """There is no such file."""


def read_file(
    path: str | Path,
    *,
    max_bytes: int = DEFAULT_LIMIT,
    within: Path | None = None,
    timeout_s: float = FILE_TIMEOUT_S,
) -> bytes:
    """The bytes of a regular file, links followed.

    `within` is a folder that the file must be in, after every link was followed.
    Raises: Unreadable.
    """
    try:
        if within is not None:
            check_within(path, within)
        _check_kind(path, Path(path).stat())
        handle = os.open(path, _FLAGS) if within is None else open_within(path, within)
        try:
            # Checked again on the open file: the name may refer to another file by now.
            info = os.fstat(handle)
            _check_kind(path, info)
            if info.st_size > max_bytes:
                raise _too_large(path, max_bytes)
            return _read(path, handle, max_bytes, time.monotonic() + timeout_s)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def open_within(path: str | Path, folder: Path, *, resolve: Callable[[str | Path], str] = os.path.realpath) -> int:
    """A descriptor of a file in a folder, links followed. `resolve` follows them.

    The resolved path is opened component by component from the folder, without following another link: a link that is
    put there meanwhile is an error, and leads nowhere. Source: openat(2), O_NOFOLLOW.
    Raises: Unreadable; OSError.
    """
    top, real = resolve(folder), resolve(path)
    if not _is_below(real, top):
        raise _outside(path)
    *folders, name = Path(real).relative_to(top).parts or (".",)
    handle = os.open(top, _FOLDER_FLAGS)
    try:
        for part in folders:
            above, handle = handle, os.open(part, _FOLDER_FLAGS, dir_fd=handle)
            os.close(above)
        return os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=handle)
    finally:
        os.close(handle)


def read_text(path: str | Path, *, max_bytes: int = DEFAULT_LIMIT, within: Path | None = None) -> str:
    """The text of a regular file in UTF-8, without a byte order mark. Raises: Unreadable."""
    try:
        return read_file(path, max_bytes=max_bytes, within=within).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(path, "it is not UTF-8", hint="save it as UTF-8") from None


def read_stream(
    source: str | Path | int,
    *,
    max_bytes: int = DEFAULT_LIMIT,
    timeout_s: float = STREAM_TIMEOUT_S,
    name: str = "",
) -> bytes:
    """Everything from a pipe, a terminal or a file that a user named as input: a descriptor or a path.

    Raises: Unreadable.
    """
    shown = name or str(source)
    try:
        handle = os.dup(source) if isinstance(source, int) else os.open(source, _FLAGS)
        try:
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                raise unreadable(shown, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
            return _read(shown, handle, max_bytes, time.monotonic() + timeout_s)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise unreadable(shown, error) from None


def write_file(path: Path, data: bytes, *, mode: int | None = None, replaces: bool = True) -> None:
    """Write a file atomically: who reads it finds what was there before, or all of `data`. The rest is as in `new_file`."""
    with new_file(path, mode=mode, replaces=replaces) as draft:
        draft.write(data)


@contextmanager
def new_file(path: Path, *, mode: int | None = None, replaces: bool = True) -> Iterator[IO[bytes]]:
    """A file to write, which gets its name at the end of the block; an error in the block leaves `path` as it was.

    The file is written beside it, under a name that nobody can guess or has put a link at. A link at `path` is replaced,
    not followed; a device, a pipe or a socket there, or a link to one, is an OSError and stays.
    `mode` are its permissions; None means those that the umask leaves.
    Raises: FileExistsError where `replaces` is False and something is there; OSError.
    """
    _check_replaceable(path)
    beside = path.with_name(f".shipit-{os.urandom(8).hex()}")
    handle = os.open(beside, _NEW_FLAGS, 0o666 if mode is None else 0o600)
    try:
        with os.fdopen(handle, "wb") as draft:
            yield draft
            if mode is not None:
                os.fchmod(draft.fileno(), mode)
        if replaces:
            beside.replace(path)
        else:
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _check_replaceable(path: Path) -> None:
    """Raises: OSError."""
    try:
        mode = path.stat().st_mode
    except OSError:
        # Nothing is there, or what opens the file says why it can't.
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, f"{_kind_of(mode)}, and should be a regular file")


def is_quotable(path: str | Path) -> bool:
    """Whether messages may quote a file: its name, with links resolved, ends like YAML or JSON."""
    return os.path.realpath(path).endswith((".yml", ".yaml", ".json"))


def check_within(path: str | Path, folder: Path) -> None:
    """Check that a path, after every link was followed, is in a folder. Raises: Unreadable."""
    if not is_within(path, folder):
        raise _outside(path)


def _outside(path: str | Path) -> Unreadable:
    hint = "with --untrusted no path or link leaves the project"
    return Unreadable(path, "it lies outside of the project", hint=hint)


def is_within(path: str | Path, folder: Path) -> bool:
    """Whether a path, after every link was followed, is a folder or is in it."""
    return _is_below(os.path.realpath(path), os.path.realpath(folder))


def entry_paths(path: Path) -> tuple[Path, ...]:
    """The entry of a folder that a path names, and, where that is a link, what it leads to; without links to the folders."""
    return tuple(dict.fromkeys((Path(os.path.realpath(path.parent)) / path.name, Path(os.path.realpath(path)))))


def _is_below(real: str, top: str) -> bool:
    return real == top or real.startswith(top.rstrip("/") + "/")


def unreadable(path: str | Path, error: OSError | ValueError) -> Unreadable:
    """The error for a failed system call on a path."""
    if isinstance(error, OSError):
        of_kind = Missing if error.errno in (errno.ENOENT, errno.ENOTDIR) else Unreadable
        hint = "check its permissions" if error.errno in (errno.EACCES, errno.EPERM) else ""
        return of_kind(path, error.strerror or "it can't be opened", hint=hint)
    # For example a null character in the path.
    return Unreadable(path, "its name is no path")


def _check_kind(path: str | Path, info: os.stat_result) -> None:
    if stat.S_ISDIR(info.st_mode):
        raise unreadable(path, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
    if not stat.S_ISREG(info.st_mode):
        raise Unreadable(path, f"{_kind_of(info.st_mode)}, and should be a regular file")


def _kind_of(mode: int) -> str:
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "it is of another kind")


def _too_large(path: str | Path, max_bytes: int) -> Unreadable:
    return Unreadable(path, f"it should be at most {max_bytes:,} bytes")


def _read(path: str | Path, handle: int, max_bytes: int, deadline_s: float) -> bytes:
    """Read until the end, at most `max_bytes`; waits for data."""
    parts: list[bytes] = []
    left = max_bytes + 1
    is_regular = stat.S_ISREG(os.fstat(handle).st_mode)
    while left > 0:
        if not is_regular and not _is_ready(handle, deadline_s):
            raise _too_slow(path)
        try:
            chunk = os.read(handle, min(_CHUNK, left))
        except BlockingIOError:
            chunk = None
        if chunk == b"":
            return b"".join(parts)
        if time.monotonic() > deadline_s or (chunk is None and not _is_ready(handle, deadline_s)):
            raise _too_slow(path)
        parts.append(chunk or b"")
        left -= len(chunk or b"")
    raise _too_large(path, max_bytes)


def _is_ready(handle: int, deadline_s: float) -> bool:
    """Wait for data or the end of the file; False when neither came before the deadline."""
    poller = select.poll()
    poller.register(handle, select.POLLIN | select.POLLHUP)
    return bool(poller.poll(max(0.0, deadline_s - time.monotonic()) * 1000))


def _too_slow(path: str | Path) -> Unreadable:
    return Unreadable(path, "it gave no end in time")
