"""Writes the layers of a build in other threads, while the next instructions run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path

from shipit.image.image import Layer
from shipit.image.layers.contents import extract_contents
from shipit.image.layers.fetch import LayerReader
from shipit.image.layers.layer_cache import write_layer
from shipit.image.native.copy_trees import CopyError
from shipit.image.native.stage_state import StageState
from shipit.image.tree.entries import Entry
from shipit.image.tree.overlay import merge_entries

# More layers than overlayfs can mount are of no use.
_MOST_LAYERS = 500


class LayerWriter:
    """`is_settled`: equal stamps imply equal content for all files written. `ready` is called with each new layer."""

    def __init__(
        self,
        pool: Executor,
        scratch: Path,
        reader: LayerReader,
        ready: Callable[[Layer], None],
    ) -> None:
        self.scratch = scratch
        self.is_settled = True
        self._store = reader.store
        self._pool = pool
        self._reader = reader
        self._ready = ready
        self._extracting = threading.Lock()

    def add(self, entries: Mapping[str, Entry], stage: StageState) -> bool:
        """Start to write a layer. Returns whether there was anything to write. Raises: CopyError."""
        if not entries:
            return False
        if len(stage.layers) >= _MOST_LAYERS:
            raise CopyError(f"an image should have at most {_MOST_LAYERS} layers", "copy more with each COPY")
        entries = stage.with_parents(entries)
        stage.layers.append(self._pool.submit(self._write, entries))
        merge_entries(stage.own, entries)
        return True

    def _write(self, entries: Mapping[str, Entry]) -> Layer:
        written = write_layer(entries, self._store, self._extract)
        if written.is_new:
            self._ready(written.layer)
        if not written.is_settled:
            self.is_settled = False
        return written.layer

    def _extract(self, entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
        # One at a time: two calls may need the same layer, which is fetched once.
        with self._extracting:
            return extract_contents(entries, self._reader, self.scratch)
