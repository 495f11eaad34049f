"""Images that go to an engine without a registry: what is sent, what is checked, and what faults leave behind."""

from __future__ import annotations

import gzip
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.clock import Clock, Deadline
from shipit.delivery.load_image import load_image, needs_emulation
from shipit.delivery.local_blobs import LocalBlobs
from shipit.digest import Digest
from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.docker.image_store import FREE_SPACE, LoadRefused
from shipit.errors import BuildError, DeadlinePassed, Interrupted, ShipitError
from shipit.image.image import BuiltImage, Layer, SourceImage, canonical_json
from shipit.image.saved import NamedImage, archive_of
from shipit.image.store.content_store import ContentStore
from shipit.reference import ImageRef
from shipit.release import LoadedImage
from tests.docker.stand_in_engine import Fault, StandInEngine
from tests.runs import EventClock

NAME = "registry.example/team/shop:v1"
BIG = bytes(range(256)) * 8192
BASE = ImageRef("registry.example", "base", None, Digest.of(b"base"))


class Registry:
    """The registry of a base; `fetched` are the blobs that were read from it."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.fetched: list[Digest] = []

    def pulled_from(self, ref: ImageRef) -> ImageRef:
        return ref

    def resolve(self, ref: ImageRef, platform: str) -> SourceImage:
        raise NotImplementedError

    def blob(self, ref: ImageRef, digest: Digest) -> Iterator[bytes]:
        self.fetched.append(digest)
        yield self.blobs[digest]


class Machine:
    """This machine: a store, the registry of a base, and the images that were built here."""

    def __init__(self, folder: Path) -> None:
        self.registry = Registry()
        self.store = ContentStore(folder)
        self.blobs = LocalBlobs(self.store, self.registry)

    def layer(self, content: bytes, *, of_base: bool = False) -> Layer:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            info = tarfile.TarInfo("file")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        blob = gzip.compress(raw.getvalue(), 0, mtime=0)
        digest = Digest.of(blob)
        if of_base:
            self.registry.blobs[digest] = blob
        else:
            self.store.put(blob)
        return Layer(Digest.of(raw.getvalue()), digest, len(blob), origin=BASE if of_base else None)

    def image(self, *layers: Layer, platform: str = "linux/amd64", command: str = "/shop") -> BuiltImage:
        system, architecture = platform.split("/")
        config = {"os": system, "architecture": architecture, "config": {"Cmd": [command]}}
        rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
        return BuiltImage("shop", canonical_json({**config, "rootfs": rootfs}), layers, platform, "native")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "cache")
    yield machine
    machine.store.close()


Start = Callable[..., tuple[StandInEngine, Engine]]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts an engine, and connects to it."""
    started: list[tuple[StandInEngine, Engine, threading.Thread]] = []

    def one(**kind: object) -> tuple[StandInEngine, Engine]:
        server = StandInEngine(tmp_path_factory.mktemp("engine") / "s", **kind)  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        engine = Engine(EngineAddress(server.host), {"PATH": ""})
        started.append((server, engine, thread))
        assert engine.is_reachable(), engine.unreachable_reason
        return server, engine

    yield one
    for server, engine, thread in started:
        server.is_over.set()
        engine.close()
        server.shutdown()
        server.server_close()
        thread.join()


def load(
    machine: Machine, engine: Engine, image: BuiltImage, names: tuple[str, ...] = (NAME,), clock: Clock | None = None
) -> LoadedImage:
    return load_image(engine, NamedImage(image, names), machine.blobs, Deadline.after(clock or Clock(), 300))


def blob(layer: Layer) -> str:
    return f"blobs/sha256/{layer.digest.hex}"


def sent(server: StandInEngine, *layers: Layer) -> list[set[str]]:
    """Of each load, those of the layers that were in its archive."""
    return [load & {blob(layer) for layer in layers} for load in server.loads]


BOTH = pytest.mark.parametrize("containerd", [False, True], ids=["classic", "containerd"])


