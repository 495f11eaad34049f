"""Chooses the builder of an image. Asks the engine only when one is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from shipit.errors import BuildError
from shipit.image.context.dockerfile_path import is_outside_context
from shipit.image.dockerfile.parse import Dockerfile
from shipit.image.options import BuildOptions
from shipit.image.unsupported import Unsupported, first_buildkit_only, first_session_mount, first_unsupported

if TYPE_CHECKING:
    # Most images need no engine, and its client is slow to import.
    from shipit.docker.client import Engine

INSTALL_BUILDX = "install the buildx plugin: https://docs.docker.com/go/buildx"
START_ENGINE = (
    "start Docker, or set DOCKER_HOST to a running engine; without one, shipit builds only Dockerfiles without RUN"
)
JOIN_GROUP = "add your user to the group that owns the socket (sudo usermod -aG docker $USER, then log in again), or use a rootless engine"
Way = Literal["native", "buildkit", "buildx", "classic"]
TITLES: dict[Way, str] = {
    "native": "native",
    "buildkit": "the engine's BuildKit",
    "buildx": "docker buildx",
    "classic": "the engine's classic builder",
}


class Choice(NamedTuple):
    """The builder and the reason for it; the plan shows both."""

    way: Way
    reason: str

    def __str__(self) -> str:
        return f"{TITLES[self.way]}: {self.reason}" if self.reason else TITLES[self.way]


def choose_builder(dockerfile: Dockerfile, options: BuildOptions, find_engine: Callable[[], Engine]) -> Choice:
    """Choose the builder. The engine is contacted only when it is needed.

    Raises: BuildError at the line that no available builder can build.
    """
    if options.builder == "native":
        return Choice("native", "builder: native")
    unsupported = first_unsupported(dockerfile, options)
    if options.builder == "auto" and unsupported is None:
        return Choice("native", "no RUN")
    mount = first_session_mount(dockerfile, options)
    where = unsupported.where if unsupported else dockerfile.name
    if mount:
        where = dockerfile.where(mount)
    engine = find_engine()
    if not engine.is_reachable():
        raise _unreachable_error(engine, unsupported, where)
    reason = f"builder: {options.builder}"
    if options.builder == "auto" and unsupported:
        reason = f"{unsupported.what} at {unsupported.where}"
    if mount or options.cache or options.builder == "buildx":
        return _choose_buildx(options, engine, reason, where, has_mount=mount is not None)
    if options.builder == "auto" and engine.buildx and (chosen := engine.chosen_builder):
        return Choice("buildx", f"{reason}, its builder {chosen}")
    if not engine.has_buildkit:
        return instead_of_buildkit(engine) if options.builder == "auto" else Choice("classic", reason)
    return _choose_for_engine(dockerfile, options, engine, reason)


def _unreachable_error(engine: Engine, unsupported: Unsupported | None, where: str) -> BuildError:
    if unsupported and unsupported.problem:
        return unsupported.problem
    subject = f"{unsupported.what} needs an engine, and none" if unsupported else "no Docker engine"
    what = f"{subject} answers at {engine.address}: {engine.unreachable_reason}"
    return BuildError(what, where=where, hint=hint_for_unreachable(engine))


def hint_for_unreachable(engine: Engine) -> str:
    """The hint for an engine that is not reachable."""
    return JOIN_GROUP if engine.is_denied else START_ENGINE


def _choose_buildx(options: BuildOptions, engine: Engine, reason: str, where: str, *, has_mount: bool) -> Choice:
    """buildx, which a mount of secrets, `cache: registry` or `builder: buildx` requires. Raises: BuildError."""
    feature = "a mount of secrets or ssh" if has_mount else "cache: registry" if options.cache else reason
    if options.builder == "engine":
        hint = "write builder: auto, or builder: buildx" if has_mount else "write builder: auto"
        raise BuildError(f"{feature} needs docker buildx", where=where, hint=hint)
    if engine.buildx is None:
        raise BuildError(f"{feature} needs docker buildx, which is not installed", where=where, hint=INSTALL_BUILDX)
    if options.builder == "auto":
        reason = f"mounts at {where}" if has_mount else f"{reason}, cache: registry"
    return Choice("buildx", reason)


def _choose_for_engine(dockerfile: Dockerfile, options: BuildOptions, engine: Engine, reason: str) -> Choice:
    """The choice for an engine with BuildKit, unless Dockerfile or context need another way."""
    hidden = is_outside_context(options)
    if options.builder == "auto" and engine.buildx and (hidden or dockerfile.syntax):
        why = "its Dockerfile is not in its context" if hidden else f"# syntax={dockerfile.syntax}"
        return Choice("buildx", f"{reason}, {why}")
    if hidden and not first_buildkit_only(dockerfile):
        return Choice("classic", f"{reason}, its Dockerfile is not in its context")
    return Choice("buildkit", reason)


def instead_of_buildkit(engine: Engine) -> Choice:
    """The choice when the engine's BuildKit cannot be used over HTTP."""
    reason = f"{engine.title} has no BuildKit over HTTP"
    return Choice("buildx" if engine.buildx else "classic", reason)
