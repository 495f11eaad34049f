"""The manifests of a target that are no files of its project, in the order of their keys."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.config.folder import ProjectFolder
from shipit.config.process_environment import ProcessEnvironment
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.downloaded_manifests import downloaded
from shipit.targets.kubernetes.helm_hooks import hooks_of
from shipit.targets.kubernetes.manifest_objects import parse_manifests
from shipit.targets.kubernetes.rendered_manifests import rendered_chart, rendered_kustomization
from shipit.targets.kubernetes.source import Source, SourceFailed


def read_sources(
    config: KubernetesConfig, app: str, namespace: str, folder: ProjectFolder, environment: ProcessEnvironment
) -> Iterator[Source]:
    """The text of downloads, of the kustomization and of the chart. Raises: SourceFailed."""
    yield from downloaded(config.manifests, environment)
    if config.kustomize:
        yield rendered_kustomization(config.kustomize, folder, environment)
    if config.helm:
        chart = rendered_chart(config.helm, app, namespace, folder, environment)
        if config.helm.hooks and (hooks := list(hooks_of(parse_manifests(chart.data, chart.name)[0]))):
            hint = "hooks: false leaves them out; a command before the rollout goes under release:"
            raise SourceFailed(("helm", "chart"), f"has hooks, which are not run: {', '.join(hooks)}", hint)
        yield chart
