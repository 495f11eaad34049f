"""The wanted objects of a recorded release, in place of those of deploy.yml. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shipit.config.model import ReleaseConfig
from shipit.release import ImageUse, Release
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.history.record import Recalled, Record, applied_objects
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.sealed import is_secret
from shipit.targets.kubernetes.slots import Slot
from shipit.targets.kubernetes.superseded import Released
from shipit.targets.kubernetes.wanted import stamped_by_key


@dataclass(frozen=True)
class RecordedDesired(Desired):
    """What a record holds. `raw` are all of its objects, Secrets without data; `manifests` gives those that are applied."""

    recalled: Recalled | None = None

    @property
    def copies(self) -> Mapping[str, str]:
        return self.recalled.record.copies if self.recalled else {}

    @property
    def versions(self) -> frozenset[str]:
        return super().versions | {self.secret_key}

    def uses(self) -> tuple[ImageUse, ...]:
        return ()

    def slots(self, release: Release, observed: KubernetesObserved) -> dict[str, Slot]:
        """None: the objects say which of two Deployments the release had."""
        return {}

    def identities(self) -> list[Manifest]:
        return list(self.raw)

    def manifests(self, release: Release, observed: KubernetesObserved) -> Iterator[Manifest]:
        """The objects as they were applied. Secrets have keyed hashes of the values in their copies."""
        if self.recalled is None:
            return
        for item in applied_objects(self.recalled.record, self.namespace):
            marks = self.recalled.marks.get(key_of(item, self.namespace))
            yield {**item, "data": dict(marks)} if is_secret(item) and marks is not None else item

    def members(self) -> list[Manifest]:
        """As those of deploy.yml. The Secret with the registry credentials stays where the release or deploy.yml has it."""
        pull = self.recalled.record.pull_secret if self.recalled else ""
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": pull}}
        return [*super().members(), *([head] if pull else [])]

    def health(self) -> dict[str, tuple[int, str]]:
        return dict(self.recalled.record.health) if self.recalled else {}

    @property
    def release_command(self) -> ReleaseConfig | None:
        return None

    def released(self, release: Release, observed: KubernetesObserved, known: Mapping[str, frozenset[str]]) -> Released:
        digests = self.recalled.record.digests if self.recalled else {}
        return Released(
            objects=stamped_by_key(tuple(self.manifests(release, observed)), self.namespace),
            known=known,
            digests={image: frozenset(found) for image, found in digests.items()},
        )


def recorded_desired(desired: Desired, recalled: Recalled) -> RecordedDesired:
    """The same target with the objects of a record."""
    raw = [_without_data(dict(item)) for item in recalled.record.objects]
    # A return waits for no canary, and the credentials on this machine have nothing to do with an earlier release.
    workloads = {name: one.model_copy(update={"canary": None}) for name, one in desired.config.workloads.items()}
    config = desired.config.model_copy(update={"workloads": workloads, "pull_secret": False})
    pull = recalled.record.pull_secret or (desired.pull_key if desired.config.pull_secret else "")
    recalled = recalled._replace(record=recalled.record._replace(pull_secret=pull))
    return RecordedDesired(desired.target, config, desired.project, desired.namespace, raw, (), recalled=recalled)


def _without_data(manifest: Manifest) -> Manifest:
    return {key: value for key, value in manifest.items() if key != "data"} if is_secret(manifest) else manifest


def union(desired: Desired, records: Sequence[Record]) -> RecordedDesired:
    """The objects of several records, each once, to look at all of them at the same time."""
    every = {key_of(item, desired.namespace): item for record in records for item in record.objects}
    first = recorded_desired(desired, Recalled("", records[0]))
    return replace(first, raw=[_without_data(dict(item)) for item in every.values()])
