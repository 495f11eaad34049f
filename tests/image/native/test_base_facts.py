"""Facts about a base: a build on a machine without the base's layers uses the lookups of an earlier build."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.errors import BuildError, ShipitError
from shipit.image.build import build_image
from shipit.image.build_tools import BuildTools
from shipit.image.image import BuiltImage
from shipit.image.native.base_facts import KEY, BaseFacts, UnknownFact, facts_from_config, parse_facts
from shipit.image.options import BuildOptions
from shipit.image.store.content_store import ContentStore
from shipit.image.tree.entries import Entry
from tests.image.native.test_builder import Bases, Builder

BASE = {
    "tmp/": None,
    "opt/": None,
    "opt/file": "x",
    "usr/bin/tool": "tool",
    "bin": "-> usr/bin",
    "away": "-> /opt",
    "loop": "-> loop",
    "etc/passwd": "app:x:1000:1001::/:/bin/sh\n",
    "etc/group": "staff:x:50:\n",
}
PLACES = ["/", "/new/", "/new/deep/x", "/tmp/", "/opt/", "/opt/file", "/bin/", "/bin/t", "/away/", "/loop/x", ".", "x/"]
SOURCES = ["a", "dir", ".", "dir/b", "a dir"]
LINES = st.one_of(
    st.builds(
        lambda owner, sources, place: f"COPY {owner} {sources} {place}",
        st.sampled_from(["", "--chown=app", "--chown=app:staff", "--chown=3:4", "--chmod=700"]),
        st.sampled_from(SOURCES),
        st.sampled_from(PLACES),
    ),
    st.builds("WORKDIR {}".format, st.sampled_from(PLACES)),
    st.sampled_from(["USER app", "USER app:staff", "USER 7", "ENV A=b", "ADD dir /opt/added/"]),
)


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    built = Builder(tmp_path_factory.mktemp("facts"))
    for path in ("a", "dir/b", "dir/c/d"):
        built.write(path, path)
    built.bases.add("library/base", BASE, {"WorkingDir": "/opt"})
    return built


def build(builder: Builder, dockerfile: str, store: ContentStore, *earlier: bytes) -> BuiltImage:
    """Build with a store; only the builder's own store has the base's layers."""
    builder.write("Dockerfile", dockerfile)
    options = BuildOptions(builder.folder, builder.folder / "Dockerfile")
    bases = Bases(store)
    bases.images = builder.bases.images
    engine = Engine(EngineAddress("unix:///nowhere.sock"), {})
    tools = BuildTools(store, bases, lambda: engine, lambda event: None)
    return build_image("app", options, tools, earlier=lambda: earlier)


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=settings().max_examples * 3 // 2)
@given(st.lists(LINES, min_size=1, max_size=5))
def test_a_build_from_facts_equals_a_build_from_layers(builder: Builder, lines: list[str]) -> None:
    dockerfile = "\n".join(["FROM base", *lines]) + "\n"
    try:
        image = build(builder, dockerfile, builder.store)
    except ShipitError:
        return
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = ContentStore(Path(folder))
        other = build(builder, dockerfile, elsewhere, b"{", b"[]", image.config)
        assert (other.config, other.layers) == (image.config, image.layers)
        assert build(builder, dockerfile, elsewhere).config == image.config, "it is remembered there"
    assert not elsewhere.has(image.layers[0].digest)


def test_the_layers_of_a_changed_base_are_read(builder: Builder, tmp_path: Path) -> None:
    image = build(builder, "FROM base\nCOPY a /new/\n", builder.store)
    builder.bases.add("library/moved", {**BASE, "new": "-> /opt"})
    with pytest.raises(BuildError, match="a layer is missing"):
        build(builder, "FROM moved\nCOPY a /new/\n", ContentStore(tmp_path), image.config)


def test_facts_of_a_published_image_are_used_for_that_image_only(builder: Builder, tmp_path: Path) -> None:
    image = build(builder, "FROM base\nCOPY a /tmp/\n", builder.store)
    config = json.loads(image.config)
    config[KEY]["paths"]["tmp"] = ["dir", 0o777, 5, 5, ""]
    store = ContentStore(tmp_path)
    told = build(builder, "FROM base\nCOPY a /tmp/\n", store, json.dumps(config).encode())
    assert told.config != image.config, "it is taken for what the own image's repository says of the base"
    other = Builder(tmp_path / "other", store)
    other.bases = builder.bases
    other.write("a", "a")
    with pytest.raises(BuildError, match="a layer is missing"):
        build(other, "FROM base\nCOPY a /tmp/\n", store)
    for layer in builder.bases.images["library/base"].layers:
        store.put(builder.store.read(layer.digest) or b"")
    assert build(other, "FROM base\nCOPY a /tmp/\n", store).layers == image.layers
    other.write("b", "b")
    assert build(builder, "FROM base\nCOPY a /tmp/\nENV A=b\n", store).layers == image.layers, "its layers are read now"


def test_a_link_target_that_is_not_utf_8_is_not_stored_in_the_config(builder: Builder) -> None:
    builder.bases.add("library/odd", {**BASE, "odd": "-> /opt/\udcff"})
    config = json.loads(build(builder, "FROM odd\nCOPY a /odd/\n", builder.store).config)
    assert KEY not in config


def test_too_many_facts_are_not_stored_in_the_config(builder: Builder) -> None:
    for number in range(501):
        builder.write(f"many/{number}")
    config = json.loads(build(builder, "FROM base\nCOPY many /opt/\n", builder.store).config)
    assert KEY not in config
    config = json.loads(build(builder, "FROM base\nCOPY many /new/\n", builder.store).config)
    assert config[KEY] == {"layers": 1, "paths": {"new": None}, "rows": {}}
    assert KEY not in json.loads(build(builder, "FROM base\nENV A=b\n", builder.store).config), "nothing was asked"


GOOD = {"layers": 1, "paths": {"a": ["dir", 493, 0, 0, ""], "b": None}, "rows": {"etc/passwd": {"x": None}}}


@pytest.mark.parametrize(
    "change",
    [
        {"layers": 2},
        {"layers": "1"},
        {"paths": []},
        {"paths": {"a": ["dir", 493, 0, 0]}},
        {"paths": {"a": ["socket", 493, 0, 0, ""]}},
        {"paths": {"a": ["dir", 0o10000, 0, 0, ""]}},
        {"paths": {"a": ["dir", 493, -1, 0, ""]}},
        {"paths": {"a": ["dir", True, 0, 0, ""]}},
        {"paths": {"a": ["symlink", 493, 0, 0, None]}},
        {"paths": {"a": "dir"}},
        {"rows": None},
        {"rows": {"etc/passwd": "x"}},
        {"rows": {"etc/passwd": {"x": "y:1:1"}}},
        {"rows": {"etc/passwd": {"x": "x:1:1\ny:0:0"}}},
        {"rows": {"etc/passwd": {"x": "x:" + "1" * 5000}}},
        {"rows": {"etc/passwd": {"x": 5}}},
        {"rows": {"../etc/passwd": {"x": None}}},
        {"paths": {"/a": None}},
        {"paths": {"a/../b": None}},
        {"paths": {"a\0": None}},
        {"paths": {"a" * 5000: None}},
        {"paths": {"a": False}},
        {"paths": {"a": ["dir", 493, 0, 0, "/etc"]}},
        {"paths": {"a": ["symlink", 493, 0, 0, ""]}},
        {"paths": {"a": ["symlink", 493, 0, 0, "x" * 5000]}},
        {"paths": {"a": ["dir", 493, 2**32, 0, ""]}},
        {"paths": {f"{number}": None for number in range(501)}},
        {"rows": {"etc/passwd": {f"{number}": None for number in range(501)}}},
    ],
)
def test_facts_with_invalid_parts_are_ignored(change: dict[str, Any]) -> None:
    def carried(value: Any) -> BaseFacts:
        image = {KEY: value, "rootfs": {"diff_ids": ["sha256:1", "sha256:2"]}}
        return facts_from_config(json.dumps(image).encode(), ["sha256:1"])

    assert carried(GOOD).entry("a") == Entry("dir", 0o755)
    assert carried(GOOD).entry("b/c") is None
    assert carried({**GOOD, **change}) == BaseFacts()


def test_facts_answer_recorded_lookups_only() -> None:
    facts = parse_facts(GOOD)
    assert facts.row("etc/passwd", "x") is None
    for ask in (lambda: facts.entry("a/b"), lambda: facts.entry("c"), lambda: facts.row("etc/group", "x")):
        with pytest.raises(UnknownFact):
            ask()


def test_a_linked_copy_looks_up_nothing(builder: Builder, tmp_path: Path) -> None:
    image = build(builder, "FROM base\nCOPY --link a /bin/\nADD --link --chown=7 dir /opt/\n", ContentStore(tmp_path))
    assert KEY not in json.loads(image.config)
    with pytest.raises(BuildError, match="with --link, 'app' is not looked up in the image's /etc/passwd"):
        build(builder, "FROM base\nCOPY --link --chown=app a /\n", ContentStore(tmp_path))
