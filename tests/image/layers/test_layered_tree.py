"""The tree of several layers: lookups and walks equal the result of unpacking the layers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipit.digest import Digest
from shipit.errors import BuildError
from shipit.image.image import Layer
from shipit.image.layers.index import LayerIndex, write_index
from shipit.image.layers.layered_tree import LayeredTree
from shipit.image.store.content_store import ContentStore
from shipit.image.tar.header import BadTar
from shipit.image.tar.read import Member
from shipit.image.tree.entries import OPAQUE, WHITEOUT, Entry, InLayer
from shipit.image.tree.paths import folders_above

LAYER = Layer(Digest.of(b"diff"), Digest.of(b"blob"), 5)


@pytest.fixture(scope="module")
def store() -> Iterator[ContentStore]:
    with tempfile.TemporaryDirectory() as folder:
        yield ContentStore(Path(folder))


def file(name: str, mode: int = 0o644, **more: object) -> Member:
    return Member(name, "file", mode, 1, 2, "", 3, "")._replace(**more)  # type: ignore[arg-type]


def folder(name: str, mode: int = 0o700) -> Member:
    return file(name, mode, kind="dir", size=0)


def index_of(store: ContentStore, members: Sequence[Member], layer: Layer = LAYER) -> LayerIndex:
    digest, whiteouts = write_index(members, store)
    return LayerIndex(store.path(digest), layer, whiteouts)


def tree_of(store: ContentStore, *layers: Sequence[Member]) -> LayeredTree:
    return LayeredTree([index_of(store, members) for members in layers])


def seen(tree: LayeredTree, below: str = "") -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {path: (entry.kind, entry.mode) for path, entry in tree.below(below)}
    for path, entry in found.items():
        assert (tree[path].kind, tree[path].mode) == entry, path
    return found


PARTS = st.lists(st.sampled_from(["a", "b", "c-", "c", "a\n", "\\n", "ü", "é.x"]), min_size=1, max_size=4)
NAMES = st.builds("/".join, PARTS)


@st.composite
def layers(draw: st.DrawFn) -> list[list[Member]]:
    """Layers as tools write them: without duplicate names, and with nothing below a file or link."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        members: dict[str, Member] = {}
        for name in draw(st.lists(NAMES, max_size=8)):
            above = folders_above(name)
            is_above = any(other.startswith(f"{name}/") for other in members)
            if any(members[path].kind != "dir" for path in above if path in members) or name in members:
                continue
            make = folder if is_above or draw(st.booleans()) else file
            members[name] = make(name, 0o600 + number)
        gone = [name for name in draw(st.lists(NAMES, max_size=3)) if name not in members]
        whiteouts = [f"{name.rpartition('/')[0]}/{WHITEOUT}{name.rpartition('/')[2]}".lstrip("/") for name in gone]
        opaque = [f"{name}/{OPAQUE}" for name in draw(st.lists(NAMES, max_size=2))]
        found.append([*sorted(members.values()), *map(file, (*whiteouts, *opaque))])
    return found


def unpacked(found: Sequence[Sequence[Member]]) -> dict[str, tuple[str, int]]:
    """The result of unpacking layer by layer, implemented as simply as possible."""
    tree: dict[str, tuple[str, int]] = {}
    for members in found:
        for member in members:
            above, _, name = member.name.rpartition("/")
            if name == OPAQUE:
                remove(tree, f"{above}/")
            elif name.startswith(WHITEOUT):
                gone = f"{above}/{name.removeprefix(WHITEOUT)}".lstrip("/")
                tree.pop(gone, None)
                remove(tree, f"{gone}/")
        for member in members:
            if not member.name.rpartition("/")[2].startswith(WHITEOUT):
                if member.kind != "dir" or tree.get(member.name, ("dir", 0))[0] != "dir":
                    remove(tree, f"{member.name}/")
                tree[member.name] = member.kind, member.mode
    return tree


def remove(tree: dict[str, tuple[str, int]], prefix: str) -> None:
    for path in [path for path in tree if path.startswith(prefix)]:
        del tree[path]


