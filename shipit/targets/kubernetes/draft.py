"""The Kubernetes target of a new deploy.yml: a context of the kubeconfig, and manifests or a workload for each process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from shipit.config.process_environment import ProcessEnvironment
from shipit.drafts.files import ProjectFacts
from shipit.drafts.kind import NONE, Choice, Detection, Folder, KindDraft, Question, TargetDraft
from shipit.drafts.reading import read_yaml
from shipit.drafts.text import process_keys, yaml_name, yaml_text
from shipit.drafts.values import as_list, as_map, as_text, free_name
from shipit.targets.kubernetes.kubeconfig import kubeconfig_paths
from shipit.targets.kubernetes.project_files import images_of, read_cluster_files


def detect(folder: Folder) -> Detection:
    """The contexts of the kubeconfig, the manifests of the project, and the repositories that these run images from."""
    own = read_cluster_files(folder.root)
    manifests = tuple(dict.fromkeys(name for file in (*folder.files, own) for name in file.manifests))
    names, current = read_contexts(folder.environ)
    return Detection(
        (own,),
        repositories=images_of(folder.root, manifests),
        places={name: name for name in names},
        current=current or next(iter(names), ""),
    )


def read_contexts(environ: ProcessEnvironment) -> tuple[tuple[str, ...], str]:
    """The names of the kubeconfig's contexts, and the current one."""
    names: list[str] = []
    current = ""
    for path in kubeconfig_paths(environ).split(":"):
        loaded = read_yaml(Path(path))
        current = current or as_text(loaded.get("current-context"))
        names += [name for row in as_list(loaded.get("contexts")) if (name := as_text(as_map(row).get("name")))]
    return tuple(dict.fromkeys(names)), current


def choose(project: ProjectFacts, found: Detection) -> Choice | None:
    """The current context, when there is one or the project has manifests."""
    return Choice(found.current) if found.places or project.manifests else None


def question(project: ProjectFacts, found: Detection) -> Question | None:
    if not found.places:
        return None
    text = f"Kubernetes context: {', '.join(found.places)} ({NONE}: not to Kubernetes)"
    return Question(text, found.current, lambda answer: "" if answer in found.places else "is none of these")


def render(project: ProjectFacts, found: Detection, choice: Choice) -> TargetDraft:
    """The target: with manifests when the project has some, else with a workload for each process."""
    context = [f"context: {yaml_text(choice.place)}"] if choice.place else []
    if project.manifests:
        named = ", ".join(map(yaml_text, project.manifests))
        body = [f"manifests: [{named}]    # their images are pinned to the pushed digests"]
    elif len(project.processes) <= 1:
        parts = [*context, *(part for process in project.processes.values() for part in process_keys(process))]
        has_port = any(process.port for process in project.processes.values())
        return TargetDraft((f"  k8s: {{{', '.join(parts)}}}" + ("" if has_port else "    # port: makes a Service"),))
    else:
        body = ["workloads:", *_workloads(project)]
    return TargetDraft(("  k8s:", *(f"    {line}" for line in [*context, *body])))


def _workloads(project: ProjectFacts) -> Iterator[str]:
    taken: set[str] = set()
    for name, process in project.processes.items():
        image = [f"image: {yaml_name(project.process_images[name])}"] if len(project.images) > 1 else []
        # A workload with a port makes a Service, whose name begins with a letter.
        key = free_name(f"app-{name}" if re.match("[^A-Za-z0-9]*[0-9]", name) else name, taken, 60)
        taken.add(key)
        yield f"  {yaml_name(key)}: {{{', '.join([*image, *process_keys(process)])}}}"


DRAFT = KindDraft("k8s", detect, choose, question, render)
