"""Exports what an engine built into the store. Each layer is compressed once, and remembered by its diff_id.

Source: OCI image-layout 1.1; the archive of `docker save`, from both image stores.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import IO

from shipit.digest import Digest, InvalidDigest, parse_digest
from shipit.docker.client import Engine
from shipit.errors import BuildError
from shipit.image.config import parse_config
from shipit.image.image import BuiltImage, Layer, parse_layer, parse_layers
from shipit.image.layers.layer import hash_unpacked, pack_layer
from shipit.image.manifest import MAX_CONFIG_BYTES, Compression, InvalidManifest
from shipit.image.store.cache_files import cache_errors
from shipit.image.store.content_store import ContentStore
from shipit.json_text import parse_json
from shipit.printable import human_bytes

_BLOCK = 1024 * 1024
_MISMATCH = "the engine's export has a layer that does not match its digest"
_NO_IMAGE = "the engine's export contains no valid image"


def export_image(
    engine: Engine, name: str, image: str, platform: str, store: ContentStore, known: Mapping[Digest, Layer]
) -> BuiltImage:
    """The image with a tag or id. `known`: diff_id -> layer that need not be exported, such as those of its base.

    An image that was exported before is not requested again. Raises: BuildError.
    """
    found = engine.inspect(image)
    if found is None:
        raise BuildError(
            "the engine no longer has the image that it built", where=str(engine.address), hint="run it again"
        )
    remembered = exported_image(store, found.id)
    if remembered and all(_is_available(layer, store, known) for layer in remembered[1]):
        config, layers = remembered
    else:
        config, layers = _brought(engine, image, store, known)
        store.note("engine", found.id, {"config": store.put(config), "layers": layers})
    return BuiltImage(name, config, tuple(known.get(layer.diff_id, layer) for layer in layers), platform, "")


def _brought(
    engine: Engine, image: str, store: ContentStore, known: Mapping[Digest, Layer]
) -> tuple[bytes, tuple[Layer, ...]]:
    with store.scratch_file() as (file, _):
        for chunk in bounded(engine.save(image), store.limits.exported, str(engine.address)):
            with cache_errors(store.root):
                file.write(chunk)
        file.seek(0)
        return read_saved(file, store, known, str(engine.address))


def bounded(chunks: Iterable[bytes], most_bytes: int, where: str) -> Iterator[bytes]:
    """The same chunks. Raises: BuildError once they are more than `most_bytes`: an engine could fill the disk."""
    left = most_bytes
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            what = f"the engine's export of the image is larger than {human_bytes(most_bytes)}"
            raise BuildError(what, where=where, hint="make the image smaller, or set SHIPIT_UNPACK_MAX to more")
        yield chunk


def read_saved(
    file: IO[bytes], store: ContentStore, known: Mapping[Digest, Layer], where: str
) -> tuple[bytes, tuple[Layer, ...]]:
    """Config and layers of an uncompressed archive. Raises: BuildError."""
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            return read_archive(archive, store, known)
    except (tarfile.TarError, ValueError, RecursionError) as error:
        # tarfile raises other errors for some sparse files, and recurses for each header before a header.
        what = f"the engine's export can't be read: {str(error).partition(chr(10))[0]}"
        raise BuildError(what, where=where, hint="run it again") from None


def exported_image(store: ContentStore, identity: Digest) -> tuple[bytes, tuple[Layer, ...]] | None:
    """Config and layers of an image that was exported before, by its id in the engine. The store may lack its layers."""
    match store.recall("engine", identity):
        case {"config": digest, "layers": [*rows]} if parse_digest(digest):
            layers, config = parse_layers(rows), store.read(Digest(digest), MAX_CONFIG_BYTES)
            if config is not None and layers is not None:
                return config, layers
    return None


def _is_available(layer: Layer, store: ContentStore, known: Mapping[Digest, Layer]) -> bool:
    return layer.diff_id in known or store.has(layer.digest, layer.size_bytes)


def read_archive(
    archive: tarfile.TarFile, store: ContentStore, known: Mapping[Digest, Layer]
) -> tuple[bytes, tuple[Layer, ...]]:
    """Config and layers of the only image in an archive. Compressed layers are stored unchanged.

    Raises: BuildError when the archive has another form, or content does not match its digest.
    """
    try:
        match parse_json(_member(archive, "manifest.json")):
            # An image without layers has null or an empty list.
            case [{"Config": str(name), "Layers": list() | None as found}, *_]:
                members = [member for member in found or [] if isinstance(member, str)]
                config = _member(archive, name)
            case _:
                raise BuildError(_NO_IMAGE, where="manifest.json")
        diff_ids = parse_config(config).diff_ids
    except (KeyError, ValueError, InvalidManifest):
        raise BuildError(_NO_IMAGE, where="manifest.json") from None
    if len(diff_ids) != len(members):
        raise BuildError("the engine's export and its config differ in the number of layers", where="manifest.json")
    return config, tuple(
        known[diff_id] if diff_id in known else _layer(archive, diff_id, member, store)
        for diff_id, member in zip(diff_ids, members, strict=True)
    )


def _layer(archive: tarfile.TarFile, diff_id: Digest, member: str, store: ContentStore) -> Layer:
    remembered = parse_layer(store.recall("packed", diff_id))
    if remembered and remembered.diff_id == diff_id and store.has(remembered.digest, remembered.size_bytes):
        return remembered
    try:
        file = _open(archive, member)
    except KeyError:
        raise BuildError("the engine's export lacks a layer that it names", where=member) from None
    compression = _compression(file)
    if compression == "none":
        layer = pack_layer(iter(partial(file.read, _BLOCK), b""), store)
        if layer.diff_id != diff_id:
            raise BuildError(_MISMATCH, where=member, hint="run it again")
    else:
        layer = _store_compressed(file, diff_id, member, compression, store)
    if compression != "zstd":
        # It was hashed, so its content is known to match the diff_id.
        store.note("packed", diff_id, layer)
    return layer


def _store_compressed(
    file: IO[bytes], diff_id: Digest, member: str, compression: Compression, store: ContentStore
) -> Layer:
    """Store a layer that the engine compressed, under the digest in its name."""
    try:
        digest = Digest(f"sha256:{posixpath.basename(member)}")
    except InvalidDigest as error:
        raise BuildError(
            f"the engine's export has a layer without a digest in its name: {error.what}", where="manifest.json"
        ) from None
    size = 0

    def chunks() -> Iterator[bytes]:
        nonlocal size
        while chunk := file.read(_BLOCK):
            size += len(chunk)
            yield chunk

    path = store.put_stream(chunks(), digest, member)
    if compression == "gzip":
        seen = diff_id.hasher()
        hash_unpacked(path, store.limits.unpacked(size), seen, member)
        if seen.hexdigest() != diff_id.hex:
            raise BuildError(_MISMATCH, where=member, hint="run it again")
    return Layer(diff_id, digest, size, compression)


def _compression(file: IO[bytes]) -> Compression:
    head = file.read(4)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if head == b"\x28\xb5\x2f\xfd" else "none"


def _open(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """A member, or the target of its link: engines store equal layers once. Raises: KeyError."""
    member = archive.getmember(name)
    if member.issym():
        target = posixpath.join("/", posixpath.dirname(name), member.linkname)
        member = archive.getmember(posixpath.normpath(target).lstrip("/"))
    # A sparse file can claim any size; engines write none.
    file = archive.extractfile(member) if member.isreg() and not member.issparse() else None
    if file is None:
        raise KeyError(name)
    return file


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    """The content of a small member. Raises: KeyError, ValueError."""
    data = _open(archive, name).read(MAX_CONFIG_BYTES + 1)
    if len(data) > MAX_CONFIG_BYTES:
        raise ValueError(f"{name} is too large")
    return data
