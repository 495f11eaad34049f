"""The objects that have pods, by the names that commands are given. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipit.errors import DeployFailed
from shipit.targets.kubernetes.objects import HAVE_PODS, spec_of
from shipit.targets.kubernetes.observed import key_of
from shipit.targets.kubernetes.render import Manifest

if TYPE_CHECKING:
    from shipit.targets.kubernetes.log_pods import Owner


@dataclass(frozen=True)
class NamedWorkloads:
    """The workloads of a target and its namespace. `manifests` are all of its objects, without their images."""

    target: str
    namespace: str
    manifests: Sequence[Manifest]

    def names(self) -> tuple[str, ...]:
        """The names of the objects that have pods, each once."""
        return tuple(dict.fromkeys(str(item["metadata"]["name"]) for item in self._with_pods()))

    def declared_scale(self) -> dict[str, int | None]:
        """Workload -> the replicas of its manifest, None without any."""
        counts = [(str(item["metadata"]["name"]), spec_of(item).get("replicas")) for item in self._with_pods()]
        return {name: count if isinstance(count, int) else None for name, count in counts}

    def keys(self, name: str, kinds: Collection[str]) -> list[str]:
        """The keys of the objects of some kinds that have the name of a workload."""
        return [key_of(item, self.namespace) for item in self._named(name) if item["kind"] in kinds]

    def key(self, name: str, kinds: Sequence[str], what: str) -> str:
        """The key of its only object of these kinds. `what` is what only they can. Raises: DeployFailed."""
        keys = self.keys(name, kinds)
        if len(keys) == 1:
            return keys[0]
        if keys:
            error = f"{name} is the name of {' and '.join(keys)}"
            raise DeployFailed(error, where=self.target, hint="give them different names")
        kind = self._named(name)[0]["kind"]
        error = f"{kind}/{name} can't {what}: only {', '.join(kinds)} can"
        raise DeployFailed(error, where=self.target)

    def with_pods(self, name: str) -> Manifest:
        """The object of a name that has pods: the first one, as `names` has them."""
        return next(item for item in self._named(name) if item["kind"] in HAVE_PODS)

    def owners(self, name: str) -> tuple[Owner, ...]:
        """The objects of a name that have pods."""
        from shipit.targets.kubernetes.log_pods import Owner

        heads = ((item["kind"], item["metadata"]) for item in self._named(name) if item["kind"] in HAVE_PODS)
        return tuple(Owner(kind, name, metadata.get("namespace") or self.namespace) for kind, metadata in heads)

    def _with_pods(self) -> list[Manifest]:
        return [item for item in self.manifests if item["kind"] in HAVE_PODS]

    def _named(self, name: str) -> list[Manifest]:
        return [item for item in self.manifests if item["metadata"]["name"] == name]
