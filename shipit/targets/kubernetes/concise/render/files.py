"""The files of a workload as an immutable ConfigMap, named by its content: pods that have older files keep theirs. Pure.

Source: Kubernetes API reference, v1 ConfigMap `immutable`, v1 VolumeMount `subPath`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

from shipit.targets.kubernetes.concise.volumes import volume_name
from shipit.targets.kubernetes.render import Manifest, Setting, head_of
from shipit.targets.kubernetes.versions import versioned_config_map

_VOLUME = "shipit-files"

# Path in the container -> content.
Files = Mapping[str, bytes]


def render_files(name: str, files: Files, setting: Setting) -> Iterator[Manifest]:
    if files:
        head = head_of("v1", "ConfigMap", _base_name(name), setting)
        yield versioned_config_map({**head, **_data(files)})


def file_volumes(name: str, files: Files) -> list[Manifest]:
    return [{"name": _VOLUME, "configMap": {"name": config_map_name(name, files)}}] if files else []


def file_mounts(files: Files) -> list[Manifest]:
    """Each file alone, so that what else is in its folder stays."""
    return [
        {"name": _VOLUME, "mountPath": path, "subPath": volume_name(path), "readOnly": True} for path in sorted(files)
    ]


def config_map_name(name: str, files: Files) -> str:
    named = versioned_config_map({"metadata": {"name": _base_name(name)}, **_data(files)})
    return str(named["metadata"]["name"])


def _base_name(name: str) -> str:
    return f"{name}-files"


def _data(files: Files) -> Manifest:
    texts, binary = {}, {}
    for path, content in sorted(files.items()):
        try:
            texts[volume_name(path)] = content.decode()
        except UnicodeDecodeError:
            binary[volume_name(path)] = base64.b64encode(content).decode()
    return {**({"data": texts} if texts else {}), **({"binaryData": binary} if binary else {})}
