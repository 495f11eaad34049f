"""Mistakes of a kustomization and a chart that are seen without rendering them."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.config.folder import ProjectFolder
from shipit.config.position import Keys
from shipit.targets.kubernetes.manifest_sources import HelmConfig
from shipit.targets.kubernetes.rendered_manifests import UNTRUSTED

_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_RELATIVE = "paths are relative to deploy.yml"


def source_problems(
    kustomize: str | None, helm: HelmConfig | None, folder: ProjectFolder
) -> Iterator[tuple[Keys, str, str]]:
    """Path of keys, mistake and hint."""
    if folder.within is not None:
        yield from (((key,), *UNTRUSTED) for key, value in (("kustomize", kustomize), ("helm", helm)) if value)
        return
    if kustomize:
        if not folder.file(kustomize).is_dir():
            yield ("kustomize",), f"there is no folder {kustomize}", _RELATIVE
        elif not any((folder.file(kustomize) / name).is_file() for name in _KUSTOMIZATIONS):
            yield ("kustomize",), f"{kustomize} holds no kustomization.yaml", ""
    if helm is not None:
        yield from _chart_problems(helm, folder)


def _chart_problems(helm: HelmConfig, folder: ProjectFolder) -> Iterator[tuple[Keys, str, str]]:
    chart = folder.file(helm.chart)
    if helm.is_local:
        if not chart.exists():
            yield ("helm", "chart"), f"there is no file or folder {helm.chart}", f"{_RELATIVE}; others need repo:"
        elif chart.is_dir() and not (chart / "Chart.yaml").is_file():
            yield ("helm", "chart"), f"{helm.chart} holds no Chart.yaml", ""
    for index, name in enumerate(helm.values):
        if not folder.file(name).is_file():
            yield ("helm", "values", index), f"there is no file {name}", _RELATIVE
