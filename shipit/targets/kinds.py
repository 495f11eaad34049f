"""The kinds that are installed: those of shipit, and those that other packages bring as entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, cast

from shipit.errors import UsageError
from shipit.targets.kind import InvalidReference, Kind, load

if TYPE_CHECKING:
    # A kind is found without the models of deploy.yml.
    from shipit.clock import Clock
    from shipit.config.model import TargetConfig
    from shipit.config.process_environment import ProcessEnvironment
    from shipit.config.project import Project
    from shipit.drafts.kind import KindDraft
    from shipit.events import Emit
    from shipit.targets.base import Target

ENTRY_POINTS = "shipit.targets"
# The kinds of shipit, one line each. They are no entry points, so that start-up scans no metadata of packages.
BUILT_IN = (
    "shipit.targets.heroku:KIND",
    "shipit.targets.kubernetes:KIND",
    "shipit.targets.registry:KIND",
    "shipit.targets.docker:KIND",
    "shipit.targets.compose:KIND",
    "shipit.targets.swarm:KIND",
)


class KindModels(Mapping[str, "type[TargetConfig]"]):
    """Name or alias -> model. A model is imported when it is asked for."""

    def __getitem__(self, name: str) -> type[TargetConfig]:
        return find_kind(name).load_config()

    def __contains__(self, name: object) -> bool:
        return name in _built_in() or name in _installed()

    def __iter__(self) -> Iterator[str]:
        return iter({**_built_in(), **_installed()})

    def __len__(self) -> int:
        return len(set(self))


def find_kind(name: str) -> Kind:
    """The kind of a name or alias. Other packages are looked at only for a name that is none of shipit's. Raises: KeyError."""
    own = _built_in().get(name)
    return own if own is not None else _installed()[name]


def all_kinds() -> tuple[Kind, ...]:
    """Every kind once: those of shipit first."""
    return tuple({kind.name: kind for kind in (*_built_in().values(), *_installed().values())}.values())


def create_target(name: str, config: TargetConfig, project: Project, environment: ProcessEnvironment) -> Target:
    """The target of a name in deploy.yml."""
    return cast("Target", find_kind(config.kind or name).create(name, config, project, environment))


def kind_drafts() -> tuple[KindDraft, ...]:
    """What each kind brings to `shipit init`; a kind may bring nothing."""
    return tuple(draft for kind in all_kinds() if (draft := kind.load_draft()) is not None)


def load_steps() -> None:
    """Import the classes of every kind's steps, so that steps can be read from JSON and described in a schema."""
    for kind in all_kinds():
        kind.load_steps()


def login_check(name: str) -> Callable[[ProcessEnvironment, Clock, Emit], str] | None:
    """What `shipit login KIND` calls; None for a name that is no kind, and for a kind without a login of its own."""
    return find_kind(name).load_login() if name in KindModels() else None


@cache
def _built_in() -> Mapping[str, Kind]:
    """Name or alias -> kind."""
    return _by_name(load(reference) for reference in BUILT_IN)


def _by_name(kinds: Iterator[Kind]) -> Mapping[str, Kind]:
    return {name: kind for kind in kinds for name in kind.names}


@cache
def _installed() -> Mapping[str, Kind]:
    """The same, of other packages. Raises: UsageError."""
    from importlib.metadata import entry_points

    # Releases until 0.1 had entry points of their own, which an installation in place may still list.
    points = [point for point in entry_points(group=ENTRY_POINTS) if not point.value.startswith("shipit.targets.")]
    return _by_name(_loaded(point.name, point.value) for point in points)


def _loaded(name: str, value: str) -> Kind:
    hint = "reinstall or remove its package"
    try:
        kind = load(value)
    except InvalidReference as error:
        raise UsageError(f"the kind {name} can't be loaded: {error}", where=value, hint=hint) from error
    if not isinstance(kind, Kind):
        raise UsageError(f"the kind {name} should be a shipit.targets.kind.Kind", where=value, hint=hint)
    return kind