@BOTH
def test_an_empty_engine_gets_every_layer_and_the_name(machine: Machine, start: Start, containerd: bool) -> None:
    server, engine = start(containerd=containerd)
    image = machine.image(machine.layer(BIG), machine.layer(b"v1"))
    told: list[tuple[int, int]] = []
    loaded = load_image(
        engine,
        NamedImage(image, (NAME,)),
        machine.blobs,
        Deadline(Clock()),
        lambda done, total: told.append((done, total)),
    )
    identity = Digest.of(image.manifest("oci")) if containerd else image.config_digest
    assert loaded == LoadedImage("shop", server.host, identity, image.config_digest, (NAME,), 2, 2, loaded.sent_bytes)
    assert sent(server, *image.layers) == [{blob(layer) for layer in image.layers}]
    assert server.names == {NAME: identity}
    assert told[-1] == (loaded.sent_bytes, loaded.sent_bytes) and loaded.sent_bytes > len(BIG)


@BOTH
def test_a_changed_layer_is_the_only_one_that_is_sent(machine: Machine, start: Start, containerd: bool) -> None:
    server, engine = start(containerd=containerd)
    big, first, second = machine.layer(BIG), machine.layer(b"v1"), machine.layer(b"v2")
    load(machine, engine, machine.image(big, first))
    loaded = load(machine, engine, machine.image(big, second))
    assert sent(server, big, first, second) == [{blob(big), blob(first)}, {blob(second)}]
    assert (loaded.layers, loaded.sent_layers) == (2, 1) and loaded.sent_bytes < 20_000
    assert server.names == {NAME: loaded.id}


@BOTH
def test_an_image_that_the_engine_has_is_named_only(machine: Machine, start: Start, containerd: bool) -> None:
    server, engine = start(containerd=containerd)
    image = machine.image(machine.layer(BIG))
    load(machine, engine, image)
    again = load(machine, engine, image, names=("registry.example/team/shop:v2",))
    assert (again.sent_layers, again.sent_bytes) == (0, 0)
    assert sent(server, *image.layers)[1:] == ([set()] if containerd else [])
    assert server.names == dict.fromkeys((NAME, "registry.example/team/shop:v2"), again.id)


@BOTH
def test_layers_of_a_base_are_fetched_only_when_the_engine_lacks_them(
    machine: Machine, start: Start, containerd: bool
) -> None:
    base = machine.layer(BIG, of_base=True)
    of_base, image = machine.image(base), machine.image(base, machine.layer(b"v1"))
    _, engine = start(containerd=containerd)
    load(machine, engine, of_base)
    assert machine.registry.fetched == [base.digest]
    machine.store.path(base.digest).unlink()
    load(machine, engine, image)
    assert machine.registry.fetched == [base.digest]
    _, empty = start(containerd=containerd)
    load(machine, empty, image)
    assert machine.registry.fetched == [base.digest, base.digest]


def test_the_same_layer_above_another_one_is_sent_to_the_own_store(machine: Machine, start: Start) -> None:
    server, engine = start()
    below, above, other = machine.layer(b"below"), machine.layer(BIG), machine.layer(b"other")
    load(machine, engine, machine.image(below, above))
    load(machine, engine, machine.image(other, above))
    assert sent(server, other, above)[1] == {blob(other), blob(above)}


def test_a_layer_that_containerd_has_in_another_place_is_not_sent(machine: Machine, start: Start) -> None:
    server, engine = start(containerd=True)
    below, above, other = machine.layer(b"below"), machine.layer(BIG), machine.layer(b"other")
    load(machine, engine, machine.image(below, above))
    load(machine, engine, machine.image(other, above))
    assert sent(server, other, above)[1] == {blob(other)}


@BOTH
def test_everything_is_sent_when_the_engine_refuses_an_archive_without_its_layers(
    machine: Machine, start: Start, containerd: bool
) -> None:
    server, engine = start(containerd=containerd)
    big, second = machine.layer(BIG), machine.layer(b"v2")
    load(machine, engine, machine.image(big, machine.layer(b"v1")))
    server.chains.clear()
    server.blobs.clear()
    loaded = load(machine, engine, machine.image(big, second))
    assert sent(server, big, second)[1:] == [{blob(second)}, {blob(big), blob(second)}]
    assert loaded.sent_layers == 2 and server.names == {NAME: loaded.id}


def test_half_an_image_in_containerd_is_completed(machine: Machine, start: Start) -> None:
    server, engine = start(containerd=True)
    image = machine.image(machine.layer(BIG), machine.layer(b"v1"))
    load(machine, engine, image)
    server.chains.clear()
    server.blobs.clear()
    assert load(machine, engine, image).sent_layers == 2


