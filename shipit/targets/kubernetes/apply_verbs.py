"""Applies the steps of scaling and restarting."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.errors import DeployFailed, RemoteError
from shipit.events import Event, Warned
from shipit.http.fields import Field
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.render import MANAGED_BY
from shipit.targets.kubernetes.steps import RestartObject, ScaleObject
from shipit.targets.kubernetes.verbs import RESTARTED_ANNOTATION


def scale_object(step: ScaleObject, client: KubernetesClient, namespace: str, target: str) -> Iterator[Event]:
    """Raises: DeployFailed where a HorizontalPodAutoscaler sets the number."""
    metadata = step.manifest["metadata"]
    own = str(metadata.get("namespace") or namespace)
    try:
        scalers = client.listed("apis/autoscaling/v2", "horizontalpodautoscalers", own, _scaled)
    except RemoteError as error:
        if error.status not in (403, 404):
            raise
        yield Warned(
            target, f"whether an autoscaler sets the replicas of {step.id.removeprefix('scale ')} can't be read"
        )
        scalers = []
    wanted = (step.manifest["kind"], metadata["name"])
    if by := next((name for name, *of in scalers if tuple(of) == wanted), None):
        what = f"HorizontalPodAutoscaler/{by} sets the number of replicas of {'/'.join(map(str, wanted))}"
        raise DeployFailed(what, where=target, hint="change its smallest and largest number instead")
    client.scale(step.manifest, namespace, step.uid, step.replicas)


def restart_object(step: RestartObject, client: KubernetesClient, namespace: str) -> None:
    template = {"metadata": {"annotations": {RESTARTED_ANNOTATION: step.at}}}
    body = {"metadata": {"uid": step.uid}, "spec": {"template": template}}
    client.merge(step.manifest, namespace, body, f"{MANAGED_BY}-restart")


def _scaled(part: Field) -> tuple[str, str, str]:
    """The name of an autoscaler, and the kind and name of what it scales."""
    target = part["spec"]["scaleTargetRef"]
    return part["metadata"]["name"].text(), target["kind"].text(), target["name"].text()
