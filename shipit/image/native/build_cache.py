"""Caches the result of a whole native build under a key of all its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from shipit import __version__
from shipit.digest import Digest
from shipit.image.dockerfile.parse import Dockerfile
from shipit.image.image import Layer, SourceImage, parse_layers
from shipit.image.layers.layer import PACKING
from shipit.image.layers.layer_cache import digest_of_lines
from shipit.image.native.used_images import BaseUse
from shipit.image.options import BuildOptions
from shipit.image.store.content_store import ContentStore
from shipit.image.tree.entries import Entry, LocalFile

Context = Mapping[str, Entry]
Bases = Mapping[BaseUse, SourceImage]


class BuildResult(NamedTuple):
    """The result of a build: the image's config, and its layers."""

    config: bytes
    layers: tuple[Layer, ...]


class BuildCache:
    """Results of builds of one Dockerfile with the same options. Used by one build, whose context does not change."""

    def __init__(self, store: ContentStore, dockerfile: Dockerfile, options: BuildOptions) -> None:
        self._seen: tuple[Context, Digest] | None = None
        self._store = store
        builder = (__version__, PACKING, dockerfile.instructions, dockerfile.escape)
        wanted_options = (
            sorted(options.args.items()),
            options.stage,
            options.platform,
            options.created_s,
            options.build_platform,
        )
        self._recipe = digest_of_lines(repr((builder, wanted_options, str(options.context))), ())

    def bases(self) -> list[BaseUse] | None:
        """The images that the last such build used; None when there was none."""
        try:
            return [BaseUse(*map(str, row)) for row in self._store.recall("recipes", self._recipe)]
        except TypeError:
            # Missing, or not written by shipit.
            return None

    def recall(self, bases: Bases, context: Context) -> BuildResult | None:
        """The result for the same bases and context, if the store still has its layers."""
        match self._store.recall("builds", self._key(bases, context)):
            case {"config": str(config), "layers": [*rows]}:
                layers = parse_layers(rows)
                if layers is not None and all(
                    layer.origin or self._store.has(layer.digest, layer.size_bytes) for layer in layers
                ):
                    return BuildResult(config.encode(), layers)
        return None

    def note(self, bases: Bases, context: Context, result: BuildResult) -> None:
        """Store a result. The stamps of the context's files have to be settled."""
        value = {"config": result.config.decode(), "layers": result.layers}
        self._store.note("builds", self._key(bases, context), value)
        if self.bases() != [*bases]:
            self._store.note("recipes", self._recipe, [*bases])

    def _key(self, bases: Bases, context: Context) -> Digest:
        used = sorted((use, str(base.ref), Digest.of(base.config)) for use, base in bases.items())
        if self._seen is None or self._seen[0] is not context:
            self._seen = context, digest_of_lines("context", _lines(context))
        return digest_of_lines(f"{self._recipe} {used} {self._seen[1]}", ())


def _lines(context: Context) -> Iterator[str]:
    for path in sorted(context):
        kind, mode, _, _, target, _, content, _, time_s = context[path]
        stamp = content.stamp if isinstance(content, LocalFile) else f"{kind} {target}"
        yield f"{path}\0{mode}\0{stamp}\0{time_s}\n"