@BOTH
def test_a_send_that_was_interrupted_goes_on_behind_the_parts_that_arrived(
    machine: Machine, start: Start, containerd: bool
) -> None:
    server, engine = start(containerd=containerd)
    # Each is a part of its own.
    layers = [machine.layer(bytes([number]) * 9_000_000) for number in range(3)]
    image = machine.image(*layers, machine.layer(b"v1"))
    server.fault, server.spared = "cut", 1
    with pytest.raises(BuildError, match="lost the connection"):
        load(machine, engine, image)
    assert server.names == {} and len(server.images) == 1
    server.fault = ""
    # Another process knows nothing of the first, and may have lost what this machine kept.
    loaded = load(machine, engine, image)
    assert sent(server, *image.layers) == [
        {blob(layers[0])},
        {blob(layers[1])},
        {blob(layers[2])},
        {blob(image.layers[3])},
    ]
    assert loaded.sent_layers == 3 and 18_000_000 < loaded.sent_bytes < 18_100_000
    assert server.names == {NAME: loaded.id} and list(server.images) == [loaded.id], "no part is left"


@BOTH
def test_an_empty_layer_that_comes_again_is_sent_with_each_part_that_has_it(
    machine: Machine, start: Start, containerd: bool
) -> None:
    server, engine = start(containerd=containerd)
    empty, big, other = machine.layer(b""), machine.layer(b"1" * 9_000_000), machine.layer(b"2" * 9_000_000)
    loaded = load(machine, engine, machine.image(empty, big, empty, other, empty))
    assert sent(server, empty, big, other) == [{blob(empty), blob(big)}, {blob(empty), blob(other)}]
    assert list(server.images) == [loaded.id]


def test_a_layer_that_comes_again_behind_the_common_ones_does_not_send_the_whole_image(
    machine: Machine, start: Start
) -> None:
    server, engine = start()
    big, empty, first, second = machine.layer(BIG), machine.layer(b""), machine.layer(b"v1"), machine.layer(b"v2")
    load(machine, engine, machine.image(big, empty, first, empty))
    load(machine, engine, machine.image(big, empty, second, empty))
    assert sent(server, big, empty, second)[1:] == [{blob(empty), blob(second)}]


@BOTH
def test_parts_whose_layers_are_gone_are_sent_again(machine: Machine, start: Start, containerd: bool) -> None:
    server, engine = start(containerd=containerd)
    layers = [machine.layer(bytes([number]) * 9_000_000) for number in range(2)]
    image = machine.image(*layers)
    server.fault, server.spared = "cut", 1
    with pytest.raises(BuildError):
        load(machine, engine, image)
    server.fault = ""
    server.chains.clear()
    server.blobs.clear()
    loaded = load(machine, engine, image)
    assert loaded.sent_layers == 2 and list(server.images) == [loaded.id]


def test_podman_gets_the_whole_archive_with_names(machine: Machine, start: Start) -> None:
    server, engine = start(name="Podman Engine")
    big = machine.layer(BIG)
    load(machine, engine, machine.image(big, machine.layer(b"v1")))
    image = machine.image(big, machine.layer(b"v2"))
    assert load(machine, engine, image).sent_layers == 2
    assert "GET /info" not in server.requests and server.names[NAME] == image.config_digest


def test_an_image_with_another_command_is_another_image(machine: Machine, start: Start) -> None:
    """The engine that built an image has it under a name, but not with the command that a process type gives it."""
    server, engine = start()
    image = machine.image(machine.layer(BIG))._replace(engine_name="shipit-build:shop")
    load(machine, engine, image)
    changed = image.with_command(["/jobs"])
    assert changed.engine_name == ""
    loaded = load(machine, engine, changed, names=())
    assert loaded.id == changed.config_digest != image.config_digest
    assert loaded.sent_layers == 0 and sent(server, *image.layers)[1] == set()
    assert server.names == {NAME: image.config_digest}


@BOTH
@pytest.mark.parametrize(
    ("fault", "error", "message", "hint"),
    [
        ("error", LoadRefused, "the engine can't load the image: no space left on device", FREE_SPACE),
        ("refused", LoadRefused, "the engine can't load the image: no space left on device", FREE_SPACE),
        ("cut", BuildError, "lost the connection to the engine", "check that the engine is still running"),
        ("cut-answer", BuildError, "lost the connection to the engine", "check that the engine is still running"),
    ],
)
def test_a_load_that_fails_changes_no_name(
    machine: Machine,
    start: Start,
    containerd: bool,
    fault: Fault,
    error: type[ShipitError],
    message: str,
    hint: str,
) -> None:
    server, engine = start(containerd=containerd)
    big = machine.layer(BIG)
    earlier = load(machine, engine, machine.image(big, machine.layer(b"v1")))
    server.fault = fault
    image = machine.image(big, machine.layer(b"v2"))
    with pytest.raises(error) as caught:
        load(machine, engine, image)
    assert (caught.value.what[: len(message)], caught.value.hint) == (message, hint)
    assert server.names == {NAME: earlier.id} and list(server.images) == [earlier.id]
    server.fault = ""
    assert load(machine, engine, image).id == server.names[NAME] != earlier.id


