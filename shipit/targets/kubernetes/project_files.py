"""Kubernetes objects of a project: manifests that can be applied, and charts and kustomizations that need rendering. Reads only."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from shipit.config.yaml_text import load_documents
from shipit.drafts.files import FileFacts
from shipit.drafts.reading import read_text
from shipit.drafts.values import as_list, as_map, as_text, listed

_FOLDERS = ("k8s", "kubernetes", "manifests", "deploy")
_MOST_FILES = 50
_MOST_LOOKED_AT = 200
_WORKLOAD = re.compile(r"(?m)^kind: *(Deployment|StatefulSet|DaemonSet|CronJob|Job|Pod) *$")
_SKIPPED = frozenset({"node_modules", "vendor", "test", "tests", "examples", "testdata"})


def read_cluster_files(root: Path) -> FileFacts:
    """Folders whose YAML files are all Kubernetes objects; and a TODO for each chart and kustomization, and for other manifests."""
    folders = [f"{name}/" for name in _FOLDERS if _holds_objects(root / name)]
    charts = sorted(path.parent.relative_to(root).as_posix() for path in _below(root, "Chart.yaml"))
    overlays = sorted(path.parent.relative_to(root).as_posix() for path in _below(root, "kustomization.y*ml"))
    todo = []
    if others := _elsewhere(root, [*(name.rstrip("/") for name in folders), *charts, *overlays]):
        todo.append(f"manifests in {listed(others)}: manifests: PATH of a Kubernetes target applies them")
    if charts:
        todo.append(f"Helm chart {listed(charts)}: helm: PATH of a Kubernetes target renders and applies it")
    if overlays:
        todo.append(f"kustomization {listed(overlays)}: kustomize: PATH of a Kubernetes target renders and applies it")
    return FileFacts(file="Kubernetes files", manifests=tuple(folders), todo=tuple(todo))


def _elsewhere(root: Path, taken: list[str]) -> list[str]:
    """The folders with manifests of workloads that are not below one of those; of the root, the files."""
    found: dict[str, None] = {}
    for path in list(islice(_below(root, "*.y*ml"), _MOST_LOOKED_AT)):
        name = path.relative_to(root).as_posix()
        if not any(f"{name}/".startswith(f"{folder}/") for folder in taken if folder != ".") and _WORKLOAD.search(
            read_text(path)
        ):
            found[posixpath.dirname(name) or name] = None
    return sorted(found)


def images_of(root: Path, manifests: tuple[str, ...]) -> tuple[str, ...]:
    """The repositories of the images that manifests run, each once."""
    found: dict[str, None] = {}
    for name in manifests:
        place = root / name
        for file in sorted(place.rglob("*.y*ml"))[:_MOST_FILES] if place.is_dir() else [place]:
            for document in _documents(file):
                for image in _container_images(document, 0):
                    head, _, tail = image.partition("@")[0].rpartition(":")
                    found[head if head and "/" not in tail else image.partition("@")[0]] = None
    return tuple(found)


def _container_images(value: Any, depth: int) -> Iterator[str]:
    if depth > 40:
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(as_list(value)):
        if key in ("containers", "initContainers"):
            yield from (image for container in as_list(item) if (image := as_text(as_map(container).get("image"))))
        elif isinstance(item, dict | list):
            yield from _container_images(item, depth + 1)


def _below(root: Path, pattern: str) -> Iterator[Path]:
    for depth in ("", "*/", "*/*/", "*/*/*/"):
        for path in root.glob(depth + pattern):
            parts = path.relative_to(root).parts[:-1]
            if path.is_file() and not any(part in _SKIPPED or part.startswith(".") for part in parts):
                yield path


def _holds_objects(folder: Path) -> bool:
    files = [file for file in sorted(folder.rglob("*")) if file.suffix in (".yml", ".yaml")]
    return bool(files) and all(_is_manifest(file) for file in files[:_MOST_FILES])


def _is_manifest(file: Path) -> bool:
    documents = [item for item in _documents(file) if item is not None]
    return bool(documents) and all(
        isinstance(item, dict)
        and item.get("apiVersion")
        and item.get("kind")
        and re.search(r"\S", str(as_map(item.get("metadata")).get("name") or ""))
        for item in documents
    )


def _documents(file: Path) -> list[Any]:
    try:
        return load_documents(read_text(file))
    except (yaml.YAMLError, ValueError):
        return []
