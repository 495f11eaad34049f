"""The choice of a builder: native where it supports everything, otherwise an engine, or what the user selected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from shipit.docker.client import Engine
from shipit.errors import BuildError
from shipit.image.choice import JOIN_GROUP, Choice, choose_builder
from shipit.image.dockerfile.parse import parse_dockerfile
from shipit.image.options import BuildOptions


@dataclass
class StandIn:
    """The part of an engine that the choice of a builder uses."""

    is_there: bool = True
    buildx: str | None = "v0.13.1"
    chosen_builder: str = ""
    has_buildkit: bool = True
    unreachable_reason: str = "connection refused"
    is_denied: bool = False
    address: str = "unix:///x.sock"
    title: str = "Engine 20.10"

    def is_reachable(self) -> bool:
        return self.is_there


def chosen(tmp_path: Path, lines: str, engine: StandIn | None = None, **options: Any) -> Choice:
    data = f"FROM base AS zero\n{lines}\n".encode("utf-8", "surrogateescape")
    (tmp_path / "Dockerfile").write_bytes(data)
    asked = BuildOptions(tmp_path, tmp_path / "Dockerfile", **options)
    return choose_builder(parse_dockerfile(data), asked, lambda: cast(Engine, engine or StandIn()))


@pytest.mark.parametrize(
    "lines",
    [
        "COPY --chmod=+x a /",
        "COPY --chmod=u=rwX,go=rX a /",
        "ARG M\nCOPY --chmod=$M a /",
        'COPY --chmod="755" a /',
        "COPY <<robots.txt <<humans.txt /w/\nr\nrobots.txt\nh\nhumans.txt",
        "COPY a.txt <<EOF /d/\nx\nEOF",
        "ONBUILD COPY <<EOF /x\nx\nEOF",
        "ONBUILD RUN make",
        "# a byte of Latin-1: \udce9",
        "EXPOSE 8080:80",
        "HEALTHCHECK --interval=1500us CMD x",
        "RUN make\nFROM base\nCOPY a /",
        "RUN make\nFROM zero AS two\nRUN make\nFROM base AS three\nCOPY a /\nFROM three",
        "ADD https://x/y /\nFROM base",
        "COPY --parents a /\nFROM base",
        "RUN --mount=type=secret,id=x make\nFROM base\nCOPY a /",
    ],
)
def test_supported_dockerfiles_are_built_natively(tmp_path: Path, lines: str) -> None:
    assert chosen(tmp_path, lines) == Choice("native", "no RUN")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ('RUN echo "usage <<EOF"', "RUN at Dockerfile:2"),
        ("RUN <<EOF\nmake\nEOF", "RUN at Dockerfile:2"),
        ("RUN make\nFROM base\nCOPY --from=zero a /", "RUN at Dockerfile:2"),
        ("RUN make\nFROM zero", "RUN at Dockerfile:2"),
        ("COPY --parents a /", "COPY --parents at Dockerfile:2"),
        ("COPY --exclude=*.md a /", "COPY --exclude at Dockerfile:2"),
        ("ADD https://x/y /", "ADD from the network at Dockerfile:2"),
        ("ADD --checksum=sha256:0 https://x/y /", "ADD --checksum at Dockerfile:2"),
        ("FUTURE x", "'FUTURE' is not an instruction at Dockerfile:2"),
        ("COPY --future=1 a /", "COPY has no flag --future at Dockerfile:2"),
        ("COPY <<EOF /x\nnever", "the here-document <<EOF is never closed at Dockerfile:2"),
        (
            "HEALTHCHECK --interval=soon CMD x",
            "should be a duration such as 30s, of 1ms at least, found 'soon' at Dockerfile:2",
        ),
        (
            "FROM base AS Ä",
            "a stage's name should be letters, digits and '-_.', a letter first, found 'Ä' at Dockerfile:2",
        ),
    ],
)
def test_unsupported_instructions_are_built_by_an_engine(tmp_path: Path, lines: str, reason: str) -> None:
    assert chosen(tmp_path, lines) == Choice("buildkit", reason)


def test_a_custom_syntax_is_built_by_buildx(tmp_path: Path) -> None:
    data = b"# syntax=example.com/mine\nWHATEVER it is\n"
    (tmp_path / "Dockerfile").write_bytes(data)
    options = BuildOptions(tmp_path, tmp_path / "Dockerfile")
    found = choose_builder(parse_dockerfile(data), options, lambda: cast(Engine, StandIn()))
    assert found == Choice("buildx", "# syntax=example.com/mine at Dockerfile, # syntax=example.com/mine")
    own = b"# syntax=docker/dockerfile:1.7-labs\nFROM scratch\nCOPY a /\n"
    assert choose_builder(parse_dockerfile(own), options, lambda: cast(Engine, StandIn())).way == "native"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("FORM x", "Dockerfile:2: 'FORM' is not an instruction\nhint: the line before it may lack a \\ at its end"),
        (
            "COPY --parents a /",
            "Dockerfile:2: COPY --parents needs an engine, and none answers at unix:///x.sock: connection refused",
        ),
    ],
)
def test_without_an_engine_the_error_says_what_needs_one(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        chosen(tmp_path, lines, StandIn(is_there=False))
    assert caught.value.render().startswith(message)


def test_a_socket_that_may_not_be_opened_has_its_own_hint(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        chosen(tmp_path, "RUN make", StandIn(is_there=False, is_denied=True, unreachable_reason="permission denied"))
    assert caught.value.hint == JOIN_GROUP and caught.value.what.endswith("permission denied")


def test_the_builder_that_the_user_selected_is_used(tmp_path: Path) -> None:
    engine = StandIn(chosen_builder="mine")
    assert chosen(tmp_path, "RUN <<EOF\nmake\nEOF", engine) == Choice("buildx", "RUN at Dockerfile:2, its builder mine")
    assert chosen(tmp_path, "RUN make", engine, builder="engine").way == "buildkit"
    assert chosen(tmp_path, "COPY a /", engine).way == "native"
    assert chosen(tmp_path, "RUN make", StandIn(chosen_builder="mine", has_buildkit=False)).way == "buildx"


def test_secret_mounts_need_buildx_in_needed_stages_only(tmp_path: Path) -> None:
    lines = "RUN --mount=type=secret,id=x make\nFROM base AS other\nRUN make"
    assert chosen(tmp_path, lines).way == "buildkit"
    assert chosen(tmp_path, lines, stage="zero") == Choice("buildx", "mounts at Dockerfile:2")
