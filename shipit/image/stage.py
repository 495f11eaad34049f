"""A stage while it is built: its settings, its layers so far, and its tree."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from shipit.image.base import BaseTree
from shipit.image.contents import read_users
from shipit.image.fetch import LayerReader
from shipit.image.image import Layer, SourceImage
from shipit.image.owner import row_of
from shipit.image.settings import Runtime
from shipit.image.tree import Entry, Overlay, Tree, parents_kept, resolve_path


@dataclass
class Stage:
    """`own` is what its instructions have laid over the tree of `base`, whose image is `source`; both None on scratch.

    `reader` reads layers, for what `own` has from them.
    """

    reader: LayerReader
    source: SourceImage | None
    base: BaseTree | None
    runtime: Runtime
    layers: list[Layer | Future[Layer]]
    history: list[dict[str, Any]]
    own: Tree = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    has_own_command: bool = False
    author: str = ""

    def child(self) -> Stage:
        """A stage that goes on from here."""
        return Stage(
            self.reader,
            self.source,
            self.base,
            dict(self.runtime),
            list(self.layers),
            list(self.history),
            own=dict(self.own),
            arguments=dict(self.arguments),
        )

    @property
    def tree(self) -> Mapping[str, Entry]:
        """Its tree, to look paths up in. Contents of its base may be missing."""
        return self.own if self.base is None else Overlay(self.own, self.base)

    def whole(self) -> Mapping[str, Entry]:
        """Its tree with all contents; this needs its base's layers."""
        return self.own if self.base is None else Overlay(self.own, self.base.whole())

    def with_parents(self, entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
        parents = parents_kept(self.tree, entries)
        return {**parents, **entries} if parents else entries

    def row(self, file: str, name: str) -> str | None:
        """The line of a name in a file such as /etc/passwd; None where there is none."""
        path = resolve_path(self.tree, file)
        entry = self.own.get(path)
        if entry is not None:
            return row_of(read_users(path, entry, self.reader).decode("utf-8", "replace"), name)
        return self.base.row(path, name) if self.base is not None else None
