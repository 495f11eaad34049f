"""The image store of an engine: which images it holds, loading an archive into it, names for its images.

Source: Docker Engine API 1.41 to 1.45: GET /info, GET /images/json, GET /images/{name}/json, POST /images/load,
POST /images/{name}/tag, DELETE /images/{name}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from shipit.clock import Deadline
from shipit.digest import Digest
from shipit.docker.answer import LARGEST_ANSWER, bounded_chunks
from shipit.docker.client import Engine, StoreKind
from shipit.docker.engine_image import EngineImage, parse_image
from shipit.docker.error_message import error_message
from shipit.docker.json_rows import json_rows
from shipit.errors import BuildError, ShipitError
from shipit.http.fields import Field
from shipit.json_text import parse_json

_CONTAINERD = "io.containerd.snapshotter.v1"

_PIECE = 64 * 1024
# For each read of a short answer.
_ANSWER_S = 60.0
# For each write and read of a load: an engine with containerd's store is silent while it unpacks the layers.
_LOAD_S = 15 * 60.0
# The progress of a load: an engine writes about 300 bytes for each half MiB of a layer.
_LARGEST_PROGRESS = 256 * 1024 * 1024
NO_SPACE = "no space left on device"
FREE_SPACE = (
    "free space on the engine's disk: docker system df shows what uses it, and docker image prune removes unused images"
)


class LoadRefused(BuildError):
    """The engine read an archive and refused it; nothing of it has a name."""


class ImageStore:
    """The images of one engine, which has to be reachable. Every call is bounded by the deadline.

    Raises: BuildError, DeadlinePassed and Interrupted, from every method; RemoteError for an answer that no engine gives.
    """

    def __init__(self, engine: Engine, deadline: Deadline) -> None:
        self.engine = engine
        self._deadline = deadline
        self._where = str(engine.address)

    def kind(self) -> StoreKind:
        """Asked once for each engine of a run: it answers only after it has read its whole state."""
        if self.engine.store_kind is None:
            self.engine.store_kind = self._asked_kind()
        return self.engine.store_kind

    def _asked_kind(self) -> StoreKind:
        if self.engine.is_podman:
            return "other"
        rows = Field(self._json("/info"), "GET /info")["DriverStatus"].rows()
        return "containerd" if any(_CONTAINERD in [cell.text() for cell in row.rows()] for row in rows) else "classic"

    def images(self) -> list[EngineImage]:
        """All images, the newest first, without their layers."""
        answer = self._json("/images/json")
        return [image for row in answer if (image := parse_image(row))] if isinstance(answer, list) else []

    def find(self, name: str) -> EngineImage | None:
        """The image of a name or id; None when there is none, or its id is not valid."""
        return parse_image(self._json(f"/images/{name}/json"))

    def tag(self, found: Digest, name: str) -> None:
        """Give an image a name, `repository:tag`. Another image that has it loses it."""
        repository, _, tag = name.rpartition(":")
        with self._asked("POST", f"/images/{found}/tag", params={"repo": repository, "tag": tag}) as answer:
            if answer.status_code != 201:
                raise BuildError(f"the engine can't name the image {name}: {self._message(answer)}", where=self._where)

    def remove_unnamed(self, found: Digest) -> None:
        """Remove an image if it has no name; an engine that refuses keeps it."""
        with suppress(BuildError):
            image = self.find(found)
            if image is not None and not image.names:
                with self._asked("DELETE", f"/images/{found}") as answer:
                    self._body(answer, LARGEST_ANSWER)

    def load(self, archive: Iterable[bytes], sent: Callable[[int], None] = lambda size: None) -> None:
        """Store the images of an archive, as `docker load` does. `sent` is called with the size of each chunk.

        Raises: LoadRefused with the engine's message.
        """
        headers = {"Content-Type": "application/x-tar"}
        with self._asked(
            "POST", "/images/load", _LOAD_S, params={"quiet": "0"}, data=self._sending(archive, sent), headers=headers
        ) as answer:
            if answer.status_code != 200:
                raise self._refused(self._message(answer))
            for row in json_rows(self._chunks(answer, _LARGEST_PROGRESS)):
                if error := _error_of(row):
                    raise self._refused(error)

    def _refused(self, message: str) -> LoadRefused:
        hint = FREE_SPACE if NO_SPACE in message else ""
        return LoadRefused(f"the engine can't load the image: {message}", where=self._where, hint=hint)

    def _sending(self, archive: Iterable[bytes], sent: Callable[[int], None]) -> Iterator[bytes]:
        for chunk in archive:
            self._deadline.check("the engine to read the image")
            yield chunk
            sent(len(chunk))

    @contextmanager
    def _asked(self, method: str, path: str, timeout_s: float = _ANSWER_S, **more: Any) -> Iterator[Any]:
        waiting_for = f"{method} {path} of the engine"
        self._deadline.check(waiting_for)
        try:
            with self.engine.streamed(
                method, path, max(0.001, min(timeout_s, self._deadline.remaining_s())), **more
            ) as answer:
                yield answer
        except ShipitError:
            # A read that timed out may have done so for the deadline.
            self._deadline.check(waiting_for)
            raise

    def _json(self, path: str) -> Any:
        """The answer to a GET; None when the engine has no such thing."""
        with self._asked("GET", path) as answer:
            if answer.status_code == 404:
                return None
            if answer.status_code != 200:
                what = f"the engine answered with status {answer.status_code}: {self._message(answer)}"
                raise BuildError(what, where=self._where)
            try:
                return parse_json(self._body(answer, LARGEST_ANSWER))
            except ValueError as error:
                raise BuildError(f"GET {path}: the answer is not JSON: {error}", where=self._where) from None

    def _message(self, answer: Any) -> str:
        return error_message(self._body(answer, _PIECE), answer.status_code)

    def _body(self, answer: Any, most_bytes: int) -> bytes:
        return b"".join(self._chunks(answer, most_bytes))

    def _chunks(self, answer: Any, most_bytes: int) -> Iterator[bytes]:
        """The chunks of an answer. Raises: BuildError for an answer without end."""
        try:
            for chunk in bounded_chunks(answer, most_bytes):
                self._deadline.check("the answer of the engine")
                yield chunk
        except BuildError as error:
            error.where = error.where or self._where
            raise


def _error_of(row: Mapping[str, Any]) -> str:
    """The error in a row of an answer; empty for any other row."""
    error = row.get("error")
    return "" if error is None else str(error).strip() or "no reason given"
