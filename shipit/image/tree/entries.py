"""The entries of a file tree: files, folders and links, and where their content is. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

from shipit.image.image import Layer


# Named tuples are four times as fast to create, and a context may have many thousands of entries.
class LocalFile(NamedTuple):
    """A file of a context: its root, its path below it, and its stamp. Files of a context share the root's text."""

    folder: str
    name: str
    stamp: str

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"


class Slice(NamedTuple):
    """Bytes of a file on disk, extracted from a layer or an archive; the length is the entry's size."""

    file: str
    offset: int


class Inline(NamedTuple):
    data: bytes


class InLayer(NamedTuple):
    """A file that is a member of a layer's tar."""

    layer: Layer
    member: str


Content = LocalFile | Slice | Inline | InLayer
# A hard link's target is a path in the same layer; a special file is a device or a pipe.
Kind = Literal["file", "dir", "symlink", "hardlink", "special"]


class Entry(NamedTuple):
    """One file, folder or link. `mode` holds the permission bits, `target` a link's target; `size` is in bytes.

    `capability` is the value of the extended attribute security.capability, decoded with surrogateescape. `time_s` is a
    Unix time; None when the time is derived from the content.
    """

    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    target: str = ""
    size: int = 0
    content: Content | None = None
    capability: str = ""
    time_s: int | None = None


Tree = dict[str, Entry]
# PATH_MAX: a longer path cannot be unpacked on any system.
MAX_PATH_BYTES = 4096


# The prefix of a whiteout, and the name that makes a folder opaque: OCI image-spec, layer.md.
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
