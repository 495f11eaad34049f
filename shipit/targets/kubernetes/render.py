"""What the objects that shipit makes have in common, and the Job of a release command. Pure.

Source: Kubernetes API reference, batch/v1 Job, v1 EnvVar and Container (what `$(NAME)` and `$$` mean); Kubernetes
documentation, "Recommended Labels".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

Manifest = dict[str, Any]
MANAGED_BY = "shipit"
NAME_LABEL = "app.kubernetes.io/name"
CONFIG_ANNOTATION = "shipit.dev/config-digest"
SECRETS_ANNOTATION = "shipit.dev/secrets"
# The name without the hash of the content, of a ConfigMap or Secret that is named by its content.
VERSION_LABEL = "shipit.dev/version-of"
# The id of the ApplySet whose release a Secret records.
RELEASE_LABEL = "shipit.dev/release-of"
# Of a Secret that has the values which another one had before its last change, and the resourceVersion of that one.
PREVIOUS_LABEL = "shipit.dev/previous"
COPIED_ANNOTATION = "shipit.dev/copied-from"


class Setting(NamedTuple):
    """What every workload of a target shares. `secret_name` holds the env's secrets, `pull_secret` is a name or None."""

    app: str
    namespace: str
    env: Mapping[str, str] = {}
    secret_names: Sequence[str] = ()
    secret_mark: str = ""
    secret_name: str = ""
    pull_secret: str | None = None

    def without_env(self) -> Setting:
        """The same for a container that gets none of the variables and secrets of the file."""
        return self._replace(env={}, secret_names=())


def render_job(
    name: str,
    command: Sequence[str],
    image: str,
    setting: Setting,
    pod_keys: Mapping[str, Any] = MappingProxyType({}),
    container_keys: Mapping[str, Any] = MappingProxyType({}),
) -> Manifest:
    """The Job of a release command: it runs once, and is not tried again. `pod_keys` and `container_keys` are further fields."""
    container: Manifest = {"name": "release", "image": image, "command": literal_words(command)}
    containers = [container | render_env({}, None, setting) | dict(container_keys)]
    spec: Manifest = {"restartPolicy": "Never", "containers": containers, **pod_keys}
    template = {"metadata": {"labels": labels_of(name, setting)}, "spec": spec | render_pull(setting)}
    return {**head_of("batch/v1", "Job", name, setting), "spec": {"backoffLimit": 0, "template": template}}


def literal(text: str) -> str:
    """Text that a variable, a command, an argument or a probe has as it is: `$(NAME)` and `$$` in it are not expanded."""
    return text.replace("$", "$$") if "$$" in text or "$(" in text else text


def literal_words(words: Sequence[str]) -> list[str]:
    return [literal(word) for word in words]


def written(text: str) -> str:
    """The text that `literal` was given."""
    return text.replace("$$", "$")


def labels_of(name: str, setting: Setting) -> dict[str, str]:
    return selector_of(name, setting) | {"app.kubernetes.io/managed-by": MANAGED_BY}


def selector_of(name: str, setting: Setting) -> dict[str, str]:
    """The labels that select the pods of a workload."""
    return {NAME_LABEL: name, "app.kubernetes.io/part-of": setting.app}


def head_of(
    version: str, kind: str, name: str, setting: Setting, annotations: Mapping[str, str] | None = None
) -> Manifest:
    metadata: Manifest = {"name": name, "namespace": setting.namespace, "labels": labels_of(name, setting)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def render_env(own: Mapping[str, str | Manifest | None], port: int | None, setting: Setting) -> Manifest:
    """The `env` of a container: PORT, the file's variables, those of its own, the secrets.

    `own` has text, a `valueFrom`, or None, which removes a variable whatever gave it.
    """
    values: dict[str, str | Manifest] = {**({"PORT": str(port)} if port is not None else {}), **setting.env}
    values |= {name: value for name, value in own.items() if value is not None}
    rows: list[Manifest] = [
        {"name": name, "value": literal(value)} if isinstance(value, str) else {"name": name, "valueFrom": value}
        for name, value in values.items()
        if name not in own or own[name] is not None
    ]
    for name in setting.secret_names:
        if name not in own:
            rows.append({"name": name, "valueFrom": {"secretKeyRef": {"name": setting.secret_name, "key": name}}})
    return {"env": rows} if rows else {}


def render_pull(setting: Setting) -> Manifest:
    return {"imagePullSecrets": [{"name": setting.pull_secret}]} if setting.pull_secret else {}
