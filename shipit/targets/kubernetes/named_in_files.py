"""The workloads of a target that its files name, for shell completion: no tool is run, and nothing is downloaded.

Source: kubectl.docs.kubernetes.io/references/kustomize/kustomization: resources, namePrefix, nameSuffix.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shipit.config.document import read_map
from shipit.config.folder import ProjectFolder
from shipit.errors import ShipitError
from shipit.targets.kubernetes.manifests import read_manifests
from shipit.targets.kubernetes.objects import HAVE_PODS

_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
# The largest kustomization that is read, and the most files and folders.
_LARGEST, _MOST = 256 * 1024, 50


def named_workloads(folder: ProjectFolder, part: Mapping[str, Any]) -> Sequence[str]:
    """`part` is the part of the target in deploy.yml. Downloads and charts are left out. Raises: ShipitError."""
    rows = part.get("manifests")
    paths = [
        row.get("path") if isinstance(row, Mapping) else row for row in (rows if isinstance(rows, list) else [rows])
    ]
    base = part.get("kustomize")
    others = _of_kustomization(folder, _real(folder.file(base)), set()) if isinstance(base, str) else ()
    return [*_names(folder, [path for path in paths if isinstance(path, str)]), *others]


def _names(folder: ProjectFolder, paths: Sequence[str]) -> list[str]:
    found = read_manifests(folder, paths)
    return [str(manifest["metadata"]["name"]) for manifest in found if manifest["kind"] in HAVE_PODS]


def _of_kustomization(folder: ProjectFolder, base: Path, seen: set[Path]) -> Iterator[str]:
    """The workloads of its resources that are files and folders of the project, each once; `seen` are those that were looked at.

    What patches and plugins do to names is not known.
    """
    seen.add(base)
    file = next((base / name for name in _FILES if (base / name).is_file()), None)
    text = read_map(folder, file, max_bytes=_LARGEST) if file else {}
    rows = text.get("resources")
    for row in rows if isinstance(rows, list) else ():
        path = _real(base / str(row))
        if path in seen or len(seen) >= _MOST or not path.is_relative_to(_real(folder.path)):
            continue
        seen.add(path)
        names = list(_of_kustomization(folder, path, seen)) if path.is_dir() else _of_file(folder, path)
        yield from (f"{text.get('namePrefix') or ''}{name}{text.get('nameSuffix') or ''}" for name in names)


def _real(path: Path) -> Path:
    """The path without links. One that leads nowhere, or has a null character, stays as it is."""
    return path if "\0" in str(path) else Path(os.path.realpath(path))


def _of_file(folder: ProjectFolder, path: Path) -> list[str]:
    try:
        return _names(folder, [str(path)]) if path.is_file() else []
    except ShipitError:
        return []
