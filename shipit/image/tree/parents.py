"""Parent folders that a tree or a layer has to contain. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from shipit.image.tree.entries import Entry, Tree


def add_parents(tree: Tree) -> None:
    """Add the missing parent folders of all paths: layers and archives may omit them."""
    for path in list(tree):
        folder = path.rpartition("/")[0]
        while folder and folder not in tree:
            tree[folder] = Entry("dir", 0o755)
            folder = folder.rpartition("/")[0]


def parent_folders(tree: Mapping[str, Entry], entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The parent folders of entries, as they are in a tree, unless the entries contain them.

    A layer has to contain its parent folders: engines that unpack layers separately give missing ones another mode.
    """
    kept: dict[str, Entry] = {}
    for path in entries:
        folder = path.rpartition("/")[0]
        while folder and folder not in entries and folder not in kept:
            kept[folder] = tree[folder]
            folder = folder.rpartition("/")[0]
    return kept
