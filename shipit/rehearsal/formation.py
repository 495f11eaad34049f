"""The formation of the stand-in's apps: process types with their quantity, size and image."""

from __future__ import annotations

import json
import uuid
from typing import Any

from shipit.rehearsal.app import App, failure, json_response
from shipit.rehearsal.dynos import Dynos
from shipit.rehearsal.releases import Releases
from shipit.rehearsal.server import Request, Response


class Formation:
    """Answers requests about a formation.

    `shows_requested_images` is whether it shows the image of a release that failed or is pending, and `names_images`
    whether it shows digests, as documented, or Heroku's own ids. Both were seen; which one Heroku does today is unknown.
    """

    def __init__(self, dynos: Dynos, releases: Releases) -> None:
        self.shows_requested_images = False
        self.names_images = True
        self._dynos = dynos
        self._releases = releases

    def get(self, app: App, request: Request) -> Response:
        return json_response(self._rows(app, with_images=_is_docker(request)))

    def patch(self, app: App, request: Request) -> Response:
        """Images, or quantities and sizes."""
        updates = json.loads(request.body).get("updates")
        if not isinstance(updates, list) or not all(isinstance(row, dict) and "type" in row for row in updates):
            return failure(422, "invalid_params", "updates should be a list of process types")
        images = {row["type"]: row["docker_image"] for row in updates if "docker_image" in row}
        if images and not _is_docker(request):
            return failure(422, "invalid_params", "docker_image needs the docker-releases variant")
        return self._release(app, images) if images else self._scale(app, updates)

    def patch_process(self, app: App, request: Request) -> Response:
        """Remove one process type, as `container:rm` does."""
        process, body = request.groups["type"], json.loads(request.body or b"{}")
        if process not in app.formation:
            return failure(404, "not_found", "Couldn't find that process type.", resource="formation")
        if body != {"docker_image": None} or not _is_docker(request):
            return failure(422, "invalid_params", "docker_image should be null, and needs the docker-releases variant")
        row = {"type": process, **app.formation[process]}
        self._releases.removal(app, process)
        return json_response({key: row[key] for key in ("type", "quantity", "size")})

    def restart(self, app: App, request: Request) -> Response:
        """Restart the dynos of a process type."""
        process = request.groups["type"]
        if process not in app.formation:
            return failure(404, "not_found", "Couldn't find that process type.", resource="formation")
        self._dynos.restart(app, [process])
        return json_response({}, status=202)

    def restart_dyno(self, app: App, request: Request) -> Response:
        if not self._dynos.restart_one(app, request.groups["dyno"]):
            return failure(404, "not_found", "Couldn't find that dyno.", resource="dyno")
        return json_response({}, status=202)

    def restart_all(self, app: App, request: Request) -> Response:
        self._dynos.restart(app, list(app.formation))
        return json_response({}, status=202)

    def _rows(self, app: App, *, with_images: bool) -> list[dict[str, Any]]:
        rows = {name: dict(row) for name, row in app.formation.items()}
        if self.shows_requested_images:
            for name, image in app.requested.items():
                rows[name] = {"quantity": 0, "size": "Basic", **rows.get(name, {}), "image": image}
        return [
            {
                "type": name,
                "quantity": row["quantity"],
                "size": row["size"],
                **({"docker_image": {"id": self._image_id(row["image"])}} if with_images else {}),
            }
            for name, row in sorted(rows.items())
        ]

    def _image_id(self, image: str) -> str:
        return image if self.names_images else str(uuid.uuid5(uuid.NAMESPACE_OID, image))

    def _release(self, app: App, images: dict[str, Any]) -> Response:
        for process, image in images.items():
            if not isinstance(image, str):
                return failure(422, "invalid_params", "docker_image should be the id of an image")
            if self._dynos.manifest(app.name, process, image) is None:
                return failure(404, "not_found", f"Couldn't find the docker image {image}.", resource="docker_image")
        warning = self._releases.images(app, images)
        headers = {"Warning-Message": warning} if warning else {}
        return json_response(self._rows(app, with_images=True), headers=headers)

    def _scale(self, app: App, updates: list[dict[str, Any]]) -> Response:
        for row in updates:
            if row["type"] not in app.formation:
                return failure(404, "not_found", "Couldn't find that process type.")
            known = app.formation[row["type"]]
            known["quantity"] = int(row.get("quantity", known["quantity"]))
            size = row.get("dyno_size") or row.get("size") or known["size"]
            known["size"] = size["name"] if isinstance(size, dict) else size
        self._dynos.restart(app, [row["type"] for row in updates])
        return json_response(self._rows(app, with_images=False))


def _is_docker(request: Request) -> bool:
    return "docker-releases" in request.headers.get("accept", "")
