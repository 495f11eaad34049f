"""Facts from skaffold.yaml.

Source: skaffold.dev/docs/references/yaml.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shipit.drafts.files import Build, FileFacts, Process
from shipit.drafts.reading import has_dockerfile, is_file, is_folder, parse_yaml_as_text, read_text, unreadable
from shipit.drafts.values import as_list, as_map, as_text, listed, not_taken, slug

_NAMES = ("skaffold.yaml", "skaffold.yml")
# `sync` and `runtimeType` are for skaffold dev and debug.
_TAKEN_OF_ARTIFACTS = frozenset({"image", "context", "docker", "sync", "runtimeType"})
# Keys of `build` without a meaning for shipit, which pushes what it deploys.
_NOTHING_TO_SAY = frozenset({"artifacts", "local", "tagPolicy", "cluster", "googleCloudBuild"})
# Key of `manifests` or `deploy` -> advice on the key of deploy.yml that takes its place.
_ELSEWHERE = {
    "helm": "name it under helm:",
    "kustomize": "name it under kustomize:",
    "kubeContext": "name it under context:",
    "statusCheckDeadlineSeconds": "name it under timeout:",
}
_OTHER_BUILDERS = ("buildpacks", "jib", "ko", "bazel", "custom", "kaniko")


def read_skaffold(root: Path) -> FileFacts:
    """Artifacts as images, and the manifests that are plain YAML."""
    file = next((name for name in _NAMES if (root / name).is_file()), "")
    documents = [data for data in parse_yaml_as_text(read_text(root / file)) if data] if file else []
    if not documents:
        return unreadable(file, root / file) if file else FileFacts()
    images: list[tuple[str, Build]] = []
    repositories: list[tuple[Build, str]] = []
    todo: list[str] = []
    artifacts = [item for data in documents for item in as_list(as_map(data.get("build")).get("artifacts"))]
    for artifact in map(as_map, artifacts):
        name = as_text(artifact.get("image"))
        other = next((builder for builder in _OTHER_BUILDERS if builder in artifact), "")
        build = _build(artifact)
        if other or not has_dockerfile(root, build):
            todo.append(
                f"{name} is built by {other}, not from a Dockerfile" if other else f"{name}: there is no {build.file}"
            )
            continue
        images.append((slug(name.rpartition("/")[2]), build))
        if "/" in name:
            repositories.append((build, name))
        if left := [key for key in artifact if key not in _TAKEN_OF_ARTIFACTS]:
            todo.append(f"artifact {name}: {listed(left)}")
    raw = [as_text(item) for data in documents for item in _raw_manifests(data)]
    folders = [folder for item in raw if (folder := _folder(root, item))]
    if missing := [item for item in raw if not _folder(root, item)]:
        todo.append(f"manifests {listed(missing)}")
    todo += [text for data in documents for text in _todo(data)]
    return FileFacts(
        file=file,
        app=as_text(as_map(documents[0].get("metadata")).get("name")),
        images=tuple(images),
        repositories=tuple(repositories),
        processes=tuple(Process(name, build) for name, build in images),
        manifests=tuple(dict.fromkeys(folders)),
        todo=tuple(dict.fromkeys(todo)),
    )


def _build(artifact: Mapping[str, Any]) -> Build:
    docker = as_map(artifact.get("docker"))
    args = tuple(
        (str(key), value)
        for key, value in as_map(docker.get("buildArgs")).items()
        if isinstance(value, str) and "{{" not in value
    )
    return Build(
        posixpath.normpath(as_text(artifact.get("context")) or "."),
        posixpath.normpath(as_text(docker.get("dockerfile")) or "Dockerfile"),
        as_text(docker.get("target")),
        args,
    )


def _raw_manifests(data: Mapping[str, Any]) -> list[Any]:
    kubectl = as_map(as_map(data.get("deploy")).get("kubectl"))
    return as_list(as_map(data.get("manifests")).get("rawYaml")) + as_list(kubectl.get("manifests"))


def _folder(root: Path, pattern: str) -> str:
    """The file of a path, or the folder of a pattern; empty when it does not exist."""
    if not pattern or pattern.startswith(("/", "../", "http")):
        return ""
    if is_file(root / pattern):
        return posixpath.normpath(pattern)
    folder = posixpath.dirname(pattern.split("*")[0]) if "*" in pattern else pattern
    return f"{posixpath.normpath(folder)}/" if folder and is_folder(root / folder) else ""


def _todo(data: Mapping[str, Any]) -> Iterator[str]:
    for section in ("manifests", "deploy"):
        for key in as_map(data.get(section)):
            if key not in ("rawYaml", "kubectl"):
                how = _ELSEWHERE.get(key, "render it into a folder, and name that under manifests")
                yield f"{section}.{key}: {how}"
    if platforms := as_list(as_map(data.get("build")).get("platforms")):
        yield f"build.platforms: {listed(map(str, platforms))}: name one under platforms of the image's build"
    yield from not_taken("build", as_map(data.get("build")), _NOTHING_TO_SAY | {"platforms"})
    if left := [
        key for key in data if key in ("profiles", "portForward", "test", "verify", "customActions", "requires")
    ]:
        yield listed(left)
