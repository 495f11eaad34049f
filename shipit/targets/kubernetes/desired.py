"""The objects, Secrets and release Job of a target, from deploy.yml and the images of a release. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING

from shipit.config.model import ReleaseConfig
from shipit.config.position import Position
from shipit.errors import ConfigErrors
from shipit.release import Image, ImageUse, Release
from shipit.targets.image_uses import image_use
from shipit.targets.kubernetes.applyset import labelled
from shipit.targets.kubernetes.concise.blue_green import slot_names
from shipit.targets.kubernetes.concise.render.patch import PatchFailed
from shipit.targets.kubernetes.concise.render.work import Work
from shipit.targets.kubernetes.concise.render.workload import render_workload
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.images import image_for, image_names, pin_images
from shipit.targets.kubernetes.objects import is_namespace
from shipit.targets.kubernetes.observed import KubernetesObserved, key_of
from shipit.targets.kubernetes.own_names import OwnNames
from shipit.targets.kubernetes.render import VERSION_LABEL, Manifest, Setting
from shipit.targets.kubernetes.versions import version_label

if TYPE_CHECKING:
    from shipit.targets.kubernetes.slots import Slot
    from shipit.targets.kubernetes.superseded import Released


@dataclass(frozen=True)
class Desired(OwnNames):
    """`raw` are the objects of the manifests, and `places`: key -> where each begins. `sources`: name -> text of those that are
    no files. `secret_names` are the secrets of this target.

    `contents`: workload -> path in the container -> content of its files.
    """

    raw: Sequence[Manifest]
    secret_names: Sequence[str]
    places: Mapping[str, Position] = field(default_factory=dict)
    contents: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    sources: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def files(self) -> dict[str, str]:
        """Key -> file of each object of the manifests."""
        return {key: place.file for key, place in self.places.items()}

    @property
    def creates_namespace(self) -> bool:
        """Whether the namespace of the target is one of the manifests."""
        return any(is_namespace(manifest, self.namespace) for manifest in self.raw)

    def uses(self) -> tuple[ImageUse, ...]:
        names = {self.project.image_name(image) for _, image in self.config.image_keys()}
        names |= {image for named in self._named for image in named.values()}
        if self.project.release:
            names.add(self.project.image_name(self.project.release.image))
        return tuple(self._use(name) for name in sorted(names))

    def setting(self, mark: str, secret_name: str = "") -> Setting:
        return Setting(
            app=self.project.app,
            namespace=self.namespace,
            env=self.project.env,
            secret_names=self.secret_names,
            secret_mark=mark,
            secret_name=secret_name or self.secret_key,
            pull_secret=self.pull_key if self.config.pull_secret else None,
        )

    def setting_of(self, observed: KubernetesObserved) -> Setting:
        return self.setting(observed.secret_mark, observed.secret_name)

    def manifests(self, release: Release, observed: KubernetesObserved) -> Iterator[Manifest]:
        """The wanted objects, their images pinned, their Secrets sealed, and with the hashes of what their pods use.

        Without the env's Secret and the release Job.
        """
        from shipit.targets.kubernetes.roll import with_hashes

        slots = self.slots(release, observed)
        found = with_hashes(tuple(self._unhashed(release, observed, slots)), observed, self.namespace)
        if not slots:
            yield from found
            return
        from shipit.targets.kubernetes.slots import in_slots

        own = {self.workload_name(name): one for name, one in self.config.workloads.items()}
        yield from in_slots(found, slots, {slots[name].name: name for name in slots if own[name].scale}, observed)

    def slots(self, release: Release, observed: KubernetesObserved) -> dict[str, Slot]:
        """Workload -> the Deployment that its version goes to, of those that have two."""
        names = [self.workload_name(name) for name, one in self.config.workloads.items() if one.has_slots]
        if not names:
            return {}
        from shipit.targets.kubernetes.roll import with_hashes
        from shipit.targets.kubernetes.slots import choose_slot

        plain = with_hashes(tuple(self._unhashed(release, observed, {})), observed, self.namespace)
        return {name: choose_slot(name, plain, observed) for name in names}

    def slot_check(self, workload: str) -> str:
        """The check of a workload before a switch; empty for none."""
        configs = (
            one.blue_green for name, one in self.config.workloads.items() if self.workload_name(name) == workload
        )
        return next((one.check or "" for one in configs if one), "")

    def _unhashed(
        self, release: Release, observed: KubernetesObserved, slots: Mapping[str, Slot]
    ) -> Iterator[Manifest]:
        from shipit.targets.kubernetes.sealed import sealed

        setting = self.setting_of(observed)
        for manifest, named in zip(self.raw, self._named, strict=True):
            marks = observed.wanted_marks.get(key_of(manifest, self.namespace), {})
            whole = sealed(manifest, marks)
            if named:
                pins = {text: self.image(image, release).pinned for text, image in named.items()}
                whole = pin_images(whole, pins.get, self.config.image_fields)
            yield labelled(whole, self.set_id)
        for name, workload in self.config.workloads.items():
            image = self.image(self.project.image_name(workload.image), release)
            others = {other: self.image(other, release) for other in other_images(workload)}
            work = Work(
                self.workload_name(name), workload, image.pinned, image.config_digest, setting,
                images={other: one.pinned for other, one in others.items()},
                users={one.pinned: one.user for one in (image, *others.values())},
            )  # fmt: skip
            if slot := slots.get(work.name):
                work = work._replace(slot=slot.name)
            yield from (labelled(item, self.set_id) for item in self._rendered(name, work))

    def identities(self) -> list[Manifest]:
        """The same objects without their images, for their kinds and names."""
        setting = self.setting("")
        works = [
            (name, Work(self.workload_name(name), workload, "", "", setting))
            for name, workload in self.config.workloads.items()
        ]
        return [*self.raw, *(item for name, work in works for item in self._identities(name, work))]

    def _identities(self, name: str, work: Work) -> Iterator[Manifest]:
        """The objects of a workload, with both Deployments where it has two."""
        first, *others = slot_names(work.name) if work.config.has_slots else ("",)
        yield from self._rendered(name, work._replace(slot=first))
        for slot in others:
            yield from (item for item in self._rendered(name, work._replace(slot=slot)) if item["kind"] == "Deployment")

    def _rendered(self, name: str, work: Work) -> list[Manifest]:
        """The objects of a workload. Raises: ConfigErrors where a patch does not fit."""
        try:
            return render_workload(work._replace(files=self.contents.get(name, {})))
        except PatchFailed as error:
            keys = ("targets", self.target, "workloads", name, "patch", *error.keys)
            raise ConfigErrors([self.project.problem(keys, str(error))]) from None

    @cached_property
    def heads(self) -> frozenset[tuple[str, str, str, str]]:
        """apiVersion, kind, namespace and name of the same objects."""
        found = set()
        for manifest in self.identities():
            metadata = manifest["metadata"]
            # The server drops the namespace of an object that belongs to the whole cluster.
            for namespace in {metadata.get("namespace") or self.namespace, self.namespace}:
                found.add((manifest["apiVersion"], manifest["kind"], namespace, metadata["name"]))
        return frozenset(found)

    def members(self) -> list[Manifest]:
        """Everything that the target applies, for kinds and names; of a release Job the kind only."""
        secrets = [
            name
            for name, is_wanted in ((self.secret_key, self.secret_names), (self.pull_key, self.config.pull_secret))
            if is_wanted
        ]
        jobs = [_head("batch/v1", "Job", self.job_prefix)] if self.project.release else []
        return [*self.identities(), *(_head("v1", "Secret", name) for name in secrets), *jobs]

    @property
    def versions(self) -> frozenset[str]:
        """The names, without their hashes, of what the target has under names with hashes."""
        from shipit.targets.kubernetes.sealed import is_secret

        identities = self.identities()
        labels = (manifest["metadata"].get("labels") or {} for manifest in identities)
        found = {str(own[VERSION_LABEL]) for own in labels if VERSION_LABEL in own}
        # The Secrets of manifests have copies for the releases that are kept.
        found |= {version_label(item["metadata"]["name"]) for item in identities if is_secret(item)}
        return frozenset(found | ({self.secret_key} if self.secret_names else set()))

    @property
    def copies(self) -> Mapping[str, str]:
        """Key of a Secret -> name of the copy that it is restored from; empty for what deploy.yml wants."""
        return {}

    def released(self, release: Release, observed: KubernetesObserved, known: Mapping[str, frozenset[str]]) -> Released:
        """What a release wants, to judge a namespace against. `known` is that of `Released`."""
        from shipit.targets.kubernetes.superseded import Released
        from shipit.targets.kubernetes.wanted import stamped_by_key

        images = release.images
        return Released(
            objects=stamped_by_key(tuple(self.manifests(release, observed)), self.namespace),
            known=known,
            digests={image.pinned: frozenset((image.manifest_digest, image.config_digest)) for image in images},
            secret_key=f"Secret/{observed.secret_name or self.secret_key}",
            secrets={name: release.marks[name] for name in self.secret_names if name in release.marks},
        )

    @property
    def release_command(self) -> ReleaseConfig | None:
        """The command that runs before anything else is applied; None without one."""
        return self.project.release

    def health(self) -> dict[str, tuple[int, str]]:
        """Name of a Service -> port and path of its health check."""
        return {
            self.workload_name(name): (workload.port, workload.health.path)
            for name, workload in self.config.workloads.items()
            if workload.port is not None and workload.health and workload.health.path
            if workload.health.port in (None, workload.port)
        }

    def port_of(self, workload: str) -> int:
        """The port of a workload; 0 without one."""
        return next(
            (one.port or 0 for name, one in self.config.workloads.items() if self.workload_name(name) == workload), 0
        )

    @cached_property
    def _named(self) -> tuple[dict[str, str], ...]:
        """For each object of the manifests: text that names an image of deploy.yml -> that image."""
        fields, repositories = self.config.image_fields, self._repositories
        found = cache(lambda text: image_for(text, repositories))
        return tuple(
            {text: image for text in image_names(manifest, fields) if (image := found(text))} for manifest in self.raw
        )

    @cached_property
    def _repositories(self) -> dict[str, str]:
        """Image -> repository; empty for an image that is not built: manifests refer to it by its name only."""
        return {image: built.repository or "" for image, built in self.project.images.items()}

    def image(self, name: str, release: Release) -> Image:
        """An image of deploy.yml as the release has it."""
        return release.image(self._use(name))

    def _use(self, name: str) -> ImageUse:
        config = self.project.images[name]
        if not config.use and config.repository is None:
            what, hint = f"image {name} has no repository for the cluster to pull from", "add repository: to the image"
            raise ConfigErrors([self.project.problem(("targets", self.target), what, hint)])
        return image_use(self.project, name)


def other_images(workload: WorkloadConfig) -> list[str]:
    """The images of deploy.yml that its init containers and sidecars name."""
    containers = (*workload.init.values(), *workload.sidecars.values())
    return [item.image for item in containers if item.image is not None]


def _head(version: str, kind: str, name: str) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}
