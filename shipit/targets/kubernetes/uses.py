"""The ConfigMaps and Secrets that the pods of an object use. Pure.

Source: Kubernetes API reference, v1 PodSpec: EnvVarSource, EnvFromSource, Volume, ProjectedVolumeSource.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_ENV = (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret"))
_ENV_FROM = (("configMapRef", "ConfigMap"), ("secretRef", "Secret"))
_PROJECTED = (("configMap", "ConfigMap"), ("secret", "Secret"))


def used_by(pod: Mapping[str, Any]) -> frozenset[str]:
    """`ConfigMap/name` and `Secret/name` of what the spec of a pod names in env, envFrom and volumes, optional ones too.

    Without imagePullSecrets: they are used for a pull only.
    """
    return frozenset((*_of_containers(pod), *_of_volumes(pod)))


def _of_containers(pod: Mapping[str, Any]) -> Iterator[str]:
    for container in (row for key in _CONTAINERS for row in _rows(pod.get(key))):
        for row in _rows(container.get("env")):
            yield from _named(_map(row.get("valueFrom")), _ENV)
        for row in _rows(container.get("envFrom")):
            yield from _named(row, _ENV_FROM)


def _of_volumes(pod: Mapping[str, Any]) -> Iterator[str]:
    for volume in _rows(pod.get("volumes")):
        yield from _named(volume, (("configMap", "ConfigMap"),))
        # A volume has another key for the name of its Secret.
        yield from _named(volume, (("secret", "Secret"),), "secretName")
        for source in _rows(_map(volume.get("projected")).get("sources")):
            yield from _named(source, _PROJECTED)


def _named(value: Mapping[str, Any], refs: tuple[tuple[str, str], ...], key: str = "name") -> Iterator[str]:
    for field, kind in refs:
        name = _map(value.get(field)).get(key)
        if isinstance(name, str) and name:
            yield f"{kind}/{name}"


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
