"""The state of a stage while it is built: settings, layers, and file tree."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from shipit.image.image import Layer
from shipit.image.layers.contents import read_users
from shipit.image.layers.fetch import LayerReader
from shipit.image.native.base_tree import BaseTree
from shipit.image.native.owner import find_row
from shipit.image.native.runtime import DEFAULT_PATH, Runtime
from shipit.image.tree.entries import Entry, Tree
from shipit.image.tree.overlay import Overlay
from shipit.image.tree.parents import parent_folders
from shipit.image.tree.paths import resolve_path


@dataclass
class StageState:
    """`own` are the entries that its instructions wrote over the tree of `base`, which is None for scratch.

    `features` are those of the base's config. `reader` reads the layers that contents in `own` refer to. `variables`
    are the values of ENV and ARG during the build; the later one wins.
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
        # At the start of a stage, the image's environment wins over an ARG of the previous stage.
        self.variables |= {name: value or "" for name, value in self.runtime.env.items()}

    def successor(self) -> StageState:
        """A new stage that builds on this one."""
        runtime = self.runtime.copy()
        runtime.triggers.clear()
        return StageState(
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
        """The tree for lookups; its base's files have no contents."""
        return self.own if self.base is None else Overlay(self.own, self.base)

    def whole(self) -> Mapping[str, Entry]:
        """The tree with all contents, which needs the base's layers. Raises: BuildError, RemoteError."""
        return self.own if self.base is None else Overlay(self.own, self.base.whole())

    def with_parents(self, entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
        parents = parent_folders(self.tree, entries)
        return {**parents, **entries} if parents else entries

    def row(self, file: str, name: str) -> str | None:
        """The line of a name in a file such as /etc/passwd; None when there is none."""
        path = resolve_path(self.tree, file)
        entry = self.own.get(path)
        if entry is not None:
            return find_row(read_users(path, entry, self.reader).decode("utf-8", "replace"), name)
        return self.base.row(path, name) if self.base is not None else None
