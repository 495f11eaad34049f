"""Hostile Dockerfiles and base configs: an error with its place, or an image, in bounded time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import BuildError
from shipit.image.image import SourceImage
from tests.image.native.test_builder import Builder
from tests.sampled import sampled


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    built = Builder(tmp_path)
    built.write("f", "f")
    return built


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


BAD_CONFIGS: list[tuple[str, Any, str]] = [
    ("Env", [1], "Env"),
    ("Env", "A=1", "Env"),
    ("Env", {"A": 1}, "Env"),
    ("Env", [None], "Env"),
    ("Cmd", [1], "Cmd"),
    ("Cmd", {"a": 1}, "Cmd"),
    ("Entrypoint", [["a"]], "Entrypoint"),
    ("Entrypoint", 7, "Entrypoint"),
    ("Volumes", ["/v"], "Volumes"),
    ("Volumes", "x", "Volumes"),
    ("ExposedPorts", "80", "ExposedPorts"),
    ("ExposedPorts", [80], "ExposedPorts"),
    ("User", 7, "User"),
    ("User", ["a"], "User"),
    ("WorkingDir", 1, "WorkingDir"),
    ("WorkingDir", {}, "WorkingDir"),
    ("Labels", {"a": 1}, "Labels"),
    ("Labels", ["a"], "Labels"),
    ("StopSignal", 9, "StopSignal"),
    ("Shell", "sh", "Shell"),
    ("OnBuild", [1], "OnBuild"),
    ("OnBuild", "COPY f /", "OnBuild"),
    ("Healthcheck", "x", "Healthcheck"),
    ("Healthcheck", [], "Healthcheck"),
]


def put_config(builder: Builder, config: bytes) -> None:
    builder.bases.add("library/base", {"etc/": None})
    builder.bases.images["library/base"] = builder.bases.images["library/base"]._replace(config=config)


def with_runtime(image: SourceImage, runtime: Any) -> bytes:
    return json.dumps({**json.loads(image.config), "config": runtime}).encode()


@pytest.mark.parametrize(("key", "value", "said"), BAD_CONFIGS, ids=lambda value: str(value)[:20])
def test_wrong_types_in_a_bases_config_fail_with_image_and_key(
    builder: Builder, key: str, value: Any, said: str
) -> None:
    builder.bases.add("library/base", {"etc/": None}, {key: value})
    with pytest.raises(BuildError) as caught:
        builder.build("FROM base\nENV A=1\nCOPY f /\n")
    assert caught.value.where == "Dockerfile:1"
    assert caught.value.what.startswith("the base base: ") and said in caught.value.what


@pytest.mark.parametrize(
    "config",
    [b"", b"[]", b"null", b"7", b'{"config": [1]}', b'{"config": "x"}', b'{"rootfs": 1}', b'{"os": 1}', b"\xff", b"{}"]
    + [b'{"config": ' + b"[" * 100_000, b"[" * 100_000, b'{"history": [1], "rootfs": {"diff_ids": []}}']
    + [
        b'{"rootfs": {"diff_ids": []}, "config": {"Env": ["\\ud800"]}}',
        b'{"rootfs": {"diff_ids": [7]}}',
        b'{"a": NaN}',
    ],
    ids=range(16),
)
def test_an_invalid_base_config_fails_with_the_image(builder: Builder, config: bytes) -> None:
    put_config(builder, config)
    with pytest.raises(BuildError, match="the base base: ") as caught:
        builder.build("FROM base\nCOPY f /\n")
    assert caught.value.where == "Dockerfile:1"


def test_nulls_and_single_strings_in_a_base_config_are_read_as_engines_do(builder: Builder) -> None:
    keys = ["Env", "Volumes", "ExposedPorts", "User", "WorkingDir", "Labels", "Entrypoint", "OnBuild", "Healthcheck"]
    builder.bases.add("library/base", {"etc/": None}, {**dict.fromkeys(keys), "Cmd": "sh", "Env": ["A", "B=1", "B=2"]})
    runtime = builder.build("FROM base\nENV C=3\n").runtime
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert runtime == {"Cmd": ["sh"], "Env": ["A", "B=2", path, "C=3"]}


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("FROM base", "ONBUILD should not hold FROM"),
        ("ONBUILD RUN x", "ONBUILD should not hold ONBUILD"),
        ("MAINTAINER me", "ONBUILD should not hold MAINTAINER"),
        ("COPY f /a\nCOPY f /b", "should hold one instruction, found 2"),
        ("", "has no instructions"),
        ("FOO x", "'FOO' is not an instruction"),
        ("COPY <<E /x\nnever", "is never closed"),
        ("COPY --from=0 / /", "should name a stage before its own"),
        ("COPY --from=own / /", "should name a stage before its own"),
        ("COPY \0 /", "NUL byte"),
        ("COPY " + "x" * 70_000 + " /", "at most 65,535 bytes"),
    ],
)
def test_a_hostile_trigger_fails_at_the_from_line(builder: Builder, trigger: str, said: str) -> None:
    builder.bases.add("library/base", {"etc/": None}, {"OnBuild": [trigger]})
    with pytest.raises(BuildError, match=said) as caught:
        builder.build("FROM base AS own\nENV A=1\n")
    assert caught.value.where == "Dockerfile:1"


def test_a_trigger_with_a_here_document_runs(builder: Builder) -> None:
    builder.bases.add("library/base", {"etc/": None}, {"OnBuild": ["COPY <<EOF /o\nhello\nEOF"]})
    assert builder.text(builder.build("FROM base\n"), "o") == "hello\n"


HOSTILE = {
    "stages in a row": "FROM scratch AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\nENV A{n}=x\n" for n in range(900)),
    "stages that copy from each other": "FROM scratch AS s0\nCOPY f /\n"
    + "".join(f"FROM scratch AS s{n + 1}\nCOPY --from=s{n} / /\n" for n in range(200)),
    "stages that lead back": "FROM b AS a\nCOPY --from=b / /\nFROM a AS b\nCOPY --from=a / /\nFROM a\nCOPY --from=b / /\n",
    "too many stages": "".join(f"FROM scratch AS s{n}\n" for n in range(5000)),
    "variables": "FROM scratch\n" + "".join(f"ENV A{n}=x L=$L$L$L\n" for n in range(20_000)),
    "labels": "FROM scratch\n" + "".join(f"LABEL a{n}=x\n" for n in range(40_000)),
    "ports": "FROM scratch\n" + "EXPOSE 1-65535\n" * 20_000,
    "folders": "FROM scratch\n" + "WORKDIR a\n" * 20_000,
    "layers": "FROM scratch\n" + "COPY f /\n" * 20_000,
    "here-documents": "FROM scratch\nCOPY " + "<<E " * 5000 + "/x/\n" + "E\n" * 5000,
    "a long path": "FROM scratch\nCOPY f /" + "a/" * 30_000 + "\n",
    "arguments": "".join(f"ARG A{n}=${{A{n - 1}:-x}}y\n" for n in range(20_000)) + "FROM scratch\n",
    "patterns": "FROM scratch\nENV V=" + "a" * 60_000 + "\n" + 'LABEL x="${V##*a*a*a*a*b}"\n' * 10_000,
    "sources": "FROM scratch\nCOPY " + "*a*a*a*a*a*a*b " * 3000 + "/x/\n",
}


@pytest.mark.large
@pytest.mark.sampled
@pytest.mark.parametrize("name", sampled(list(HOSTILE), 6, of="hostile"))
def test_a_hostile_dockerfile_is_built_or_refused_in_bounded_time(builder: Builder, name: str) -> None:
    builder.write("a" * 200, "x")
    began = time.process_time()
    try:
        builder.build(HOSTILE[name])
    except BuildError as error:
        assert error.where.startswith("Dockerfile")
    assert time.process_time() - began < 40
