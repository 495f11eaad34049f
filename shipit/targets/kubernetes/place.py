"""The place of a target: context, server and namespace, read from files without the network."""

from __future__ import annotations

from pathlib import Path

from shipit.config.process_environment import ProcessEnvironment
from shipit.files import Unreadable, read_text
from shipit.http.fields import Field
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.kubeconfig import (
    KubeContext,
    Login,
    Pem,
    check_namespace,
    kubeconfig_paths,
    read_context,
)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def is_in_cluster(environment: ProcessEnvironment) -> bool:
    """Whether there is no kubeconfig, and this process runs in a pod with a service account."""
    has_file = any(Path(path).is_file() for path in kubeconfig_paths(environment).split(":"))
    return not has_file and bool(environment.get("KUBERNETES_SERVICE_HOST")) and (SERVICE_ACCOUNT / "token").is_file()


def find_context(environment: ProcessEnvironment, wanted: str | None) -> KubeContext:
    """The context of a name; without one the current context, or that of the pod that shipit runs in. Raises: RemoteError."""
    if wanted is None and is_in_cluster(environment):
        return _in_cluster(environment)
    return read_context(environment, wanted)


def read_place(config: KubernetesConfig, environment: ProcessEnvironment) -> tuple[str, str, str]:
    """Context, server and namespace. Raises: RemoteError when there is no such context."""
    found = find_context(environment, config.context)
    return found.name, found.server, found.namespace


def _in_cluster(environment: ProcessEnvironment) -> KubeContext:
    """Source: Kubernetes documentation, "Accessing the API from a Pod"."""
    host = environment.variables["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    return KubeContext(
        name="in-cluster",
        namespace=_own_namespace(),
        server=f"https://{host}:{environment.get('KUBERNETES_SERVICE_PORT') or '443'}",
        where=str(SERVICE_ACCOUNT),
        ca=Pem("", SERVICE_ACCOUNT / "ca.crt", "ca.crt"),
        login=Login(token_file=SERVICE_ACCOUNT / "token"),
    )


def _own_namespace() -> str:
    """The namespace of the pod that shipit runs in; empty where it is not known."""
    file = SERVICE_ACCOUNT / "namespace"
    try:
        return check_namespace(Field(read_text(file).strip(), str(file)))
    except Unreadable:
        return ""
