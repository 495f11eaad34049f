"""Dockerfiles nobody would write: the native builder makes of them what today's BuildKit makes, or both refuse them."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipit.errors import ShipitError
from shipit.image.build import build_image
from shipit.image.build_tools import BuildTools
from shipit.image.image import BuiltImage
from shipit.image.options import BuildOptions
from shipit.image.store.content_store import ContentStore
from tests.image.native.test_builder import Bases
from tests.servers.buildkit import BuildKit, RefusedBuild

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
    "a-b/f",
    "aa/f",
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
    + ["${A/x/-}", "${A//?/$B}", "${A:?}", "\u00e9", "<<E", "${A##*a*a}", "${A%'*'}"]
)
NAMES = st.sampled_from("ABCD")
SOURCES = st.sampled_from(
    ["a", "dir", "dir/", "*.txt", "d*", "a b.txt", '["x y/z",', "x*", "[[]x]", "./a", "/a", "../a", "dir/../a", "link"]
    + ["nothing*", "nothing* a", "docs/*.md", "*/a", "**/c.md", "dir/sub/.", "link/", "link/a", "empty", ".hid*"]
    + ["*/f", "a[^b]b*", "nodir/*", "[", "a[]a]", "\\a", "link/*", "dir/link", "?", "t.tar", "*.tar*", "t.tar.gz empty"]
)
CHMODS = ["755", "0500", '"644"', "+x", "u=rwX,go=rX", "a-w,g+w", "4711", "$M", "9", "u+q", "g=u"]
FLAGS = st.lists(
    st.sampled_from(
        [f"--chmod={text}" for text in CHMODS]
        + ["--chown=5:6", "--chown=7", "--chown=$M", "--link", "--link=false", "--link=x", "--nope", "--chmod=755"]
    ),
    max_size=2,
).map(lambda flags: "".join(f" {flag}" for flag in flags))
HERE = st.sampled_from(
    ["<<E /h\n$A '$B' \"${C:-x}\" \\$A\nE", "<<'E' /h\n$A\nE", "<<-E /h/\n\t\ta\n\tE", "<<E <<F /h/\none\nE\ntwo\nF"]
    + ["a <<E /h/\n$A\nE", "<<robots.txt <<humans.txt /w/\nr\nrobots.txt\nh\nhumans.txt", '<<"E F" /h/\nx\nE F']
    + [
        "<<E <<E /h/\n1\nE\n2\nE",
        '["<<E", "/h/"]',
        "<<E a dir /h/\n$A\nE",
        "<<E /h\n\n\nE",
        "<< E /h\nx\nE",
        "<<E <<F\nx\nE\ny\nF",
    ]
    + [
        "<<-'E' /h\n\t$A\n\tE",
        "<<E>x /h/\nz\nE>x",
        "<<a/b /h/\nx\na/b",
        "<<$A /h/\nq\n$A",
        "<<E /h\nlatin \udce9 $A\nE",
    ]
    + ["<<'E' /h\nlatin \udce9 $A\nE"]
)
LINES = st.one_of(
    st.builds(lambda pairs: "ENV " + " ".join(pairs), st.lists(st.builds("{}={}".format, NAMES, WORDS), min_size=1)),
    st.builds("ENV {} {} {}".format, NAMES, WORDS, WORDS),
    st.builds("LABEL l={} {}=m".format, WORDS, st.sampled_from(["k", '"k l"', "$A", "a.b"])),
    st.builds("ARG {}={}".format, NAMES, WORDS),
    st.builds("ARG {}={} {}={}".format, NAMES, WORDS, NAMES, WORDS),
    st.builds(
        "ARG {}".format,
        st.sampled_from(["A", "B", "TARGETARCH", "TARGETPLATFORM", "TARGETSTAGE", "TARGETVARIANT", "BUILDPLATFORM"]),
    ),
    st.builds(
        "{} {}".format,
        st.sampled_from(["CMD", "ENTRYPOINT"]),
        st.sampled_from(
            [
                "echo $A",
                '["a", "b $A"]',
                "['a']",
                "[ ]",
                "[]",
                '["a"] x',
                '["a\\n"]',
                '["a", 1]',
                " x \\\n y",
                "",
                "--x y",
            ]
            + ['["\\ud83d"]', '["a", NaN]', "latin \udce9", '["\udce9"]', "[", '[["a"]]', ' [ "a" ] ']
        ),
    ),
    st.builds(
        "EXPOSE {}".format,
        st.sampled_from(
            ["80", "80/tcp 90/UDP", "8000-8002", "$A", "80/foo", "0", "65536", "9-8", "8080:80", "127.0.0.1:81:82"]
        )
        | st.sampled_from(
            ["[::1]:81:82", "80-81:90-91", "80:90-91", "/tcp", "80/", "5:", ":5", '"80 81"', "${A:-1 2}/udp"]
        ),
    ),
    st.builds(
        "VOLUME {}".format,
        st.sampled_from(["/v", "/v /w", '["/v", "/x y"]', "$A", "v", '["/$A"]', '["/v"] x', '"/q r"', "[]", '[" "]']),
    ),
    st.builds(
        "WORKDIR {}".format,
        st.sampled_from(["/w", "rel", "$A", "/x y", "../up", "/a/../b", '"/q"', "/tr/", ".", "/link"]),
    ),
    st.builds("STOPSIGNAL {}".format, st.sampled_from(["SIGTERM", "9", "term", "rtmin+3", "FOO", "$A", "0", "--x 9"])),
    st.builds("SHELL {}".format, st.sampled_from(['["/bin/x", "-c"]', "/bin/sh", "[]"])),
    st.builds(
        "HEALTHCHECK {}".format,
        st.sampled_from(
            ["NONE", "none x", "CMD x  y", 'cmd ["a"]', "CMD", "--interval=5s CMD x", "--retries=3 --timeout=1m CMD x"]
            + ["--interval=0s CMD x", "--retries=0 CMD x", "--interval=1 CMD x", "--timeout=1.5h CMD x", "--no=1 CMD x"]
            + ["--interval=1500us CMD x", "--interval=999us CMD x", "--interval=1h2m3.5s CMD x", "--interval=5s NONE"]
            + [
                "--start-interval=2s CMD x",
                "--retries=-1 CMD x",
                "--retries=99999999999 CMD x",
                "CMD []",
                "--interval= CMD x",
            ]
        ),
    ),
    st.builds(
        "ONBUILD {}".format,
        st.sampled_from(
            ["RUN x", "env a=b", "FROM x", "ONBUILD RUN x", "MAINTAINER x", "FOO x", "ENV a", "COPY <<E /o\nx\nE"]
        )
        | st.sampled_from(["COPY a /on/", "  COPY\ta /on", "CMD [1]", "ENV D=$A", "COPY --from=0 / /z/"]),
    ),
    st.builds(
        "COPY{} {} {}".format,
        FLAGS,
        SOURCES,
        st.sampled_from(["/t/", "t/", "./", "/", "$A/", "/${A:-z}/", '/t"]', "/new/file", "/link/in"]),
    ),
    st.builds("ADD{} {} {}".format, FLAGS, SOURCES, st.sampled_from(["/t/", "t/", "/", "/new/file"])),
    st.builds(
        "ADD --unpack={} {} /u/".format,
        st.sampled_from(["true", "false", "x"]),
        st.sampled_from(["t.tar", "a", "*.tar.gz"]),
    ),
    st.builds("{}{} {}".format, st.sampled_from(["COPY", "COPY", "ADD"]), FLAGS, HERE),
    st.builds(
        "COPY --from={} {} /f/".format,
        st.sampled_from(["0", "one", "One", "1", "-1", "two", "$A", "9"]),
        st.sampled_from(["a", "/", "/t", "*"]),
    ),
    st.sampled_from(
        [
            "FROM scratch AS one",
            "FROM one",
            "FROM one AS two",
            "FROM One",
            "FROM scratch",
            "FROM 0",
            "FROM $A",
            "FROM a b",
            "FROM scratch AS 1x",
        ]
    ),
    st.sampled_from(["USER 1", "USER 1:2", "USER $A", "MAINTAINER $A <a@b>", "copy a /lower", "FOO", "# latin \udce9"]),
)


def _odd(line: str, form: int) -> str:
    """The line as it is, indented, or continued over a comment or an empty line."""
    keyword, _, rest = line.partition(" ")
    odd = {1: f"  {line}", 2: f"{keyword} \\\n# no\n  {rest}", 3: f"{keyword} \\\n\n{rest}"}
    return line if "<<" in line else odd.get(form, line)


# As other machines and editors write it.
HABITS: list[Callable[[str], str]] = [
    str,
    str,
    str,
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace(" ", "\t", 5),
    lambda text: text.replace(" ", "  "),
    lambda text: f"\ufeff{text.rstrip()}",
]
DOCKERFILES = st.builds(
    lambda head, lines, habit: habit(f"{head}FROM scratch AS zero\n" + "\n".join(lines) + "\n"),
    st.sampled_from(["", "", "# comment\n", "# escape=`\n", "ARG A=top\n", "ARG M=600\n"]),
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
    (folder / "b.txt").chmod(0o600)
    (folder / "c.md").chmod(0o755)
    (folder / "link").symlink_to("dir")
    (folder / "dir/link").symlink_to("a")
    (folder / "empty").mkdir()
    for name, mode in (("t.tar", "w"), ("t.tar.gz", "w:gz")):
        with tarfile.open(folder / name, mode) as archive:  # type: ignore[call-overload]
            archive.add(folder / "dir", "packed", filter=_owned)
            archive.add(folder / "c.md", "c.md", filter=_owned)
    (folder / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    return folder


def _owned(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid, info.gid, info.uname, info.gname = 3, 4, "", ""
    return info


class Builders:
    """The two builders, and a store for both."""

    def __init__(self, folder: Path, buildkit: BuildKit) -> None:
        self.store = ContentStore(folder / "store")
        self.buildkit = buildkit

    def native(self, context: Path, **options: Any) -> Any:
        """Tree and config of a context's image; None where it is refused, for a reason that is printed."""
        asked = BuildOptions(context, context / "Dockerfile", builder="native", **options)
        try:
            tools = BuildTools(self.store, Bases(self.store), lambda: None, lambda event: None)  # type: ignore[arg-type,return-value]
            return _shown(build_image("a", asked, tools), self.store)
        except ShipitError as error:
            print(f"native: {error.render()}")
            return None

    def newest(self, context: Path, **options: str) -> Any:
        try:
            return _shown(self.buildkit.build(context, self.store, options), self.store)
        except RefusedBuild as error:
            print(f"BuildKit: {error}")
            return None


