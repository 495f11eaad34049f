"""What is sent to an app for a whole release, whatever it has already. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from shipit.digest import Digest
from shipit.release import RenderedPart
from shipit.targets.heroku.observed import OWNED
from shipit.targets.heroku.requests import Call, config_call, images_call, scale_call
from shipit.targets.heroku.steps import DynoScale
from shipit.targets.heroku.wanted import Wanted


def render_heroku(app: str, wanted: Wanted, owned: Collection[str]) -> tuple[RenderedPart, ...]:
    """The requests in their order. `owned` are the config vars that shipit has set already."""
    return tuple(_calls(app, wanted, owned))


def _calls(app: str, wanted: Wanted, owned: Collection[str]) -> Iterator[RenderedPart]:
    if names := sorted(wanted.marks):
        secrets = tuple(name for name in names if name in wanted.secret_marks)
        # null would remove the config var.
        values = {name: f"<secret {name}>" if name in secrets else wanted.env[name] for name in names}
        noted = ",".join(sorted({*names} if wanted.prune else {*names, *owned}))
        yield _part(config_call(app, {**values, OWNED: noted}), secrets)
    images = {name: image for name, image in sorted(wanted.images.items()) if isinstance(image, Digest)}
    yield _part(images_call(app, images))
    scaled = sorted({*wanted.quantities, *wanted.sizes})
    if scaled:
        scales = {name: DynoScale(wanted.quantities.get(name), wanted.sizes.get(name, "")) for name in scaled}
        yield _part(scale_call(app, scales))


def _part(call: Call, left_out: tuple[str, ...] = ()) -> RenderedPart:
    return RenderedPart(f"{call.method} {call.path}", call.body, left_out)
