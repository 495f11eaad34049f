"""Parses an image's config into a value. Pure.

Source: OCI image-spec 1.1, config.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from shipit.digest import Digest
from shipit.image.manifest import InvalidManifest, digest_in, items, member, parse_object

_MAX_LAYERS, _MAX_HISTORY = 500, 10_000
_TEXTS = ("User", "WorkingDir", "StopSignal")
_WORDS = ("Env", "Entrypoint", "Cmd", "OnBuild", "Shell")
_MAPS = ("Labels", "ExposedPorts", "Volumes", "Healthcheck")


class ImageConfig(NamedTuple):
    """An image's config: platform, diff_ids (the digests of the layers' tars), `config` part, history.

    `features` holds the keys os.version and os.features unchanged.
    """

    os: str
    architecture: str
    diff_ids: tuple[Digest, ...]
    runtime: dict[str, Any]
    history: list[dict[str, Any]]
    features: Mapping[str, Any]


def parse_config(data: bytes) -> ImageConfig:
    """Parse a config. Raises: InvalidManifest when engines would refuse it, or nothing can be built on it."""
    value = parse_object(data, "config")
    rootfs = member(value, "rootfs", dict)
    history = items(value, "history", _MAX_HISTORY)
    if not all(isinstance(step, dict) for step in history):
        raise InvalidManifest("history should be a list of objects")
    return ImageConfig(
        member(value, "os", str, ""),
        member(value, "architecture", str, ""),
        tuple(digest_in(item, "diff_ids") for item in items(rootfs, "diff_ids", _MAX_LAYERS)),
        _runtime(member(value, "config", dict, {})),
        history,
        {key: value[key] for key in ("os.version", "os.features") if key in value},
    )


def _runtime(value: dict[str, Any]) -> dict[str, Any]:
    """The `config` part with checked types. Unknown keys are kept."""
    found = dict(value)
    for key in ("Entrypoint", "Cmd"):
        # Old engines wrote a single string.
        if isinstance(found.get(key), str):
            found[key] = [found[key]]
    for key in _TEXTS:
        member(found, key, str, "")
    for key in _MAPS:
        member(found, key, dict, {})
    for key in _WORDS:
        if not all(isinstance(word, str) for word in member(found, key, list, [])):
            raise InvalidManifest(f"{key} should be a list of strings")
    if not all(isinstance(label, str) for label in (found.get("Labels") or {}).values()):
        raise InvalidManifest("Labels should be strings")
    return found