def _shown(image: BuiltImage, store: ContentStore) -> tuple[dict[str, Any], dict[str, Any]]:
    """name -> type, mode, owner, link and content, over all layers, times apart; and the config."""
    found: dict[str, Any] = {}
    for layer in image.layers:
        with tarfile.open(store.path(layer.digest)) as archive:
            for member in archive:
                source = archive.extractfile(member) if member.isreg() or member.islnk() else None
                mode = 0 if member.issym() else member.mode
                link = member.linkname if member.issym() else ""
                content = source.read() if source else b""
                found[os.path.normpath(f"/{member.name}")] = (
                    member.isdir(),
                    mode,
                    member.uid,
                    member.gid,
                    link,
                    content,
                )
    found.pop("/", None)
    config = {
        key: value for key, value in image.runtime.items() if key != "ArgsEscaped" and value not in (None, "", [], {})
    }
    return found, config


@pytest.fixture(scope="module")
def builders(buildkit: BuildKit, tmp_path_factory: pytest.TempPathFactory) -> Builders:
    return Builders(tmp_path_factory.mktemp("builders"), buildkit)


CASES = [
    "ENV X=1\nARG X=2\nLABEL v=$X",
    "ARG X=2\nENV X=1\nLABEL v=$X",
    "ENV X=1\nARG X\nLABEL v=$X",
    "ENV X=1\nARG X=2\nFROM zero\nLABEL v=$X",
    "ADD *.tar.gz /opt/",
    "ADD --chown=5:6 t.tar /opt",
    "ADD --chmod=700 t.tar /opt",
    "ADD --unpack=false t.tar /opt/",
    "COPY --chmod=500 a /root/.ssh/x",
    "COPY --chmod=u=rwX,go=rX dir /x/y",
    "COPY --chmod=+x b.txt /x/",
    "ARG M=711\nCOPY --chmod=$M a /",
    'COPY --chmod="755" a /',
    "COPY --chmod=600 --chown=1:2 dir /p/q/",
    "COPY --link --chmod=500 a /n/m/x",
    "COPY <<robots.txt <<humans.txt /w/\nr\nrobots.txt\nh\nhumans.txt",
    "COPY a <<EOF /d/\nx\nEOF",
    "ONBUILD COPY <<EOF /o\nhello\nEOF",
    "ONBUILD COPY <<EOF /o\nhello\nEOF\nFROM zero",
    "EXPOSE 8080:80",
    "HEALTHCHECK --interval=1500us CMD x",
    "# a \udce9 in a comment\nENV A=\udce9",
    "CMD",
    "ENTRYPOINT",
    'CMD ["a"] b',
    "COPY */f /two/",
    "COPY --from=zero / /x\nFROM scratch AS zero",
    "FROM scratch AS Upper\nFROM Upper",
    "FROM scratch AS dup\nCOPY a /1\nFROM scratch AS dup\nCOPY a /2\nFROM scratch\nCOPY --from=dup / /",
    "FROM --platform=$BUILDPLATFORM scratch\nARG BUILDPLATFORM TARGETPLATFORM TARGETSTAGE\nLABEL x=$BUILDPLATFORM-$TARGETPLATFORM-$TARGETSTAGE",
    "FROM --platform=linux/arm scratch\nARG TARGETVARIANT\nLABEL x=$TARGETVARIANT",
    "ARG TARGETARCH=mine\nFROM scratch\nARG TARGETARCH\nLABEL x=$TARGETARCH",
    "COPY --from=$A a /",
    "WORKDIR\t/x\nWORKDIR y/",
    "USER 5:6\nWORKDIR /made/here\nCOPY a ./",
    "COPY a /x\nFROM zero\nENTRYPOINT e",
    "CMD c\nFROM zero\nENTRYPOINT e",
    "CMD c\nENTRYPOINT e",
    "WORKDIR /tr/\nWORKDIR $NOPE",
    "FROM scratch AS unused\nCOPY --from=9 a /f/\nFROM zero",
    "FROM scratch AS unused\nCOPY --from=$A a /f/\nFROM zero",
    "FROM scratch AS unused\nCOPY --from=unused a /f/\nFROM zero",
    "FROM scratch AS unused\nRUN make\nFROM zero",
    "COPY a b.txt /one",
]


