"""Images as one tar, which is an OCI layout and an archive of `docker save` at once: both describe the same blobs.

The same images give the same bytes. Source: OCI image-spec 1.1, image-layout.md and annotations.md; the archive of
`docker save` in Docker Image Specification 1.2; `io.containerd.image.name` of containerd's images/archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shipit.digest import Digest
from shipit.image.image import BuiltImage, canonical_json
from shipit.image.manifest import INDEX_TYPES, MANIFEST_TYPES
from shipit.image.tar.times import FIRST_S
from shipit.image.tar.write import tar_stream
from shipit.image.tree.entries import Content, Entry, Inline, LocalFile, Tree
from shipit.platforms import parse_platform

_TAR_BLOCK, _END_BLOCKS = 512, 2


class NamedImage(NamedTuple):
    """An image with its names, each a `repository:tag` with a registry."""

    image: BuiltImage
    names: tuple[str, ...]


class Archive(NamedTuple):
    """The files of a tar."""

    files: Mapping[str, Entry]

    @property
    def size_bytes(self) -> int:
        blocks = sum(1 + -(-entry.size // _TAR_BLOCK) for entry in self.files.values())
        return (blocks + _END_BLOCKS) * _TAR_BLOCK

    def stream(self) -> Iterator[bytes]:
        """The tar in chunks. Raises: BuildError for an unreadable blob."""
        return tar_stream(self.files)


def archive_of(images: Sequence[NamedImage], layers: Mapping[Digest, Path]) -> Archive:
    """The archive of images. `layers`: digest of each layer -> path of its blob.

    A layer that is not in `layers` is left out: an engine that has it already loads the archive all the same. An image
    without names gets none.
    """
    files: Tree = {"oci-layout": _inline(canonical_json({"imageLayoutVersion": "1.0.0"}))}
    for image, _ in images:
        for data in (image.config, image.manifest("oci")):
            files[_path(Digest.of(data))] = _inline(data)
        for layer in image.layers:
            if path := layers.get(layer.digest):
                content = LocalFile(str(path.parent), path.name, "")
                files[_path(layer.digest)] = _file(layer.size_bytes, content)
    files["index.json"] = _inline(canonical_json(_index(images)))
    files["manifest.json"] = _inline(canonical_json([_docker_row(*named) for named in images]))
    return Archive(files)


def _index(images: Sequence[NamedImage]) -> dict[str, Any]:
    """One row for each name: engines with containerd's image store give an image the names of its rows."""
    is_only = len(images) == 1
    rows = [_row(image, name, is_only) for image, names in images for name in names or ("",)]
    return {"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": rows}


def _row(image: BuiltImage, name: str, is_only: bool) -> dict[str, Any]:
    manifest, platform = image.manifest("oci"), parse_platform(image.platform)
    variant = {"variant": platform.variant} if platform.variant else {}
    row = {
        "mediaType": MANIFEST_TYPES["oci"],
        "digest": Digest.of(manifest),
        "size": len(manifest),
        "platform": {"os": platform.os, "architecture": platform.architecture, **variant},
    }
    if name:
        row["annotations"] = {
            "io.containerd.image.name": name,
            # Several images may have the same tags: their whole names tell them apart.
            "org.opencontainers.image.ref.name": name.rpartition(":")[2] if is_only else name,
        }
    return row


def _docker_row(image: BuiltImage, names: Sequence[str]) -> dict[str, Any]:
    return {
        "Config": _path(image.config_digest),
        "RepoTags": list(names),
        "Layers": [_path(layer.digest) for layer in image.layers],
    }


def _path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _inline(data: bytes) -> Entry:
    return _file(len(data), Inline(data))


def _file(size: int, content: Content) -> Entry:
    return Entry("file", 0o644, size=size, content=content, time_s=FIRST_S)
