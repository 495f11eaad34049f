"""Compares the spec of a service that shipit sent with the one that is live. Pure.

Both are compared without ids, without what the engine adds, and without the number of tasks, which `shipit scale` changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shipit.targets.engine.owner import ORIGIN
from shipit.targets.swarm.spec import RESTARTED, STOPPED

# The values that the engine answers where none were sent.
_DEFAULTS = {
    ("TaskTemplate", "Runtime"): "container",
    ("TaskTemplate", "ContainerSpec", "Isolation"): "default",
    ("EndpointSpec", "Mode"): "vip",
    ("TaskTemplate", "Resources", "Limits", "Pids"): 0,
}
# Not part of the settings: docker's client adds platforms, and a restart counts up.
_IGNORED = {
    ("TaskTemplate", "ForceUpdate"),
    ("TaskTemplate", "Placement", "Platforms"),
    ("Labels", RESTARTED),
    ("Labels", STOPPED),
    ("Mode", "Replicated", "Replicas"),
    # The run, the commit and the author of a deploy: another one alone changes no service.
    *(("Labels", label) for label in ORIGIN),
    *(("TaskTemplate", "ContainerSpec", "Labels", label) for label in ORIGIN),
}
_MODES = ("Global", "Replicated", "GlobalJob", "ReplicatedJob")
_IDS = {"SecretID", "ConfigID"}
# A field of JSON whose value is a list of NAME=VALUE.
_ENV = ("TaskTemplate", "ContainerSpec", "Env")
_NETWORKS = ("TaskTemplate", "Networks")


def mode_of(spec: Mapping[str, Any]) -> str:
    """`replicated` or `global`; the name of another mode as the engine has it."""
    found = _map(spec.get("Mode"))
    name = next((mode for mode in _MODES if mode in found), "Replicated")
    return {"Replicated": "replicated", "Global": "global"}.get(name, name)


def settings_of(spec: Mapping[str, Any], networks: Mapping[str, str]) -> dict[str, str]:
    """Field -> JSON of its value. `networks`: id -> name. Two specs with equal settings run the same."""
    return {"Mode": mode_of(spec), **dict(_fields((), spec, networks))}


def fingerprint_of(settings: Mapping[str, str], mark: Callable[[str], str]) -> str:
    """A keyed hash of the settings of a service."""
    return mark(json.dumps(settings, sort_keys=True))


def differences(kept: Mapping[str, str], live: Mapping[str, str]) -> tuple[str, ...]:
    """The fields that differ between two results of `settings_of`."""
    return tuple(sorted(name for name in {*kept, *live} if kept.get(name) != live.get(name)))


def portable(spec: Mapping[str, Any], networks: Mapping[str, str]) -> dict[str, Any]:
    """A live spec with the names of networks, and without ids: what can be kept and sent again."""
    found: dict[str, Any] = _without_ids(spec)
    task = _map(found.get("TaskTemplate"))
    for row in task.get("Networks") or ():
        if isinstance(row, dict):
            row["Target"] = networks.get(row.get("Target", ""), row.get("Target", ""))
    return found


def _fields(path: tuple[str, ...], value: Any, networks: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if path in _IGNORED or _DEFAULTS.get(path) == value or not _is_set(value):
        return
    if path == _ENV and isinstance(value, list):
        pairs = (str(row).partition("=") for row in value)
        yield from ((f"variable {name}", text) for name, _, text in pairs)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _fields((*path, str(key)), item, networks)
    else:
        yield _shown(path), json.dumps(_cleaned(value, networks if path == _NETWORKS else {}), sort_keys=True)


def _shown(path: tuple[str, ...]) -> str:
    """The name of a field, for people."""
    if path[0] == "Labels" and len(path) == 2:
        return f"label {path[1]}"
    shown = (
        path[2:] if path[:2] == ("TaskTemplate", "ContainerSpec") else path[1:] if path[0] == "TaskTemplate" else path
    )
    return ".".join(shown)


def _is_set(value: Any) -> bool:
    return value not in (None, "", 0, False, [], {})


def _cleaned(value: Any, networks: Mapping[str, str]) -> Any:
    """A value of a list without ids and empty fields."""
    if isinstance(value, list):
        return [_cleaned(item, networks) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _cleaned(item, networks) for key, item in value.items() if key not in _IDS}
    if "Target" in found and isinstance(found["Target"], str):
        found["Target"] = networks.get(found["Target"], found["Target"])
    return {key: item for key, item in found.items() if _is_set(item)}


def _without_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _without_ids(item) for key, item in value.items() if key not in _IDS}


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
