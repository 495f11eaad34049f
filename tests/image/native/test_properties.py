"""Random Dockerfiles: the builder returns an image, or an error that names its place."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipit.errors import ShipitError
from shipit.image.dockerfile.syntax import INSTRUCTIONS
from tests.image.native.test_builder import Builder

WORDS = st.sampled_from(
    [
        "a",
        "dir",
        ".",
        "/",
        "..",
        "../..",
        "dir/",
        "/x/",
        "link",
        "*",
        "a*",
        "[",
        "[a",
        "$A",
        "${A",
        "${A:-b}",
        "${A:?no}",
        '"',
        "'",
        "\\",
        "--from=x",
        "--from=0",
    ]
    + [
        "--chown=1:2",
        "--chown=me",
        "--chmod=644",
        "--chmod=rw",
        "AS",
        "scratch",
        "=",
        "A=b",
        'A="b c"',
        "80",
        "80/tcp",
        "<<EOF",
        '["a", "b"]',
        "[1]",
        "CMD",
        "NONE",
        "ü",
    ]
    + ["--interval=1s", "--interval=", "--retries=x", "archive.tar", "http://x/y", "\x00", "0", ""]
)
LINES = st.builds(
    lambda keyword, words: f"{keyword} {' '.join(words)}",
    st.sampled_from(sorted(INSTRUCTIONS - {"RUN"})),
    st.lists(WORDS, max_size=4),
)


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    built = Builder(tmp_path_factory.mktemp("properties"))
    built.write("a", "a")
    built.write("dir/b", "b")
    built.write("archive.tar", "not one")
    (built.folder / "link").symlink_to("nowhere")
    (built.folder / "loop").symlink_to("loop")
    return built


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=4 * settings().max_examples)
@given(st.lists(LINES, max_size=6))
def test_random_dockerfiles_give_an_image_or_a_located_error(builder: Builder, lines: list[str]) -> None:
    try:
        builder.build("\n".join(["FROM scratch AS x", *lines]) + "\n")
    except ShipitError as error:
        assert error.where.startswith("Dockerfile"), error.render()
