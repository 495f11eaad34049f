"""What an engine built, brought into the store: every layer compressed once, and remembered by its diff_id.

Source: OCI image-layout 1.1; the archive of `docker save`, of either image store.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from shipit.errors import BuildError
from shipit.image.engine.client import Engine
from shipit.image.image import BuiltImage, Compression, Layer
from shipit.image.layer import pack_layer
from shipit.image.store import ContentStore

_BLOCK = 1024 * 1024


def export_image(
    engine: Engine, name: str, image: str, platform: str, store: ContentStore, known: Mapping[str, Layer]
) -> BuiltImage:
    """The image of a tag or id. `known` are layers that need not be brought: diff_id -> layer, as those of its base.

    An image that was brought before is not asked for again.
    """
    found = engine.inspect(image)
    if found is None:
        raise BuildError("the engine has lost what it built", where=str(engine.address), hint="run it again")
    key = str(found["Id"]).removeprefix("sha256:")
    if (remembered := _remembered(key, store, known)) is not None:
        config, layers = remembered
    else:
        with store.scratch_file() as (file, path):
            for chunk in engine.save(image):
                file.write(chunk)
            file.close()
            with tarfile.open(path) as archive:
                config, layers = read_archive(archive, store, known)
        store.note("engine", key, {"config": store.put(config), "layers": [_row(layer) for layer in layers]})
    return BuiltImage(name, config, tuple(known.get(layer.diff_id, layer) for layer in layers), platform, "")


def _row(layer: Layer) -> list[Any]:
    return [layer.diff_id, layer.digest, layer.size_bytes, layer.compression]


def _remembered(key: str, store: ContentStore, known: Mapping[str, Layer]) -> tuple[bytes, tuple[Layer, ...]] | None:
    """Config and layers of an image brought before, where all that is not known is still in the store."""
    noted = store.recall("engine", key)
    if not noted or not store.has(noted["config"]):
        return None
    layers = tuple(Layer(*row) for row in noted["layers"])
    if not all(layer.diff_id in known or store.has(layer.digest) for layer in layers):
        return None
    return store.read(noted["config"]), layers


def read_archive(
    archive: tarfile.TarFile, store: ContentStore, known: Mapping[str, Layer]
) -> tuple[bytes, tuple[Layer, ...]]:
    """Config and layers of the one image in an archive. Layers that are compressed already stay as they are.

    Raises: BuildError for an archive that holds another form, or bytes that are not what they are named by.
    """
    try:
        manifest = json.loads(_member(archive, "manifest.json"))[0]
        config = _member(archive, manifest["Config"])
        diff_ids = json.loads(config)["rootfs"]["diff_ids"] or []
        members = list(manifest["Layers"] or [])
    except (KeyError, IndexError, ValueError, TypeError):
        raise BuildError("the engine's export holds no image that is understood", where="manifest.json") from None
    if len(diff_ids) != len(members):
        raise BuildError("the engine's export has other layers than its config", where="manifest.json")
    return config, tuple(
        known[diff_id] if diff_id in known else _layer(archive, diff_id, member, store)
        for diff_id, member in zip(diff_ids, members, strict=True)
    )


def _layer(archive: tarfile.TarFile, diff_id: str, member: str, store: ContentStore) -> Layer:
    key = diff_id.removeprefix("sha256:")
    noted = store.recall("packed", key)
    if noted and store.has(noted["digest"]):
        return Layer(diff_id, noted["digest"], noted["size_bytes"], noted.get("compression", "gzip"))
    file = _open(archive, member)
    compression = _compression(file)
    if compression == "none":
        layer = pack_layer(iter(partial(file.read, _BLOCK), b""), store)
        if layer.diff_id != diff_id:
            raise BuildError("the engine gave a layer that is not the one it named", where=member, hint="run it again")
    else:
        layer = _kept(file, diff_id, member, compression, store)
    store.note(
        "packed", key, {"digest": layer.digest, "size_bytes": layer.size_bytes, "compression": layer.compression}
    )
    return layer


def _kept(file: IO[bytes], diff_id: str, member: str, compression: Compression, store: ContentStore) -> Layer:
    """A layer that the engine has compressed, under the digest that its name says."""
    digest = f"sha256:{Path(member).name}"
    size = 0

    def chunks() -> Iterator[bytes]:
        nonlocal size
        while chunk := file.read(_BLOCK):
            size += len(chunk)
            yield chunk

    store.put_stream(chunks(), digest, member)
    return Layer(diff_id, digest, size, compression)


def _compression(file: IO[bytes]) -> Compression:
    head = file.read(4)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if head == b"\x28\xb5\x2f\xfd" else "none"


def _open(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """A member, or what it links to: engines store equal layers once."""
    member = archive.getmember(name)
    if member.issym():
        member = archive.getmember(str((Path("/") / Path(name).parent / member.linkname).resolve()).lstrip("/"))
    file = archive.extractfile(member)
    if file is None:
        raise KeyError(name)
    return file


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    return _open(archive, name).read()
