"""Whether the pods are reachable through their Services. Pure.

Source: Kubernetes concepts, "Service", "EndpointSlices"; "Access Services Running on Clusters", the API server's proxy.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipit.release import State, Verdict
from shipit.targets.kubernetes.observed import KubernetesObserved, Serving


def judge_serving(observed: KubernetesObserved) -> Iterator[Verdict]:
    """A verdict for each probed Service: waiting while ready pods are not reachable, a warning where it has no endpoints."""
    for name, serving in observed.serving.items():
        yield _judge(f"Service/{name}", serving)


def _judge(key: str, serving: Serving) -> Verdict:
    if serving.endpoints == 0 and serving.ready_pods:
        return Verdict(State.WAITING, f"{key}: none of its pods is an endpoint yet", f"{key} 0", hint=_NO_ENDPOINT)
    if serving.endpoints == 0:
        return Verdict(State.HEALTHY, "", warnings=(f"nothing serves: {key} has no endpoints",))
    if serving.status is not None and not 200 <= serving.status < 400:
        told = f"answered {serving.status}" if serving.status else "gave no answer"
        what = f"{key}: GET {serving.path} {told}"
        return Verdict(
            State.WAITING,
            what,
            what,
            hint="the pods are ready, but the path fails through the Service: check its ports and the app's routes",
        )
    warnings = (f"{key}: health was judged by its endpoints alone: {serving.said}",) if serving.said else ()
    answered = f"{key} {serving.path} answers {serving.status}" if serving.status else ""
    return Verdict(State.HEALTHY, answered, answered, warnings=warnings)


_NO_ENDPOINT = "is the selector of the Service that of its pods?"
