"""The place of a target: context, server and namespace, read from files without the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shipit.config.process_environment import ProcessEnvironment
from shipit.files import Unreadable, read_text
from shipit.http.fields import Field
from shipit.targets.kubernetes.kubeconfig import (
    KubeContext,
    check_namespace,
    kubeconfig_paths,
    read_context,
)
from shipit.targets.kubernetes.login import Impersonation, Login, Pem

if TYPE_CHECKING:
    from shipit.targets.kubernetes.config import KubernetesConfig

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def is_in_cluster(environment: ProcessEnvironment, account: Path = SERVICE_ACCOUNT) -> bool:
    """Whether every kubeconfig is missing or empty, and this process runs in a pod with a service account."""
    if not environment.get("KUBERNETES_SERVICE_HOST") or not (account / "token").is_file():
        return False
    return not any(_has_content(Path(path)) for path in kubeconfig_paths(environment).split(":"))


def find_context(environment: ProcessEnvironment, wanted: str | None, account: Path = SERVICE_ACCOUNT) -> KubeContext:
    """The context of a name; without one the current context, or that of the pod that shipit runs in.

    `account` is the folder of the pod's service account. Raises: RemoteError.
    """
    if wanted is None and is_in_cluster(environment, account):
        return _in_cluster(environment, account)
    return read_context(environment, wanted)


def _has_content(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


def find_login(config: KubernetesConfig, environment: ProcessEnvironment) -> KubeContext:
    """The context of a target, with whom it acts as. Raises: RemoteError."""
    found, wanted = find_context(environment, config.context), config.impersonate
    if wanted is None:
        return found
    impersonation = Impersonation(wanted.user, wanted.uid or "", wanted.groups, wanted.extra)
    return found._replace(login=found.login._replace(impersonation=impersonation))


def read_place(config: KubernetesConfig, environment: ProcessEnvironment) -> tuple[str, str, str]:
    """Context, server and namespace. Raises: RemoteError when there is no such context."""
    found = find_context(environment, config.context)
    return found.name, found.server, found.namespace


def _in_cluster(environment: ProcessEnvironment, account: Path) -> KubeContext:
    """Source: Kubernetes documentation, "Accessing the API from a Pod"."""
    host = environment.variables["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    return KubeContext(
        name="in-cluster",
        namespace=_own_namespace(account / "namespace"),
        server=f"https://{host}:{environment.get('KUBERNETES_SERVICE_PORT') or '443'}",
        where=str(account),
        ca=Pem("", account / "ca.crt", "ca.crt"),
        login=Login(token_file=account / "token"),
    )


def _own_namespace(file: Path) -> str:
    """The namespace of the pod that shipit runs in; empty where it is not known."""
    try:
        return check_namespace(Field(read_text(file).strip(), str(file)))
    except Unreadable:
        return ""
