"""The workloads of a target that its manifests name, for shell completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shipit.config.folder import ProjectFolder
from shipit.targets.kubernetes.manifests import read_manifests
from shipit.targets.kubernetes.objects import HAVE_PODS


def named_workloads(folder: ProjectFolder, part: Mapping[str, Any]) -> Sequence[str]:
    """`part` is the part of the target in deploy.yml. Downloads, charts and kustomizations are left out. Raises: ShipitError."""
    rows = part.get("manifests")
    paths = [
        row.get("path") if isinstance(row, Mapping) else row for row in (rows if isinstance(rows, list) else [rows])
    ]
    found = read_manifests(folder, [path for path in paths if isinstance(path, str)])
    return [str(manifest["metadata"]["name"]) for manifest in found if manifest["kind"] in HAVE_PODS]
