"""The layers that an engine has already: by chain in its own store, by blob in containerd's."""

from __future__ import annotations

import pytest

from shipit.delivery.kept_layers import cuts_of, in_same_chain, lacking_bytes, likely_relatives, with_same_blobs
from shipit.digest import Digest
from shipit.docker.engine_image import EngineImage
from shipit.image.image import BuiltImage, Layer
from shipit.image.saved import NamedImage
from shipit.platforms import Platform
from shipit.reference import ImageRef

LINUX = Platform("linux", "amd64")
BASE = ImageRef("docker.io", "library/python", None, Digest.of(b"base"))


def diff(name: str) -> Digest:
    return Digest.of(f"diff {name}".encode())


def blob(name: str) -> Digest:
    return Digest.of(f"blob {name}".encode())


def image(names: str) -> BuiltImage:
    """An image of layers with one letter each; the first is of a base."""
    layers = [Layer(diff(name), blob(name), 10, origin=None if at else BASE) for at, name in enumerate(names)]
    return BuiltImage("shop", b"{}", tuple(layers), "linux/amd64", "")


def found(names: str) -> EngineImage:
    return EngineImage(Digest.of(names.encode()), LINUX, layers=tuple(map(diff, names)))


@pytest.mark.parametrize(
    ("own", "other", "kept"),
    [
        ("abc", "abd", "ab"),
        ("abc", "abcd", "abc"),
        ("abc", "a", "a"),
        ("abc", "bc", ""),
        ("abc", "axc", "a"),
        ("abc", "", ""),
        ("", "abc", ""),
        ("aab", "aac", "a"),
        # A layer that comes again behind the common ones is read again.
        ("abac", "abd", "b"),
        ("abab", "abab", "ab"),
    ],
)
def test_the_own_store_finds_the_layers_that_both_begin_with(own: str, other: str, kept: str) -> None:
    assert in_same_chain(image(own), found(other)) == set(map(blob, kept))


@pytest.mark.parametrize(
    ("own", "other", "blobs", "kept"),
    [
        ("abc", "xbc", "xbc", "bc"),
        ("abc", "abc", "ab", "ab"),
        ("abc", "ab", "abc", "ab"),
        ("abc", "abc", "", ""),
    ],
)
def test_containerd_finds_layers_whose_blob_is_known(own: str, other: str, blobs: str, kept: str) -> None:
    assert with_same_blobs(image(own), found(other), set(map(blob, blobs))) == set(map(blob, kept))


def test_a_layer_that_occurs_twice_is_sent_once() -> None:
    assert lacking_bytes(image("aab"), {blob("a")}) == 10
    assert lacking_bytes(image("aab"), set()) == 20


@pytest.mark.parametrize(
    "name", ["docker.io/library/shop:v1", "docker.io/team/shop:v1", "registry.example:5000/team/shop:v1"]
)
def test_earlier_builds_come_first_then_the_base_then_the_newest(name: str) -> None:
    newest, older = found("newest"), found("older")
    base = EngineImage(Digest.of(b"index"), LINUX, (Digest.of(b"base"),), ("python:3.12",))
    shown = name.removeprefix("docker.io/").removeprefix("library/").replace(":v1", ":v0")
    earlier = EngineImage(Digest.of(b"earlier"), LINUX, names=(shown,))
    images = [newest, base, older, earlier]
    named = NamedImage(image("ab"), (name,))
    assert likely_relatives(named, images, 9) == [earlier, base, newest, older]
    assert likely_relatives(named, images, 2) == [earlier, base]
    assert likely_relatives(NamedImage(image("ab"), ()), images, 9) == [base, newest, older, earlier]


@pytest.mark.parametrize(
    ("own", "kept", "least", "cuts"),
    [
        ("abc", "", 10, [1, 2, 3]),
        ("abc", "", 11, [2, 3]),
        ("abcd", "", 20, [2, 4]),
        ("abc", "", 1000, [3]),
        ("abc", "ab", 10, [3]),
        ("abcd", "ac", 10, [2, 4]),
        # The same layer twice is sent once.
        ("aab", "", 10, [1, 3]),
        ("abb", "", 10, [1, 3]),
        ("a", "", 10, [1]),
        ("", "", 10, [0]),
    ],
)
def test_an_image_is_cut_where_a_part_has_enough_and_the_rest_is_not_empty(
    own: str, kept: str, least: int, cuts: list[int]
) -> None:
    assert cuts_of(image(own), set(map(blob, kept)), least) == cuts
