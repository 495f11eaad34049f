"""The variables of a container that have their value in the cluster. Pure.

Source: Kubernetes API reference, v1 EnvVarSource.
"""

from __future__ import annotations

from collections.abc import Mapping

from shipit.targets.kubernetes.concise.env import EnvSource, EnvValue
from shipit.targets.kubernetes.render import Manifest


def render_values(env: Mapping[str, EnvValue]) -> dict[str, str | Manifest | None]:
    """Name -> text, or where the value comes from; null removes a variable."""
    return {name: _source(name, value) if isinstance(value, EnvSource) else value for name, value in env.items()}


def _source(name: str, source: EnvSource) -> Manifest:
    if source.field:
        return {"fieldRef": {"fieldPath": source.field}}
    kind = "secretKeyRef" if source.secret else "configMapKeyRef"
    optional = {"optional": True} if source.optional else {}
    return {kind: {"name": source.secret or source.config, "key": source.key or name, **optional}}
