"""Platforms in one form, and which image of several is taken for one, as containerd does it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.platforms import normal_platform, parse_platform
from tests.servers.moby import Moby

ARCHITECTURES = [
    "amd64",
    "arm64",
    "arm",
    "386",
    "x86_64",
    "x86-64",
    "aarch64",
    "armhf",
    "armel",
    "i386",
    "s390x",
    "AMD64",
    "riscv64",
]
VARIANTS = [
    "",
    "v1",
    "v2",
    "v3",
    "v4",
    "v5",
    "v6",
    "v7",
    "v8",
    "v9",
    "5",
    "6",
    "7",
    "8",
    "9",
    "9.0",
    "v8.0",
    "v8.2",
    "v9.1",
    "v9.7",
    "V8",
    "x",
]
PLATFORMS = st.builds(
    lambda architecture, variant: "/".join(filter(None, ("linux", architecture, variant))),
    st.sampled_from(ARCHITECTURES),
    st.sampled_from(VARIANTS),
)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64/v2"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/x86_64", "linux/amd64"),
        ("Linux/ARM64", "linux/arm64"),
        ("arm64", "linux/arm64"),
        ("arm", "linux/arm/v7"),
    ],
)
def test_what_means_the_same_has_one_form(text: str, normal: str) -> None:
    assert str(parse_platform(text)) == normal
    assert parse_platform(normal) == parse_platform(text)


@pytest.mark.parametrize(
    "text", ["", "linux", "bsd", "linux/", "/amd64", "linux/a/b/c", "linux/am d64", "linux/*", "linux/é"]
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="should be a platform such as"):
        parse_platform(text)


@given(PLATFORMS)
def test_any_platform_has_the_form_that_containerd_gives_it(moby: Moby, text: str) -> None:
    assert str(parse_platform(text)) == moby.platform(text)


# Variants that there are.
REAL = st.sampled_from(
    ["linux/386", "linux/amd64", "linux/arm", "linux/arm64", "linux/s390x"]
    + [f"linux/amd64/v{number}" for number in range(1, 5)]
    + [f"linux/arm/v{number}" for number in range(5, 9)]
    + [f"linux/arm64/v{number}" for number in ("8", "8.1", "8.2", "8.9", "9", "9.0", "9.1", "9.7")]
)


@given(REAL, st.lists(PLATFORMS, min_size=1, max_size=5))
def test_the_image_that_containerd_takes_is_taken(moby: Moby, text: str, offered: list[str]) -> None:
    runs = parse_platform(text).runs
    ranks = [runs.index(p) if (p := normal_platform(*name.split("/"))) in runs else len(runs) for name in offered]
    best = min(ranks)
    expected = moby.best(text, offered)
    assert (expected == -1) if best == len(runs) else ranks[expected] == best
