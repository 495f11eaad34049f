"""A stage while it is built: its settings, its layers so far, and its tree."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from shipit.image.image import Layer
from shipit.image.layers.contents import read_users
from shipit.image.layers.fetch import LayerReader
from shipit.image.native.base_tree import BaseTree
from shipit.image.native.owner import row_of
from shipit.image.native.runtime import DEFAULT_PATH, Runtime
from shipit.image.tree import Entry, Overlay, Tree, parent_folders, resolve_path


@dataclass
class Stage:
    """`own` is what its instructions have laid over the tree of `base`, None on scratch; `features` are of the base's config.

    `reader` reads layers, for what `own` has from them. `variables` are those of ENV and ARG while building, of which the
    later wins.
    """

    reader: LayerReader
    base: BaseTree | None
    runtime: Runtime
    layers: list[Layer | Future[Layer]]
    history: list[dict[str, Any]]
    features: Mapping[str, Any] = field(default_factory=dict)
    own: Tree = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    has_own_command: bool = False
    author: str = ""

    def __post_init__(self) -> None:
        if "PATH" not in self.runtime.env:
            self.runtime.env["PATH"] = DEFAULT_PATH
        # Where a stage begins, what the image has wins over an ARG of the stage before.
        self.variables |= {name: value or "" for name, value in self.runtime.env.items()}

    def child(self) -> Stage:
        """A stage that goes on from here."""
        runtime = self.runtime.copy()
        runtime.triggers.clear()
        return Stage(
            self.reader,
            self.base,
            runtime,
            list(self.layers),
            list(self.history),
            self.features,
            own=dict(self.own),
            variables=dict(self.variables),
            author=self.author,
        )

    @property
    def tree(self) -> Mapping[str, Entry]:
        """Its tree, to look paths up in. Contents of its base may be missing."""
        return self.own if self.base is None else Overlay(self.own, self.base)

    def whole(self) -> Mapping[str, Entry]:
        """Its tree with all contents; this needs its base's layers."""
        return self.own if self.base is None else Overlay(self.own, self.base.whole())

    def with_parents(self, entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
        parents = parent_folders(self.tree, entries)
        return {**parents, **entries} if parents else entries

    def row(self, file: str, name: str) -> str | None:
        """The line of a name in a file such as /etc/passwd; None where there is none."""
        path = resolve_path(self.tree, file)
        entry = self.own.get(path)
        if entry is not None:
            return row_of(read_users(path, entry, self.reader).decode("utf-8", "replace"), name)
        return self.base.row(path, name) if self.base is not None else None
