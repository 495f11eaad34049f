"""The ConfigMaps and Secrets that the pods of an object use. Pure.

Source: Kubernetes API reference, v1 PodSpec: EnvVarSource, EnvFromSource, Volume, ProjectedVolumeSource.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shipit.targets.kubernetes.objects import as_map, as_maps

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
    for container in (row for key in _CONTAINERS for row in as_maps(pod.get(key))):
        for row in as_maps(container.get("env")):
            yield from _named(as_map(row.get("valueFrom")), _ENV)
        for row in as_maps(container.get("envFrom")):
            yield from _named(row, _ENV_FROM)


def _of_volumes(pod: Mapping[str, Any]) -> Iterator[str]:
    for volume in as_maps(pod.get("volumes")):
        yield from _named(volume, (("configMap", "ConfigMap"),))
        # A volume has another key for the name of its Secret.
        yield from _named(volume, (("secret", "Secret"),), "secretName")
        for source in as_maps(as_map(volume.get("projected")).get("sources")):
            yield from _named(source, _PROJECTED)


def _named(value: Mapping[str, Any], refs: tuple[tuple[str, str], ...], key: str = "name") -> Iterator[str]:
    for field, kind in refs:
        name = as_map(value.get(field)).get(key)
        if isinstance(name, str) and name:
            yield f"{kind}/{name}"