def test_a_refused_image_with_zstd_layers_has_a_hint(machine: Machine, start: Start) -> None:
    server, engine = start()
    server.fault, server.message = "error", "archive/tar: invalid tar header"
    layer = machine.layer(BIG)._replace(compression="zstd")
    with pytest.raises(LoadRefused) as caught:
        load(machine, engine, machine.image(layer))
    assert caught.value.hint.startswith("the base has zstd-compressed layers")


def test_what_containerd_keeps_of_a_refused_image_is_removed(machine: Machine, start: Start) -> None:
    server, engine = start(containerd=True)
    layer = machine.layer(BIG)
    image = machine.image(layer, machine.layer(b"v1"))
    # The engine has the manifest of the image, as after a load that it could not unpack.
    assert server.load(b"".join(archive_of([NamedImage(image, ())], {}).stream())).endswith("no such file or directory")
    assert list(server.images) == [Digest.of(image.manifest("oci"))]
    server.fault = "error"
    with pytest.raises(LoadRefused):
        load(machine, engine, image)
    assert not server.images


def test_an_answer_without_end_stops_at_the_deadline(machine: Machine, start: Start) -> None:
    server, engine = start()
    server.fault = "endless"
    with pytest.raises(DeadlinePassed):
        load(machine, engine, machine.image(machine.layer(BIG)), clock=EventClock(server.is_answering.is_set))
    assert not server.names


@pytest.mark.slow
def test_an_engine_that_says_nothing_is_left_at_the_deadline(machine: Machine, start: Start) -> None:
    server, engine = start()
    server.fault = "silent"
    with pytest.raises(DeadlinePassed):
        load_image(
            engine, NamedImage(machine.image(machine.layer(BIG)), (NAME,)), machine.blobs, Deadline.after(Clock(), 1)
        )
    assert not server.names


def test_a_cancelled_run_sends_nothing_more(machine: Machine, start: Start) -> None:
    server, engine = start()
    cancel = threading.Event()
    deadline = Deadline(Clock(cancel))
    image = machine.image(machine.layer(BIG), machine.layer(BIG[::-1]))
    with pytest.raises(Interrupted):
        load_image(engine, NamedImage(image, (NAME,)), machine.blobs, deadline, lambda done, total: cancel.set())
    assert not server.loads and not server.names


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("forgets", "the engine accepted the image shop, but does not have it"),
        ("renamed", f"{NAME} should name "),
    ],
)
def test_what_the_engine_says_is_checked(machine: Machine, start: Start, fault: Fault, message: str) -> None:
    server, engine = start()
    server.fault = fault
    with pytest.raises(BuildError) as caught:
        load(machine, engine, machine.image(machine.layer(BIG)))
    assert caught.value.what.startswith(message)


def test_an_engine_of_another_system_is_an_error_before_anything_is_sent(machine: Machine, start: Start) -> None:
    server, engine = start(platform="windows/amd64")
    with pytest.raises(BuildError) as caught:
        load(machine, engine, machine.image(machine.layer(BIG)))
    assert caught.value.what == "the engine runs on windows/amd64, and the image shop is for linux/amd64"
    assert not server.loads


@pytest.mark.parametrize(
    ("engine_platform", "image_platform", "expected"),
    [
        ("linux/amd64", "linux/amd64", False),
        ("linux/amd64", "linux/386", False),
        ("linux/amd64", "linux/arm64", True),
        ("linux/arm64", "linux/amd64", True),
    ],
)
def test_an_engine_of_another_architecture_needs_emulation(
    machine: Machine, start: Start, engine_platform: str, image_platform: str, expected: bool
) -> None:
    _, engine = start(platform=engine_platform)
    image = machine.image(machine.layer(b"x"), platform=image_platform)
    assert needs_emulation(engine, image) == expected
    assert load(machine, engine, image).id == image.config_digest
