"""Raw manifests: read, checked for what every object needs, and their images pinned to what was pushed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from shipit.errors import ConfigError, ShipitError
from shipit.reference import parse_reference

_SUFFIXES = (".yml", ".yaml", ".json")


def read_manifests(root: Path, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Every object in the files and folders named, in the order of the names and then of the files'.

    Raises: ConfigError at the line that does not parse or lacks apiVersion, kind or a name.
    """
    return [item for name in names for file in _files(root, name) for item in _objects(file, root)]


def _files(root: Path, name: str) -> list[Path]:
    path = root / name
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
        if not files:
            raise ConfigError(
                "holds no YAML file", where=name, hint="put manifests there, or remove it from manifests:"
            )
        return files
    if not path.is_file():
        raise ConfigError("there is no such file or folder", where=name, hint="check manifests: in deploy.yml")
    return [path]


def _objects(file: Path, root: Path) -> Iterator[dict[str, Any]]:
    name = str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
    try:
        documents = list(yaml.compose_all(file.read_text(), Loader=yaml.SafeLoader))
        values = list(yaml.safe_load_all(file.read_text()))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(
            f"should be YAML: {error.problem}", where=where, hint="check it with kubectl apply --dry-run=client -f"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"can't be read: {error}", where=name) from None
    for node, value in zip(documents, values, strict=True):
        if value is None:
            continue
        where = f"{name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
        if isinstance(value, dict) and value.get("kind") == "List":
            yield from (_checked(item, where) for item in value.get("items") or [])
        else:
            yield _checked(value, where)


def _checked(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError("should be a Kubernetes object", where=where)
    metadata = value.get("metadata")
    missing = [key for key in ("apiVersion", "kind") if not isinstance(value.get(key), str)]
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        missing.append("metadata.name")
    if missing:
        raise ConfigError(
            f"lacks {', '.join(missing)}", where=where, hint="every object needs apiVersion, kind and metadata.name"
        )
    return {key: item for key, item in value.items() if key != "status"}


def image_names(manifest: Any) -> Iterator[str]:
    """Every `image:` of a container in an object, wherever its pod template stands."""
    if isinstance(manifest, dict):
        for key, value in manifest.items():
            if key in ("containers", "initContainers") and isinstance(value, list):
                yield from (str(item["image"]) for item in value if isinstance(item, dict) and "image" in item)
            yield from image_names(value)
    elif isinstance(manifest, list):
        for item in manifest:
            yield from image_names(item)


def pin_images(manifest: Any, pinned: Callable[[str], str | None]) -> Any:
    """The object with each container's image replaced where `pinned` knows it."""
    if isinstance(manifest, list):
        return [pin_images(item, pinned) for item in manifest]
    if not isinstance(manifest, dict):
        return manifest
    out = {}
    for key, value in manifest.items():
        if key in ("containers", "initContainers") and isinstance(value, list):
            out[key] = [_pin_container(item, pinned) for item in value]
        else:
            out[key] = pin_images(value, pinned)
    return out


def _pin_container(container: Any, pinned: Callable[[str], str | None]) -> Any:
    if not isinstance(container, dict) or "image" not in container:
        return container
    return {**container, "image": pinned(str(container["image"])) or container["image"]}


def image_for(text: str, repositories: Mapping[str, str]) -> str | None:
    """The image of deploy.yml that a container's `image:` means: its name there, or its repository under any tag."""
    if text in repositories:
        return text
    try:
        name = parse_reference(text).name
    except ShipitError:
        return None
    return next((image for image, repository in repositories.items() if repository == name), None)
