"""What builds need: the content store, the source of bases, an engine, and where events go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from shipit.events import Emit
from shipit.image.image import BlobSource
from shipit.image.store.content_store import ContentStore
from shipit.reference import ImageRef

if TYPE_CHECKING:
    # Most images need no engine, and its client is slow to import.
    from shipit.docker.client import Engine

# The user, password and identity token for the registry of a reference; None means anonymous.
Logins = Callable[[ImageRef], tuple[str, str, str] | None]


class BuildTools(NamedTuple):
    """`engine` finds the engine when it is needed; `logins` gives it the credentials to pull a base.

    `check` raises an error for the config of an image that must not be published.
    """

    store: ContentStore
    source: BlobSource
    engine: Callable[[], Engine]
    emit: Emit
    logins: Logins = lambda ref: None
    check: Callable[[bytes], None] = lambda config: None
