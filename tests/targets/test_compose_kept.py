"""Files that an engine keeps for a Compose project, and what its volumes may hold instead."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from shipit.targets.compose.content import Content, pack
from shipit.targets.compose.kept import FILE, FILE_ID, forget_files, keep_file, keep_image, read_files
from shipit.targets.engine.images import kept_images
from shipit.targets.engine.label_store import Labelled
from shipit.targets.engine.owner import Owner

OWNER = Owner("shop", "production", "stack")


class Volumes:
    """Volumes by their names, the first of which stays when another one of its name is created."""

    def __init__(self) -> None:
        self.found: dict[str, Mapping[str, str]] = {}

    def put(self, name: str, labels: Mapping[str, str]) -> None:
        self.found.setdefault(name, labels)

    def find_labels(self, name: str) -> Mapping[str, str] | None:
        return self.found.get(name)

    def list_labelled(self, filters: str) -> Sequence[Labelled]:
        wanted = [text.partition("=") for text in json.loads(filters)["label"]]
        return [
            Labelled(name, labels, 100.0 - number)
            for number, (name, labels) in enumerate(self.found.items())
            if all(labels.get(key) == value for key, _, value in wanted)
        ]

    def drop(self, name: str) -> bool:
        return self.found.pop(name, None) is not None


def content(text: str, image: str = "a@sha256:1") -> Content:
    return Content(text, {"web": "1"}, {"web": image}, {image: "linux/amd64"})


def test_files_are_kept_once_and_read_with_the_newest_first() -> None:
    store = Volumes()
    assert all(keep_file(store, OWNER, content(text), text) for text in ("one", "two", "one"))
    assert [(file.id, file.content) for file in read_files(store, OWNER)] == [
        ("two", content("two")),
        ("one", content("one")),
    ]
    assert list(store.found) == ["shop-production-compose-stack-one", "shop-production-compose-stack-two"]


def test_a_file_that_is_too_long_is_not_kept() -> None:
    store = Volumes()
    text = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(300_000))
    assert not keep_file(store, OWNER, content(text), "long") and store.found == {}


def test_volumes_without_a_file_are_left_out_and_stay() -> None:
    store = Volumes()
    keep_file(store, OWNER, content("one"), "one")
    store.put("lock", {**OWNER.labels, "dev.shipit.lock": "1"})
    store.put("broken", {**OWNER.labels, FILE: "!", FILE_ID: "broken"})
    store.put("nameless", {**OWNER.labels, FILE: pack(content("x"))})
    assert [file.id for file in read_files(store, OWNER)] == ["one"]
    assert forget_files(store, OWNER, ["one"]) == ()
    assert list(store.found) == ["shop-production-compose-stack-one", "lock"]


def test_forgetting_files_tells_the_images_that_only_they_name() -> None:
    store = Volumes()
    for name, image in (("old", "a@sha256:1"), ("older", "b@sha256:2"), ("new", "a@sha256:1")):
        keep_file(store, OWNER, content(name, image), name)
    assert forget_files(store, OWNER, ["new"]) == ("b@sha256:2",)
    assert [file.id for file in read_files(store, OWNER)] == ["new"]


def test_images_that_files_of_another_target_of_the_app_name_are_kept() -> None:
    store, other = Volumes(), OWNER._replace(target="other")
    keep_file(store, OWNER, content("own", "localhost/shop/production/web:1"), "own")
    keep_file(store, other, content("other", "localhost/shop/production/web:1"), "other")
    keep_file(
        store, OWNER._replace(environment="staging"), content("staging", "localhost/shop/staging/web:1"), "staging"
    )
    assert kept_images(store, OWNER) == {"localhost/shop/production/web:1"}
    assert forget_files(store, OWNER, ()) == ()
    assert [file.id for file in read_files(store, other)] == ["other"]
    assert forget_files(store, other, ()) == ("localhost/shop/production/web:1",)


def test_an_image_that_is_being_sent_is_kept_until_a_file_names_it() -> None:
    store, image = Volumes(), "localhost/shop/production/web:2"
    keep_image(store, OWNER, image)
    assert kept_images(store, OWNER._replace(target="docker")) == {image} and read_files(store, OWNER) == ()
    keep_file(store, OWNER, content("new", image), "new")
    assert forget_files(store, OWNER, ["new"]) == () and list(store.found) == ["shop-production-compose-stack-new"]
    keep_image(store, OWNER, "localhost/shop/production/web:3")
    assert forget_files(store, OWNER, ["new"]) == ("localhost/shop/production/web:3",), (
        "its deploy did not get that far"
    )
