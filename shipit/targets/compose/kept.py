"""The rendered files of earlier releases, kept on the engine: each is the label of an empty volume.

A file has the values of variables, as the containers have that it makes: who may read one of them may read the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import NamedTuple

from shipit.targets.compose.content import LONGEST_LABEL, Content, pack, unpack
from shipit.targets.engine.images import kept_images
from shipit.targets.engine.label_store import Labelled, LabelStore
from shipit.targets.engine.owner import IMAGES, LABEL, Owner

FILE, FILE_ID = f"{LABEL}.compose-file", f"{LABEL}.compose-file-id"


class KeptFile(NamedTuple):
    """`id` is what the machine that wrote it calls it: a keyed hash of its content."""

    volume: Labelled
    id: str
    content: Content


def read_files(store: LabelStore, owner: Owner) -> tuple[KeptFile, ...]:
    """The newest first. What is no file is left out."""
    volumes = [one for one in store.list_labelled(owner.filters) if FILE in one.labels and one.labels.get(FILE_ID)]
    found = [(volume, unpack(volume.labels[FILE])) for volume in volumes]
    files = [KeptFile(volume, volume.labels[FILE_ID], content) for volume, content in found if content]
    return tuple(sorted(files, key=lambda file: (file.volume.age_s, file.id)))


def keep_file(store: LabelStore, owner: Owner, content: Content, file_id: str) -> bool:
    """Write a file unless it is there; False for one that is too long to be kept."""
    text = pack(content)
    if len(text) > LONGEST_LABEL:
        return False
    name = f"{owner.prefix}-compose-{owner.target}-{file_id}"
    images = " ".join(sorted(set(content.images.values())))
    store.put(name, {**owner.labels, FILE: text, FILE_ID: file_id, IMAGES: images})
    return True


def keep_image(store: LabelStore, owner: Owner, image: str) -> None:
    """Let other targets of the app keep an image that is about to be sent, until the file that names it is kept."""
    name = hashlib.sha256(f"{owner.target} {image}".encode()).hexdigest()[:12]
    store.put(f"{owner.prefix}-compose-{owner.target}-sent-{name}", {**owner.labels, IMAGES: image})


def old_files(store: LabelStore, owner: Owner, kept: Collection[str]) -> tuple[Labelled, ...]:
    """The files of this target that are not in `kept`, by their ids, and what else names images for them."""
    found = (one for one in store.list_labelled(owner.filters) if FILE in one.labels or IMAGES in one.labels)
    return tuple(one for one in found if one.labels.get(FILE_ID, "") not in kept)


def forget_files(store: LabelStore, owner: Owner, kept: Collection[str]) -> tuple[str, ...]:
    """Remove the files of this target that are not in `kept`; the images that no other kept file of the app and environment names."""
    images: set[str] = set()
    for volume in old_files(store, owner, kept):
        images |= set(volume.labels.get(IMAGES, "").split())
        store.drop(volume.name)
    return tuple(sorted(images - kept_images(store, owner)))
