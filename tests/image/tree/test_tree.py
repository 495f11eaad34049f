"""File trees: paths and links, overlays, walks, and parent folders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.image.tree.entries import Entry, Tree
from shipit.image.tree.overlay import Overlay, merge_entries
from shipit.image.tree.parents import add_parents, parent_folders
from shipit.image.tree.paths import folders_above, normal_path, resolve_path
from shipit.image.tree.walk import Children, below, children

DIR, FILE = Entry("dir", 0o755), Entry("file", 0o644)


def link(target: str) -> Entry:
    return Entry("symlink", 0o777, target=target)


@pytest.mark.parametrize(
    ("path", "base", "normal"),
    [
        ("/a/b", "/", "a/b"),
        ("a", "/work", "work/a"),
        ("../../a", "/work", "a"),
        ("/", "/work", ""),
        (".", "/work", "work"),
        ("a//./b/", "/", "a/b"),
    ],
)
def test_paths_are_relative_to_the_root_and_stay_in_it(path: str, base: str, normal: str) -> None:
    assert normal_path(path, base) == normal


TREE: Tree = {
    "lib": link("usr/lib"),
    "usr": DIR,
    "usr/lib": DIR,
    "usr/lib/a": link("../../etc/../usr/lib/b"),
    "abs": link("/usr"),
    "up": link("../../../usr"),
    "loop": link("pool"),
    "pool": link("loop"),
    "missing": link("nowhere/x"),
}


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("lib/x", "usr/lib/x"),
        ("lib/a", "usr/lib/b"),
        ("abs/lib", "usr/lib"),
        ("up/lib", "usr/lib"),
        ("missing/y", "nowhere/x/y"),
        ("/usr//lib", "usr/lib"),
        ("", ""),
    ],
)
def test_links_are_resolved_within_the_tree(path: str, resolved: str) -> None:
    assert resolve_path(TREE, path) == resolved


def test_a_loop_of_links_ends() -> None:
    assert resolve_path(TREE, "loop/x") in ("loop/x", "pool/x")


def test_a_path_that_grows_with_each_link_is_refused() -> None:
    tree = {f"l{n}": link(f"l{n + 1}/" + "x/" * 500) for n in range(30)}
    with pytest.raises(ValueError, match="resolves to a path of more than 4096 characters"):
        resolve_path(tree, "l0")


def test_an_overlay_hides_what_is_below_a_file() -> None:
    tree = Overlay({"a": FILE, "b": DIR, "b/new": FILE}, {"a": DIR, "a/x": FILE, "b": DIR, "b/old": FILE})
    assert sorted(tree) == ["a", "b", "b/new", "b/old"] and len(tree) == 4
    assert tree["a"] == FILE and "a/x" not in tree
    assert [path for path, _ in tree.below("b")] == ["b/new", "b/old"]
    assert [path for path, _ in tree.below("")] == ["a", "b", "b/new", "b/old"]


def test_merging_a_file_over_a_folder_removes_its_content() -> None:
    tree: Tree = {"a": DIR, "a/x": FILE, "ab": FILE, "b": FILE}
    merge_entries(tree, {"a": FILE, "b": DIR})
    assert tree == {"a": FILE, "ab": FILE, "b": DIR}


def test_parents_are_added_and_kept() -> None:
    tree: Tree = {"a/b/c": FILE, "a": Entry("dir", 0o700)}
    add_parents(tree)
    assert tree == {"a": Entry("dir", 0o700), "a/b": DIR, "a/b/c": FILE}
    assert parent_folders(tree, {"a/b/new": FILE}) == {"a": Entry("dir", 0o700), "a/b": DIR}
    assert parent_folders(tree, {"a": DIR, "a/b": DIR, "a/b/new": FILE, "top": FILE}) == {}
    assert folders_above("a/b/c") == ["a", "a/b"] and folders_above("a") == []


NAMES = st.lists(st.sampled_from("ab."), min_size=1, max_size=3).map("/".join)


@given(st.dictionaries(NAMES, st.just(FILE), max_size=12), NAMES)
def test_walks_agree_with_each_other(found: dict[str, Entry], folder: str) -> None:
    tree = dict(found)
    add_parents(tree)
    expected = sorted((path, entry) for path, entry in tree.items() if path.startswith(f"{folder}/"))
    assert list(below(tree, folder)) == expected
    relative = [(path.removeprefix(f"{folder}/"), entry) for path, entry in expected]
    assert list(children(tree, folder)) == relative == list(Children(tree).of(folder))
    assert list(Children(Overlay({}, tree)).of(folder)) == relative
    assert list(Children(tree).of("")) == sorted(tree.items())