@pytest.mark.parametrize("lines", CASES)
def test_what_was_another_once(context: Path, builders: Builders, lines: str) -> None:
    _write(context, f"FROM scratch AS zero\nCOPY a /base\n{lines}\n")
    assert builders.native(context) == builders.newest(context)


@pytest.mark.parametrize("platform", ["linux/arm", "linux/arm64/v8", "linux/amd64/v2", "linux/arm/v6"])
def test_platforms(context: Path, builders: Builders, platform: str) -> None:
    names = "TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDARCH BUILDVARIANT"
    labels = " ".join(f"{name}=${name}" for name in names.split())
    _write(context, f"FROM scratch\nARG {names}\nLABEL {labels}\nCOPY a /\n")
    assert builders.native(context, platform=platform) == builders.newest(context, platform=platform)


def _write(context: Path, text: str) -> None:
    (context / "Dockerfile").write_bytes(text.encode("utf-8", "surrogateescape"))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(DOCKERFILES)
def test_any_dockerfile(context: Path, builders: Builders, dockerfile: str) -> None:
    _write(context, dockerfile)
    assert builders.native(context) == builders.newest(context)


SEGMENTS = st.sampled_from(
    ["a", "*", "**", "dir", "*.md", "b.txt", "sub", "?", "[a-c]*", "foo", "docs", "README*", ".", "..", ".*", "x y"]
    + ["link", "[x]", "\\[x\\]", "*.*", "[^a]", "empty", ".hidden", "**.md", "**a", "a**"]
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
    _write(context, "FROM scratch\nCOPY . /\n")
    assert builders.native(context) == builders.newest(context)
