"""Where a target is: context, server and namespace, read from files without the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from shipit.config.environment import Environment
from shipit.errors import RemoteError
from shipit.files import MIB, Missing, Unreadable, read_file, read_text
from shipit.targets.kubernetes.config import KubernetesConfig

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MAX_BYTES = 16 * MIB


def kubeconfig_paths(environment: Environment) -> str:
    """KUBECONFIG, or ~/.kube/config."""
    return environment.get("KUBECONFIG") or str(environment.home / ".kube" / "config")


def is_in_cluster(environment: Environment) -> bool:
    """Whether a pod's service account is what there is to go by."""
    has_file = any(Path(path).is_file() for path in kubeconfig_paths(environment).split(":"))
    return not has_file and bool(environment.get("KUBERNETES_SERVICE_HOST")) and (SERVICE_ACCOUNT / "token").is_file()


def read_place(config: KubernetesConfig, environment: Environment) -> tuple[str, str, str]:
    """Context, server and namespace as the kubeconfig has them, without the kubernetes package or the network.

    Raises: RemoteError when there is no such context.
    """
    if is_in_cluster(environment) and config.context is None:
        host, port = (
            environment.variables["KUBERNETES_SERVICE_HOST"],
            environment.get("KUBERNETES_SERVICE_PORT") or "443",
        )
        return "in-cluster", f"https://{host}:{port}", _own_namespace()
    paths = kubeconfig_paths(environment)
    merged: dict[str, Any] = {"contexts": {}, "clusters": {}, "current": ""}
    for path in paths.split(":"):
        try:
            data = read_file(path, max_bytes=MAX_BYTES)
            loaded = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except Missing:
            continue
        except Unreadable as error:
            raise RemoteError(f"the kubeconfig {error.what}", where=path, hint="check KUBECONFIG") from None
        except yaml.YAMLError as error:
            raise RemoteError(f"the kubeconfig is not YAML: {str(error).splitlines()[0]}", where=path) from None
        if not isinstance(loaded, dict):
            continue
        merged["current"] = merged["current"] or loaded.get("current-context") or ""
        for kind, single in (("contexts", "context"), ("clusters", "cluster")):
            for row in loaded.get(kind) or []:
                merged[kind].setdefault(row.get("name"), row.get(single) or {})
    name = config.context or merged["current"]
    if name not in merged["contexts"]:
        known = ", ".join(merged["contexts"]) or "none"
        what = f"there is no context {name!r}" if name else "there is no current context"
        raise RemoteError(what, where=paths, hint=f"contexts here: {known}; set context:, or KUBECONFIG")
    chosen = merged["contexts"][name]
    server = str(merged["clusters"].get(chosen.get("cluster"), {}).get("server", ""))
    return str(name), server, str(chosen.get("namespace") or "")


def _own_namespace() -> str:
    """The namespace of the pod that this runs in."""
    try:
        return read_text(SERVICE_ACCOUNT / "namespace").strip()
    except Unreadable:
        return ""
