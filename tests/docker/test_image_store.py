"""The answers of an engine about its images, and the errors for invalid ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from shipit.clock import Clock, Deadline
from shipit.digest import Digest
from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine, StoreKind
from shipit.docker.engine_image import EngineImage, parse_image
from shipit.docker.image_store import ImageStore, LoadRefused
from shipit.errors import DeadlinePassed, ShipitError
from shipit.platforms import Platform
from tests.docker.answering_engine import Server
from tests.runs import FakeClock

ID, OTHER = Digest.of(b"image"), Digest.of(b"other")


@pytest.fixture
def store(server: Server) -> Iterator[ImageStore]:
    engine = Engine(EngineAddress(f"unix://{server.server_address!s}"), {"PATH": ""})
    assert engine.is_reachable(), engine.unreachable_reason
    yield ImageStore(engine, Deadline(Clock()))
    engine.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], "containerd"),
        ([["Backing Filesystem", "extfs"], ["Native Overlay Diff", "true"]], "classic"),
        ([], "classic"),
        (None, "classic"),
    ],
)
def test_the_driver_tells_the_kind_of_store(
    server: Server, store: ImageStore, status: list[list[str]] | None, kind: StoreKind
) -> None:
    server.answers["GET /info"] = (200, json.dumps({"DriverStatus": status}).encode())
    assert store.kind() == kind


@pytest.mark.parametrize(
    ("answer", "image"),
    [
        ({"Id": ID}, EngineImage(ID, Platform("linux", ""))),
        (
            {
                "Id": ID,
                "Os": "linux",
                "Architecture": "arm64",
                "RepoTags": ["app:1", 2],
                "RepoDigests": [f"app@{OTHER}", "<none>@<none>"],
                "RootFS": {"Layers": [OTHER, "odd", None]},
            },
            EngineImage(ID, Platform("linux", "arm64"), (OTHER,), ("app:1",), (OTHER,)),
        ),
        ({"Id": ID, "RepoTags": None, "RepoDigests": "app", "RootFS": []}, EngineImage(ID, Platform("linux", ""))),
        ({"Id": "sha256:odd"}, None),
        ([], None),
        (None, None),
    ],
)
def test_an_image_is_read_without_what_is_not_valid(answer: object, image: EngineImage | None) -> None:
    assert parse_image(answer) == image


@pytest.mark.parametrize(("answer", "count"), [([{"Id": ID}, {"Id": "odd"}, 1], 1), ({"Id": ID}, 0), (None, 0)])
def test_items_of_the_list_that_are_not_images_are_skipped(
    server: Server, store: ImageStore, answer: object, count: int
) -> None:
    server.answers["GET /images/json"] = (200, json.dumps(answer).encode())
    assert len(store.images()) == count


CALLS: list[tuple[str, Callable[[ImageStore], object]]] = [
    ("GET /info", lambda store: store.kind()),
    ("GET /images/json", lambda store: store.images()),
    ("GET /images/app/json", lambda store: store.find("app")),
    ("POST /images/load", lambda store: store.load([b"tar"])),
    (f"POST /images/{ID}/tag", lambda store: store.tag(ID, "app:1")),
]


@pytest.mark.parametrize(("key", "call"), CALLS, ids=[key.partition(":")[0] for key, _ in CALLS])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": " database is locked "}', "database is locked"),
        (b"<html>", "status 500"),
        (b'{"message": 1}', "status 500"),
        (b"[" * 200, "status 500"),
    ],
)
def test_an_error_has_the_message_of_the_engine(
    server: Server, store: ImageStore, key: str, call: Callable[[ImageStore], object], body: bytes, message: str
) -> None:
    server.answers[key] = (500, body)
    with pytest.raises(ShipitError) as caught:
        call(store)
    assert caught.value.what.endswith(message) and caught.value.where == str(store.engine.address)


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"{", "the answer is not JSON"), (b'{"DriverStatus": 1}', "DriverStatus should be a list")],
)
def test_an_answer_that_no_engine_gives_is_an_error(
    server: Server, store: ImageStore, body: bytes, message: str
) -> None:
    server.answers["GET /info"] = (200, body)
    with pytest.raises(ShipitError, match=message):
        store.kind()


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        (b'{"stream": "Loaded"}\n', ""),
        (b"", ""),
        (b'{"error": null}\n', ""),
        (b'{"stream": "a"}\n{"error": " denied ", "errorDetail": {}}\n', "denied"),
        (b'{"error": ""}\n', "no reason given"),
        (b'{"error": {"code": 1}}\n', "{'code': 1}"),
    ],
)
def test_a_row_with_an_error_ends_a_load(server: Server, store: ImageStore, rows: bytes, error: str) -> None:
    server.answers["POST /images/load"] = (200, rows)
    if not error:
        store.load([b"tar"])
        return
    with pytest.raises(LoadRefused) as caught:
        store.load([b"tar"])
    assert caught.value.what == f"the engine can't load the image: {error}"


@pytest.mark.large
def test_an_answer_that_is_too_long_is_not_read_to_its_end(server: Server, store: ImageStore) -> None:
    server.answers["GET /images/json"] = (200, b" " * (64 * 1024 * 1024 + 1))
    with pytest.raises(ShipitError, match="longer than 67108864 bytes"):
        store.images()


def test_only_an_image_without_a_name_is_removed(server: Server, store: ImageStore) -> None:
    key = f"GET /images/{ID}/json"
    server.answers[key] = (200, json.dumps({"Id": ID, "RepoTags": ["app:1"]}).encode())
    store.remove_unnamed(ID)
    assert not any(line.startswith("DELETE") for line, _ in server.requests)
    server.answers[key] = (200, json.dumps({"Id": ID, "RepoTags": []}).encode())
    store.remove_unnamed(ID)
    assert server.requests[-1][0] == f"DELETE /v1.41/images/{ID}"


def test_nothing_is_asked_after_the_deadline(server: Server, store: ImageStore) -> None:
    clock = FakeClock()
    late = ImageStore(store.engine, Deadline.after(clock, 5))
    clock.sleep(6)
    before = len(server.requests)
    with pytest.raises(DeadlinePassed):
        late.find("app")
    assert len(server.requests) == before
