"""Dockerfiles nobody would write: the native builder makes of them what BuildKit makes, or both refuse them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipit.errors import ShipitError
from shipit.image.store import ContentStore
from tests.e2e.test_builders import _build, _config, _tree
from tests.servers.engine import DockerEngine, install_buildx

pytestmark = pytest.mark.engine

FILES = [
    "a",
    "b.txt",
    "c.md",
    "dir/a",
    "dir/sub/c.md",
    "x y/z",
    ".hidden",
    "[x]",
    "docs/README.md",
    "docs/x.md",
    "foo/k",
]
WORDS = st.sampled_from(
    ["a", "b c", "'q r'", '"s t"', "$A", "${A}b", "${A:-d}", "${A-u}", "${A:+p}", "${A+u}", "${NOPE:-x y}", "\\$A"]
    + ["\\\\", "a\\ b", "'$A'", '"$A"', "=", "x=y", "", "$", "$$", "$#", "a$", "${A:-${B}}", "\\n", '"\\""', "'it''s'"]
    + [
        "#h",
        "a#b",
        "\\'",
        '"a\\\\b"',
        '"o',
        "it's",
        "${A:-\\}}",
        '${A:-"}"}',
        '"${A:-"q"}"',
        "$Ab",
        "${A#x}",
        "${A%%y*}",
    ]
    + ["${A/x/-}", "${A//?/$B}", "${A:?}", "\u00e9"]
)
NAMES = st.sampled_from("ABCD")
SOURCES = st.sampled_from(
    ["a", "dir", "dir/", "*.txt", "d*", "a b.txt", '["x y/z",', "x*", "[[]x]", "./a", "/a", "../a", "dir/../a", "link"]
    + ["nothing*", "nothing* a", "docs/*.md", "*/a", "**/c.md", "dir/sub/.", "link/", "link/a", "empty", ".hid*"]
)
HERE = st.sampled_from(
    ["<<E /h\n$A '$B' \"${C:-x}\" \\$A\nE", "<<'E' /h\n$A\nE", "<<-E /h/\n\t\ta\n\tE", "<<E <<F /h/\none\nE\ntwo\nF"]
)
LINES = st.one_of(
    st.builds(lambda pairs: "ENV " + " ".join(pairs), st.lists(st.builds("{}={}".format, NAMES, WORDS), min_size=1)),
    st.builds("ENV {} {} {}".format, NAMES, WORDS, WORDS),
    st.builds("LABEL l={} {}=m".format, WORDS, st.sampled_from(["k", '"k l"', "$A", "a.b"])),
    st.builds("ARG {}={}".format, NAMES, WORDS),
    st.builds("ARG {}".format, NAMES),
    st.builds(
        "{} {}".format,
        st.sampled_from(["CMD", "ENTRYPOINT"]),
        st.sampled_from(
            ["echo $A", '["a", "b $A"]', "['a']", "[ ]", "[]", '["a"] x', '["a\\n"]', '["a", 1]', " x \\\n y"]
        ),
    ),
    st.builds(
        "EXPOSE {}".format, st.sampled_from(["80", "80/tcp 90/UDP", "8000-8002", "$A", "80/foo", "0", "65536", "9-8"])
    ),
    st.builds(
        "VOLUME {}".format,
        st.sampled_from(["/v", "/v /w", '["/v", "/x y"]', "$A", "v", '["/$A"]', '["/v"] x', '"/q r"']),
    ),
    st.builds(
        "WORKDIR {}".format, st.sampled_from(["/w", "rel", "$A", "/x y", "../up", "/a/../b", '"/q"', "/tr/", "."])
    ),
    st.builds("STOPSIGNAL {}".format, st.sampled_from(["SIGTERM", "9", "term", "rtmin+3", "FOO", "$A", "0"])),
    st.builds("SHELL {}".format, st.sampled_from(['["/bin/x", "-c"]', "/bin/sh"])),
    st.builds(
        "HEALTHCHECK {}".format,
        st.sampled_from(
            ["NONE", "none x", "CMD x  y", 'cmd ["a"]', "CMD", "--interval=5s CMD x", "--retries=3 --timeout=1m CMD x"]
            + ["--interval=0s CMD x", "--retries=0 CMD x", "--interval=1 CMD x", "--timeout=1.5h CMD x", "--no=1 CMD x"]
        ),
    ),
    st.builds("ONBUILD {}".format, st.sampled_from(["RUN x", "env a=b", "FROM x", "ONBUILD RUN x", "MAINTAINER x"])),
    st.builds("COPY {} {}".format, SOURCES, st.sampled_from(["/t/", "t/", "./", "/", "$A/", "/${A:-z}/", '/t"]'])),
    st.builds("COPY {}".format, HERE),
    st.sampled_from(["USER 1", "USER 1:2", "USER $A", "MAINTAINER $A <a@b>", "copy a /lower"]),
)


def _odd(line: str, form: int) -> str:
    """The line as it is, indented, or continued over a comment or an empty line."""
    keyword, _, rest = line.partition(" ")
    odd = {1: f"  {line}", 2: f"{keyword} \\\n# no\n  {rest}", 3: f"{keyword} \\\n\n{rest}"}
    return line if "<<" in line else odd.get(form, line)


# As other machines and editors write it.
HABITS: list[Callable[[str], str]] = [
    str,
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace(" ", "\t", 5),
    lambda text: text.replace(" ", "  "),
    lambda text: f"\ufeff{text.rstrip()}",
]
DOCKERFILES = st.builds(
    lambda head, lines, habit: habit(f"{head}FROM scratch\n" + "\n".join(lines) + "\n"),
    st.sampled_from(["", "", "# comment\n", "# escape=`\n", "ARG A=top\n"]),
    st.lists(st.builds(_odd, LINES, st.integers(0, 12)), min_size=1, max_size=6),
    st.sampled_from(HABITS),
)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    for path in FILES:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
        file.chmod(0o644)
    (folder / "link").symlink_to("dir")
    (folder / "dir/link").symlink_to("a")
    (folder / "empty").mkdir()
    (folder / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    return folder


class Builders:
    """The two builders, and a store for both."""

    def __init__(self, folder: Path, host: str) -> None:
        install_buildx(folder)
        self.store = ContentStore(folder / "store")
        self.variables = {**os.environ, "DOCKER_CONFIG": str(folder), "DOCKER_HOST": host}

    def built(self, context: Path, builder: str) -> Any:
        """Tree and config of a context's image; None where it is refused, for a reason that is printed."""
        try:
            image = _build(context, self.store, builder, self.variables["DOCKER_HOST"], self.variables, [])
        except ShipitError as error:
            print(f"{builder}: {error.render()}")
            return None
        return _tree(image, self.store), _config(image)


@pytest.fixture(scope="module")
def builders(modern_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Builders:
    return Builders(tmp_path_factory.mktemp("builders"), modern_engine.host)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(DOCKERFILES)
def test_any_dockerfile(context: Path, builders: Builders, dockerfile: str) -> None:
    (context / "Dockerfile").write_bytes(dockerfile.encode())
    assert builders.built(context, "native") == builders.built(context, "buildx")


SEGMENTS = st.sampled_from(
    ["a", "*", "**", "dir", "*.md", "b.txt", "sub", "?", "[a-c]*", "foo", "docs", "README*", ".", "..", ".*", "x y"]
    + ["link", "[x]", "\\[x\\]", "*.*", "[^a]", "empty", ".hidden"]
)
RULES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "!", " ", "# "]),
    st.sampled_from(["", "", "/", "./"]),
    st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "", "/", " "]),
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(RULES, min_size=1, max_size=5))
def test_any_ignore_file(context: Path, builders: Builders, rules: list[str]) -> None:
    (context / ".dockerignore").write_text("\n".join(["Dockerfile", *rules, ""]))
    (context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    assert builders.built(context, "native") == builders.built(context, "buildx")
