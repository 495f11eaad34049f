"""The kinds that are installed: those here, and those that other packages bring as entry points."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from shipit.config.model import TargetConfig
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import UsageError

if TYPE_CHECKING:
    # What `validate` does not need is not imported for it.
    from shipit.clock import Clock
    from shipit.drafts.kind import KindDraft
    from shipit.events import Emit
    from shipit.targets.base import Kind, Target

ENTRY_POINTS = "shipit.targets"
# name or alias -> (package, model). Kept beside the entry points so that reading a file scans no metadata.
BUILT_IN: dict[str, tuple[str, str]] = {
    "heroku": ("shipit.targets.heroku", "HerokuConfig"),
    "kubernetes": ("shipit.targets.kubernetes", "KubernetesConfig"),
    "k8s": ("shipit.targets.kubernetes", "KubernetesConfig"),
    "registry": ("shipit.targets.registry", "RegistryConfig"),
    "hub": ("shipit.targets.registry", "RegistryConfig"),
    "dockerhub": ("shipit.targets.registry", "RegistryConfig"),
}


class KindModels(Mapping[str, type[TargetConfig]]):
    """Name or alias -> model. A model is imported when it is asked for."""

    def __getitem__(self, name: str) -> type[TargetConfig]:
        if name in BUILT_IN:
            package, model = BUILT_IN[name]
            return cast("type[TargetConfig]", getattr(importlib.import_module(f"{package}.config"), model))
        return _installed()[name].config

    def __iter__(self) -> Iterator[str]:
        return iter({**BUILT_IN, **_installed()})

    def __len__(self) -> int:
        return len(set(self))


def create_target(name: str, config: TargetConfig, project: Project, environment: ProcessEnvironment) -> Target:
    """The target of a name in deploy.yml."""
    kind = config.kind or name
    if kind in BUILT_IN:
        module = importlib.import_module(f"{BUILT_IN[kind][0]}.target")
        return cast("Target", module.create(name, config, project, environment))
    return _installed()[kind].create(name, config, project, environment)


def kind_drafts() -> tuple[KindDraft, ...]:
    """What each kind brings to `shipit init`; a kind of another package may bring nothing."""
    packages = dict.fromkeys(package for package, _ in BUILT_IN.values())
    own = [cast("KindDraft", importlib.import_module(f"{package}.draft").DRAFT) for package in packages]
    return (*own, *(kind.draft for kind in dict.fromkeys(_installed().values()) if kind.draft is not None))


def load_steps() -> None:
    """Import the classes of every kind's steps, so that steps can be read from JSON and described in a schema."""
    for package in dict.fromkeys(package for package, _ in BUILT_IN.values()):
        name = "steps" if importlib.util.find_spec(f"{package}.steps") else "target"
        importlib.import_module(f"{package}.{name}")
    _installed()


def login_check(kind: str) -> Callable[[ProcessEnvironment, Clock, Emit], str] | None:
    """What `shipit login KIND` calls; None where the word is no kind, or its kind has no login of its own."""
    if kind in BUILT_IN:
        package = BUILT_IN[kind][0]
        if importlib.util.find_spec(f"{package}.login") is None:
            return None
        return cast(
            "Callable[[ProcessEnvironment, Clock, Emit], str]", importlib.import_module(f"{package}.login").check_login
        )
    found = _installed().get(kind)
    return found.check_login if found else None


def _installed() -> dict[str, Kind]:
    from importlib.metadata import entry_points

    kinds: dict[str, Kind] = {}
    for point in entry_points(group=ENTRY_POINTS):
        if point.value.startswith("shipit."):
            continue
        try:
            kind = point.load()
        except Exception as error:
            raise UsageError(
                f"the kind {point.name} can't be loaded: {error}",
                where=point.value,
                hint="reinstall or remove its package",
            ) from error
        kinds.update(dict.fromkeys(kind.names, kind))
    return kinds
