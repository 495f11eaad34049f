"""A pod with what tells of it: how it is named in a verdict, and a verdict that leads to its logs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shipit.release import Seen, State, Verdict
from shipit.targets.kubernetes.live import Container, Pod
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.pods import Limits, subject

DETAIL_LINES = 4
_BUILT_IN = ("", "apps", "batch", "autoscaling", "policy")


class PodCase(NamedTuple):
    """`restarts_before`: (uid of the pod, container) -> restarts before this run."""

    key: str
    pod: Pod
    observed: KubernetesObserved
    seen: Seen
    limits: Limits
    restarts_before: Mapping[tuple[str, str], int] = {}

    def named(self, container: Container) -> str:
        """The pod, and which container of it where it has several."""
        if len(self.pod.containers) == 1:
            return self.pod.meta.name
        kind = "init container " if container.is_init else ""
        return f"{kind}{container.name} of {self.pod.meta.name}"

    def failed(self, what: str, hint: str, container: Container | None = None, detail: Sequence[str] = ()) -> Verdict:
        about = subject(self.pod, container.name if container else "")
        reason = container.waiting_reason if container else ""
        return Verdict(State.FAILED, f"{self.key}: {what}", reason, tuple(detail), hint, about)

    @property
    def has_operator(self) -> bool:
        """Whether a custom resource of the same deploy may create what is missing, such as an ExternalSecret."""
        lives = [live for live in self.observed.objects.values() if live is not None]
        return any(not _is_built_in(str(live.manifest.get("apiVersion"))) for live in lives)


def _is_built_in(version: str) -> bool:
    group = version.rpartition("/")[0]
    return group in _BUILT_IN or group.endswith(".k8s.io")