def is_sound(found: Sequence[Sequence[Member]]) -> bool:
    """Whether every member is in a folder: engines refuse other layers, or follow links."""
    for count in range(1, len(found) + 1):
        tree = unpacked(found[:count])
        if any(tree.get(above, ("dir", 0))[0] != "dir" for path in tree for above in folders_above(path)):
            return False
    return True


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=3 * settings().max_examples)
@given(layers())
@pytest.mark.large
def test_the_tree_equals_unpacking_the_layers(store: ContentStore, found: list[list[Member]]) -> None:
    if not is_sound(found):
        return
    tree = tree_of(store, *found)
    expected = unpacked(found)
    walked = seen(tree)
    named = {path: entry for path, entry in walked.items() if path in expected}
    assert named == expected
    # The others are folders that no layer contains, above a path that a layer contains or removed.
    assert all(entry == ("dir", 0o755) for path, entry in walked.items() if path not in expected)
    for path in expected:
        assert set(folders_above(path)) <= set(walked)
        for above in folders_above(path):
            assert path in seen(tree, above)
    listed = list(walked)
    assert all(listed.index(above) < listed.index(path) for path in listed for above in folders_above(path))
    assert len(tree) == len(walked) == len(set(walked))


def test_a_file_that_replaces_a_folder_hides_its_content(store: ContentStore) -> None:
    old, middle, new = [folder("a"), file("a/b")], [file("a")], [folder("a"), file("a/c")]
    assert set(seen(tree_of(store, old, middle))) == {"a"}
    assert set(seen(tree_of(store, old, middle, new))) == {"a", "a/c"}
    assert "a/b" not in tree_of(store, old, middle, new)


def test_of_equal_names_the_last_one_counts(store: ContentStore) -> None:
    tree = tree_of(store, [file("a", 0o600), folder("b"), file("a", 0o601), file("b", 0o602), file("a", 0o603)])
    assert seen(tree) == {"a": ("file", 0o603), "b": ("file", 0o602)}


def test_hard_links_are_resolved(store: ContentStore) -> None:
    def link(name: str, target: str) -> Member:
        return file(name, kind="hardlink", target=target, size=0)

    members = [file("a", 0o755, capability="\1\udcff", size=9), link("b", "a"), link("c", "b"), link("d", "below")]
    tree = tree_of(store, [*members, link("round", "about"), link("about", "round")])
    original = Entry("file", 0o755, 1, 2, "", 9, InLayer(LAYER, "a"), "\1\udcff")
    walked = dict(tree.below(""))
    assert tree["a"] == tree["b"] == tree["c"] == walked["b"] == walked["c"] == original
    assert tree["d"] == Entry("file", 0o644, 1, 2, content=InLayer(LAYER, "below"))
    assert "round" not in tree


@pytest.mark.large
def test_large_indexes_are_sorted_in_files(store: ContentStore) -> None:
    members = [file(f"{number % 7}/{number:05}" + "x" * 4000, 0o644) for number in range(9000)]
    members += [file(members[5].name, 0o600)]
    tree = tree_of(store, members)
    assert len(tree) == 9007
    assert tree[members[5].name].mode == 0o600
    assert [path for path in tree if "/" in path] == sorted(member.name for member in members[:-1])
    assert not list((store.root / "tmp").iterdir())


@pytest.mark.large
def test_too_many_whiteouts_are_refused(store: ContentStore) -> None:
    def gone(begin: int, count: int) -> list[Member]:
        return [file(f"{WHITEOUT}{number}") for number in range(begin, begin + count)]

    with pytest.raises(BadTar, match="too many removed paths"):
        index_of(store, gone(0, 200_000))
    with pytest.raises(BadTar, match="too many removed paths"):
        index_of(store, [file(f"{'d' * 4000}/{number}/{OPAQUE}") for number in range(5000)])
    with pytest.raises(BuildError, match="remove too many paths"):
        tree_of(store, gone(0, 90_000), gone(90_000, 90_000))
    assert set(seen(tree_of(store, [folder("a"), file("a/b")], [file(f"a/{WHITEOUT}")]))) == set()
