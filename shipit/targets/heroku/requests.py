"""The requests that change an app, as values. Pure.

Source: Heroku Platform API reference, "Config Vars" and "Formation"; `docker_image` is the config digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from shipit.digest import Digest

if TYPE_CHECKING:
    from shipit.targets.heroku.steps import DynoScale


class Call(NamedTuple):
    """One request with a JSON body."""

    method: str
    path: str
    body: dict[str, Any]


def config_call(app: str, values: Mapping[str, str | None]) -> Call:
    """Sets config vars; None removes one."""
    return Call("PATCH", f"/apps/{app}/config-vars", dict(values))


def images_call(app: str, images: Mapping[str, Digest]) -> Call:
    """Releases images, by process type."""
    updates = [{"type": name, "docker_image": str(image)} for name, image in images.items()]
    return Call("PATCH", f"/apps/{app}/formation", {"updates": updates})


def scale_call(app: str, processes: Mapping[str, DynoScale]) -> Call:
    """Sets the quantity and size of dynos, by process type."""
    updates = [{"type": name, **_scale_body(scale)} for name, scale in processes.items()]
    return Call("PATCH", f"/apps/{app}/formation", {"updates": updates})


def _scale_body(scale: DynoScale) -> dict[str, Any]:
    quantity = {} if scale.quantity is None else {"quantity": scale.quantity}
    return {**quantity, **({"dyno_size": {"name": scale.size}} if scale.size else {})}
