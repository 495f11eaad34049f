"""One object with all that its verdict is made from. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shipit.release import Seen, State, Verdict
from shipit.targets.kubernetes.health.happenings import about, applied_at
from shipit.targets.kubernetes.live import Happening, Live, Pod
from shipit.targets.kubernetes.observed import KubernetesObserved
from shipit.targets.kubernetes.pods import Limits

# What a controller tries again within this time is not a failure yet.
STEADY_S = 1.0


class Case(NamedTuple):
    """`pods` are those that the object owns, directly or through a ReplicaSet, without those that are being deleted."""

    key: str
    live: Live
    pods: Sequence[Pod]
    observed: KubernetesObserved
    seen: Seen
    limits: Limits

    @property
    def is_steady(self) -> bool:
        """Whether nothing changed for a moment, so that a controller had the time to try again."""
        return self.seen.unchanged_s >= STEADY_S

    def events(self, *reasons: str) -> list[Happening]:
        """The events of the object with some reasons, since it was last applied."""
        return about(self.live.meta.uid, self.observed.events, *reasons, since=applied_at(self.live))

    @property
    def kubectl_name(self) -> str:
        """The object for a kubectl command, with its namespace."""
        namespace = f"-n {self.live.meta.namespace} " if self.live.meta.namespace else ""
        return f"{namespace}{self.live.kind.lower()}/{self.live.meta.name}"

    def healthy(self, what: str = "", warnings: Sequence[str] = ()) -> Verdict:
        said = f"{self.key} {what}" if what else ""
        return Verdict(State.HEALTHY, said, said, warnings=tuple(warnings))

    def waiting(self, what: str, progress: str = "", hint: str = "") -> Verdict:
        """`progress` is what changes as it goes on: by default what it waits for."""
        reason = f"{self.key}: {what}"
        return Verdict(State.WAITING, reason, f"{self.key} {progress or what}", hint=hint, subject=self.key)

    def failed(self, what: str, hint: str = "", detail: Sequence[str] = ()) -> Verdict:
        return Verdict(State.FAILED, f"{self.key}: {what}", what, tuple(detail), hint, self.key)

    def not_observed(self) -> Verdict | None:
        """Waiting while the controller has not seen the last change; None when it has."""
        if self.live.status.observed_generation >= self.live.meta.generation:
            return None
        return self.waiting("not yet observed by its controller", str(self.live.meta.generation))
