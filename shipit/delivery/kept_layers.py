"""Finds the layers of an image that an engine has already, so that they are not sent. Pure.

Source: moby, image/tarexport/load.go (a layer is looked up by its chain before its file is opened) and
daemon/containerd/image_exporter.go (`WithSkipMissing`: blobs that an archive lacks are those of the content store).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shipit.digest import Digest
from shipit.docker.engine_image import EngineImage
from shipit.image.image import BuiltImage
from shipit.image.saved import NamedImage


def in_same_chain(image: BuiltImage, found: EngineImage) -> frozenset[Digest]:
    """The layers, by digest of their blob, that both images begin with: the engine's own store finds these."""
    count = 0
    for layer, diff_id in zip(image.layers, found.layers, strict=False):
        if layer.diff_id != diff_id:
            break
        count += 1
    return first_layers(image, count)


def first_layers(image: BuiltImage, count: int) -> frozenset[Digest]:
    """The first layers without those that come again behind them, such as empty ones: the engine's own store reads these again."""
    return frozenset(_digests(image, count) - {layer.digest for layer in image.layers[count:]})


def with_same_blobs(image: BuiltImage, found: EngineImage, blobs: Collection[Digest]) -> frozenset[Digest]:
    """The layers that containerd's store has with another image. `blobs` are the layers of that image's manifest.

    A layer that the engine has compressed otherwise is not one of them: without its blob, the image could not be pushed.
    """
    own = set(found.layers)
    return frozenset(layer.digest for layer in image.layers if layer.digest in blobs and layer.diff_id in own)


def likely_relatives(named: NamedImage, images: Sequence[EngineImage], most: int) -> list[EngineImage]:
    """The images that probably share layers with one, best first: earlier builds of it, its base, then the newest."""
    repositories = {_familiar(name) for name in named.names}
    bases = {layer.origin.digest for layer in named.image.layers if layer.origin}

    def rank(found: EngineImage) -> int:
        if repositories & {_familiar(name) for name in found.names}:
            return 0
        return 1 if bases & {found.id, *found.repo_digests} else 2

    return sorted(images, key=rank)[:most]


def _familiar(name: str) -> str:
    """The repository of a `repository:tag`, as engines write it: without Docker Hub's host."""
    return name.rpartition(":")[0].removeprefix("docker.io/").removeprefix("library/")


def beginnings(image: BuiltImage) -> dict[Digest, int]:
    """The ids of the images of its first layers, in either store -> the number of these layers."""
    found = {count: image.beginning(count) for count in range(1, len(image.layers))}
    return {
        digest: count
        for count, part in found.items()
        for digest in (part.config_digest, Digest.of(part.manifest("oci")))
    }


def cuts_of(image: BuiltImage, kept: Collection[Digest], least_bytes: int) -> list[int]:
    """The numbers of layers after which an image is cut, so that each part sends at least so many bytes; the last is all."""
    cuts, size, seen = [], 0, set(kept)
    for count, layer in enumerate(image.layers, 1):
        size += 0 if layer.digest in seen else layer.size_bytes
        seen.add(layer.digest)
        if size >= least_bytes:
            cuts.append(count)
            size = 0
    return [count for count in cuts if lacking_bytes(image, {*kept, *_digests(image, count)})] + [len(image.layers)]


def _digests(image: BuiltImage, count: int) -> set[Digest]:
    return {layer.digest for layer in image.layers[:count]}


def lacking_bytes(image: BuiltImage, kept: Collection[Digest]) -> int:
    """The size of the layers that have to be sent."""
    return sum({layer.digest: layer.size_bytes for layer in image.layers if layer.digest not in kept}.values())
