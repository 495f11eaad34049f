"""Commands in containers that run.

Source: Kubernetes API reference, Pod `exec` subresource (PodExecOptions).
"""

from __future__ import annotations

from urllib.parse import quote

from shipit.targets.kubernetes.channels import PROTOCOLS, Channels
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.running import find_running
from shipit.targets.remote import Command


def execute(client: KubernetesClient, manifest: Manifest, namespace: str, command: Command) -> Channels:
    """A command in the main container of the best pod of an object. Raises: RemoteError."""
    return connect(client, "exec", *find_container(client, manifest, namespace), command)


def find_container(client: KubernetesClient, manifest: Manifest, namespace: str) -> tuple[str, str, str]:
    """Namespace, pod and name of the main container of the best pod of an object. Raises: RemoteError."""
    found = find_running(client, manifest, namespace)[0]
    return manifest["metadata"].get("namespace") or namespace, found.pod.meta.name, found.container


def connect(client: KubernetesClient, how: str, namespace: str, pod: str, container: str, command: Command) -> Channels:
    """The streams of a container: of a new command (`how` is exec), or of its own process (attach)."""
    query = [
        ("container", container),
        ("stdin", _flag(command.has_input)),
        ("stdout", "true"),
        # A terminal has one stream for both.
        ("stderr", _flag(command.terminal is None)),
        ("tty", _flag(command.terminal is not None)),
        *(("command", word) for word in command.words if how == "exec"),
    ]
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/{how}"
    channels = Channels(client.server.websocket(path, query, PROTOCOLS, client.deadline), pod)
    if command.terminal is not None:
        channels.resize(command.terminal)
    return channels


def _flag(is_set: bool) -> str:
    return "true" if is_set else "false"
