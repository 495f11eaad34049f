"""Parses manifests and indexes into frozen values. Pure.

Source: OCI image-spec 1.1 (manifest.md, image-index.md, descriptor.md); Docker Registry image manifest version 2, schema 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from shipit.digest import Digest, InvalidDigest
from shipit.errors import ShipitError
from shipit.json_text import parse_json
from shipit.release import Form

Compression = Literal["gzip", "none", "zstd"]

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_CONFIG_BYTES = 8 * 1024 * 1024
# No registry accepts a blob of a terabyte.
_MAX_BLOB_BYTES = 2**40
_MAX_LAYERS, _MAX_ROWS = 500, 10_000

MANIFEST_TYPES: dict[Form, str] = {
    "oci": "application/vnd.oci.image.manifest.v1+json",
    "docker": "application/vnd.docker.distribution.manifest.v2+json",
}
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
CONFIG_TYPES: dict[Form, str] = {
    "oci": "application/vnd.oci.image.config.v1+json",
    "docker": "application/vnd.docker.container.image.v1+json",
}
# The types that shipit writes.
LAYER_TYPES: dict[tuple[Form, Compression], str] = {
    ("oci", "gzip"): "application/vnd.oci.image.layer.v1.tar+gzip",
    ("oci", "none"): "application/vnd.oci.image.layer.v1.tar",
    ("oci", "zstd"): "application/vnd.oci.image.layer.v1.tar+zstd",
    ("docker", "gzip"): "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
_COMPRESSIONS: dict[str, Compression] = {media_type: key[1] for key, media_type in LAYER_TYPES.items()} | {
    "application/vnd.docker.image.rootfs.diff.tar": "none",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar": "none",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
}


class InvalidManifest(ShipitError):
    """Bytes that are not a valid manifest, index or image config."""


class Descriptor(NamedTuple):
    """A manifest's reference to a blob: media type, digest, size in bytes."""

    media_type: str
    digest: Digest
    size_bytes: int

    @property
    def compression(self) -> Compression:
        """The compression of a layer. Raises: InvalidManifest when the type is not that of a layer."""
        found = _COMPRESSIONS.get(self.media_type)
        if found is None:
            raise InvalidManifest(f"{self.media_type[:100]!r} is not a layer's type")
        return found


class Manifest(NamedTuple):
    """A manifest. Its layers may have any type: artifacts other than images have the same form."""

    form: Form
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def media_type(self) -> str:
        return MANIFEST_TYPES[self.form]

    @property
    def digests(self) -> list[Digest]:
        """The digests of its blobs, the config first."""
        return [self.config.digest, *(layer.digest for layer in self.layers)]


class IndexRow(NamedTuple):
    """One manifest in an index; the parts of its platform are empty when it names none."""

    digest: Digest
    os: str = ""
    architecture: str = ""
    variant: str = ""


class Index(NamedTuple):
    """An index: manifests by platform."""

    rows: tuple[IndexRow, ...]


def parse_manifest(data: bytes) -> Manifest | Index:
    """Parse a manifest or an index, told apart by `mediaType`, or by their keys when that is missing.

    Raises: InvalidManifest.
    """
    value = parse_object(data, "manifest")
    kind = value.get("mediaType")
    if kind is None:
        kind = _type_by_keys(value)
    if kind in INDEX_TYPES:
        return Index(tuple(_rows(value)))
    for form, media_type in MANIFEST_TYPES.items():
        if kind == media_type:
            layers = items(value, "layers", _MAX_LAYERS)
            config = _descriptor(member(value, "config", dict), "config")
            return Manifest(form, config, tuple(_descriptor(row, "layers") for row in layers))
    raise InvalidManifest(f"it is of a type that can't be built on: {str(kind)[:100]!r}")


def _type_by_keys(value: Mapping[str, Any]) -> str:
    """The type of a document without `mediaType`. Source: manifest.md and image-index.md, on `mediaType`."""
    is_index, is_manifest = "manifests" in value, "layers" in value or "config" in value
    if value.get("schemaVersion") != 2 or is_index == is_manifest:
        raise InvalidManifest("it is neither an image's manifest nor an index")
    return INDEX_TYPES[0] if is_index else MANIFEST_TYPES["oci"]


def _descriptor(value: Any, where: str) -> Descriptor:
    if not isinstance(value, dict):
        raise InvalidManifest(f"{where} should be an object")
    size, media_type = member(value, "size", int), member(value, "mediaType", str)
    if not 0 <= size <= _MAX_BLOB_BYTES:
        raise InvalidManifest(f"a size of {where} should be from 0 to 1 TiB")
    return Descriptor(media_type, digest_in(value.get("digest"), where), size)


def _rows(value: Mapping[str, Any]) -> Iterator[IndexRow]:
    for row in items(value, "manifests", _MAX_ROWS):
        if not isinstance(row, dict):
            raise InvalidManifest("manifests should be objects")
        platform = row.get("platform") or {}
        if not isinstance(platform, dict):
            raise InvalidManifest("a platform should be an object")
        parts = (member(platform, key, str, "") for key in ("os", "architecture", "variant"))
        yield IndexRow(digest_in(row.get("digest"), "manifests"), *parts)


T = TypeVar("T")


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object. Raises: InvalidManifest."""
    try:
        text = data.decode("utf-8")
        value = parse_json(text)
        if "\\ud" in text.lower():
            # A lone surrogate cannot be written as UTF-8 again.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except ValueError as error:
        raise InvalidManifest(f"the {what} is not valid JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise InvalidManifest(f"the {what} should be a JSON object")
    return value


def member(value: Mapping[str, Any], key: str, kind: type[T], default: T | None = None) -> T:
    """A member of an object, of one type; null counts as missing. Raises: InvalidManifest."""
    found = value.get(key)
    if found is None and default is not None:
        return default
    if not isinstance(found, kind) or isinstance(found, bool):
        raise InvalidManifest(f"{key} should be {_NAMES[kind]}")
    return found


def items(value: Mapping[str, Any], key: str, most: int) -> list[Any]:
    """A list with at most `most` items; empty when it is missing. Raises: InvalidManifest."""
    found = member(value, key, list, [])
    if len(found) > most:
        raise InvalidManifest(f"{key} has {len(found)} items, which should be at most {most}")
    return found


def digest_in(value: object, where: str) -> Digest:
    """Parse a digest. Raises: InvalidManifest that names its place."""
    try:
        return Digest(value)
    except InvalidDigest as error:
        raise InvalidManifest(f"a digest of {where}: {error.what}") from None


_NAMES: dict[type, str] = {str: "text", int: "a whole number", list: "a list", dict: "an object"}
