"""Reading the IngressClasses of a cluster."""

from __future__ import annotations

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.health.route import DEFAULT_CLASS


def read_ingress_classes(client: KubernetesClient) -> dict[str, bool] | None:
    """Name -> whether it is the default one; None where this user may not list them."""
    path = client.list_path("networking.k8s.io/v1", "IngressClass", "default")
    if not path:
        return None
    try:
        return dict(client.listed_metadata(path, "", _parsed))
    except RemoteError as error:
        if error.status in (403, 404):
            return None
        raise


def _parsed(part: Field) -> tuple[str, bool]:
    metadata = part["metadata"]
    return metadata["name"].text(), metadata["annotations"].texts().get(DEFAULT_CLASS) == "true"
