"""The URLs of an app, from its Ingresses. Pure.

Source: Kubernetes API reference, networking.k8s.io/v1 Ingress, `spec.rules[].host` and `spec.tls[].hosts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipit.targets.kubernetes.render import Manifest


def ingress_urls(manifests: Iterable[Manifest]) -> tuple[str, ...]:
    """A URL for each host of the Ingresses among the manifests: https where the host has a certificate."""
    return tuple(dict.fromkeys(url for manifest in manifests for url in _urls(manifest)))


def _urls(manifest: Manifest) -> Iterator[str]:
    spec = manifest.get("spec")
    if manifest.get("kind") != "Ingress" or not isinstance(spec, dict):
        return
    secured = {host for row in _rows(spec.get("tls")) for host in row.get("hosts") or () if isinstance(host, str)}
    for rule in _rows(spec.get("rules")):
        host = rule.get("host")
        if isinstance(host, str) and host and not host.startswith("*"):
            yield f"{'https' if host in secured else 'http'}://{host}/"


def _rows(value: object) -> list[Manifest]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
