"""Keys of other tools in deploy.yml lead to what is written here instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shipit.config.other_words import hint_for_target, words_for
from shipit.config.schema import render_schema
from shipit.errors import ConfigErrors
from shipit.targets.kinds import KindModels
from tests.config.test_language import load

PLACES = {
    "top": "{word}: 1\n",
    "k8s": "targets: {{k8s: {{port: 80, {word}: 1}}}}\n",
    "workload": "targets: {{k8s: {{workloads: {{web: {{{word}: 1}}}}}}}}\n",
    "docker": "targets: {{docker: {{port: 80, {word}: 1}}}}\n",
    "service": "targets: {{docker: {{services: {{web: {{{word}: 1}}}}}}}}\n",
    "swarm": "targets: {{swarm: {{services: {{web: {{{word}: 1}}}}}}}}\n",
    "heroku": "targets: {{heroku: {{{word}: 1}}}}\n",
    "process": "targets: {{heroku: {{processes: {{web: {{{word}: 1}}}}}}}}\n",
    "hub": "targets: {{hub: {{{word}: 1}}}}\n",
    "build": "images: {{web: {{build: {{{word}: 1}}}}}}\n",
    "image": "images: {{web: {{{word}: 1}}}}\n",
}
# Tool, place and key -> what the error's hint names.
WORDS = {
    ("compose", "top", "services"): "targets:",
    ("compose", "top", "env_file"): "dotenv:",
    ("compose", "top", "environment"): "env:",
    ("compose", "top", "volumes"): "volumes:",
    ("compose", "top", "networks"): "by name",
    ("compose", "top", "profiles"): "environments:",
    ("compose", "top", "depends_on"): "needs:",
    ("compose", "top", "deploy"): "targets:",
    ("compose", "workload", "expose"): "port:",
    ("compose", "workload", "environment"): "env:",
    ("compose", "workload", "env_file"): "dotenv:",
    ("compose", "workload", "entrypoint"): "command:",
    ("compose", "workload", "healthcheck"): "health:",
    ("compose", "workload", "depends_on"): "needs:",
    ("compose", "workload", "restart"): "restarts_allowed:",
    ("compose", "workload", "deploy"): "replicas:",
    ("compose", "workload", "build"): "image:",
    ("compose", "k8s", "services"): "workloads:",
    ("compose", "heroku", "services"): "processes:",
    ("compose", "docker", "environment"): "write env: {",
    ("compose", "docker", "ports"): "write publish: [",
    ("compose", "service", "ports"): "write publish: [",
    ("compose", "service", "environment"): "write env: {",
    ("compose", "service", "working_dir"): "write workdir:",
    ("compose", "service", "stop_grace_period"): "write grace:",
    ("compose", "service", "cpus"): "write cpu: 0.25",
    ("compose", "service", "mem_limit"): "write memory: 256Mi",
    ("compose", "service", "deploy"): "replicas: N, cpu: 0.25",
    ("compose", "service", "configs"): 'write volumes: ["./FILE:/PATH:ro"]',
    ("compose", "service", "links"): "aliases: [",
    ("compose", "service", "env_file"): "dotenv:",
    ("compose", "service", "build"): "image: {build:",
    ("compose", "swarm", "ports"): "write publish: [",
    ("compose", "swarm", "deploy"): "placement:",
    ("compose", "swarm", "health"): "write healthcheck:",
    ("compose", "swarm", "host"): "publish:",
    ("helm", "service", "resources"): "write cpu: 0.25 and memory: 256Mi",
    ("helm", "docker", "resources"): "write cpu: 0.25 and memory: 256Mi",
    ("helm", "service", "readinessProbe"): "write health: /PATH",
    ("helm", "swarm", "nodeSelector"): "placement:",
    ("compose", "build", "stages"): "stage:",
    ("heroku", "top", "dynos"): "quantity:",
    ("heroku", "top", "formation"): "processes:",
    ("heroku", "top", "addons"): "heroku addons:create",
    ("heroku", "top", "run"): "command:",
    ("heroku", "top", "setup"): "env:",
    ("heroku", "heroku", "dynos"): "quantity:",
    ("heroku", "heroku", "formation"): "processes:",
    ("heroku", "heroku", "addons"): "heroku addons:create",
    ("heroku", "heroku", "buildpacks"): "build:",
    ("heroku", "heroku", "stack"): "container",
    ("heroku", "heroku", "config_vars"): "env:",
    ("heroku", "heroku", "port"): "$PORT",
    ("heroku", "heroku", "release"): "release:",
    ("heroku", "process", "dynos"): "quantity:",
    ("heroku", "process", "dyno_size"): "size:",
    ("heroku", "process", "replicas"): "quantity:",
    ("heroku", "process", "resources"): "size:",
    ("kamal", "top", "servers"): "targets:",
    ("kamal", "top", "service"): "app:",
    ("kamal", "top", "registry"): "shipit login",
    ("kamal", "top", "builder"): "builder:",
    ("kamal", "top", "accessories"): "secrets:",
    ("kamal", "top", "proxy"): "host:",
    ("helm", "top", "replicaCount"): "replicas:",
    ("helm", "top", "ingress"): "host:",
    ("helm", "top", "autoscaling"): "scale:",
    ("helm", "top", "chart"): "helm:",
    ("helm", "top", "values"): "helm:",
    ("helm", "workload", "resources"): "cpu:",
    ("helm", "workload", "limits"): "memory:",
    ("helm", "workload", "readinessProbe"): "health:",
    ("helm", "workload", "containerPort"): "port:",
    ("helm", "workload", "imagePullSecrets"): "pull_secret:",
    ("helm", "workload", "nodeSelector"): "node:",
    ("helm", "k8s", "resources"): "cpu:",
    ("helm", "k8s", "secrets"): "secrets:",
    ("helm", "image", "tag"): "tags:",
    ("helm", "image", "registry"): "repository:",
    ("skaffold", "top", "artifacts"): "images:",
    ("skaffold", "top", "apiVersion"): "manifests:",
    ("skaffold", "top", "metadata"): "app:",
    ("skaffold", "top", "kubectl"): "manifests:",
    ("skaffold", "top", "tagPolicy"): "tags:",
    ("skaffold", "top", "manifests"): "manifests:",
    ("fly", "top", "http_service"): "port:",
    ("fly", "top", "vm"): "memory:",
    ("fly", "top", "mounts"): "volumes:",
    ("fly", "hub", "image"): "images:",
}  # fmt: skip


def error_of(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, f"app: hello\n{text}")
    return caught.value.render()


@pytest.mark.parametrize(("place", "word"), [(place, word) for _, place, word in WORDS])
def test_a_key_of_another_tool_leads_to_ours(tmp_path: Path, place: str, word: str) -> None:
    shown = error_of(tmp_path, PLACES[place].format(word=word))
    hint = next(line for line in shown.splitlines() if line.startswith("hint: "))
    named = next(named for (_, own, key), named in WORDS.items() if (own, key) == (place, word))
    assert f"{word}: unknown key" in shown and named in hint


def test_hints_name_keys_that_there_are() -> None:
    """Each key that a hint tells to write is one of deploy.yml, so that a renamed key is renamed in hints."""
    schema = render_schema(KindModels())
    maps = [schema, *schema["$defs"].values()]
    keys = {key for one in maps for key, value in one.get("properties", {}).items() if "is not a key" not in str(value)}
    names = {"k8s", "heroku", "web", "NAME"}
    for known in (
        {"targets"},
        {"sidecars"},
        {"publish", "replace"},
        {"publish", "endpoint_mode"},
        {"quantity"},
        {"processes"},
        {"manifests"},
        {"repository"},
        {"dockerfile"},
        {"needs"},
    ):
        for word, hint in words_for(known).items():
            named = set(re.findall(r"(?:write |[{] ?|[}], |, )([A-Za-z_]+):", hint))
            assert named <= keys | names, (word, hint)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gke", "write gke: {kind: kubernetes, ...}"),
        ("docker-hub", "write docker-hub: {kind: registry, ...}"),
        ("web", "what runs stands in a target: targets: {k8s: {workloads: {web: ...}}}"),
    ],
)
def test_a_target_with_a_name_of_another_tool(tmp_path: Path, name: str, hint: str) -> None:
    assert f"hint: {hint}" in error_of(tmp_path, f"targets: {{{name}: {{}}}}\n")
    assert hint_for_target("anything-else") == ""
