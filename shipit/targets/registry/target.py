"""Publishing as a target: `delivery` uploads, this target keeps Docker Hub's page and verifies what was published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.digest import Digest
from shipit.errors import ConfigErrors, DeployFailed, RemoteError
from shipit.events import Event
from shipit.past_release import PastRelease
from shipit.reference import DOCKER_HUB, is_tag, parse_reference
from shipit.registry.registries import Registries
from shipit.release import (
    CACHE_TAG,
    Destruction,
    ImageUse,
    Leftover,
    Place,
    Release,
    Rendered,
    Seen,
    State,
    Status,
    Step,
    Unit,
    Verdict,
)
from shipit.targets.registry import KIND
from shipit.targets.registry.config import RegistryConfig
from shipit.targets.registry.observed import RegistryObserved
from shipit.targets.session import Session
from shipit.threads import result_of

if TYPE_CHECKING:
    from shipit.targets.registry.hub import DockerHub
    from shipit.targets.registry.recorded import Records
    from shipit.targets.registry.returning import RegistryRecalled


def create(name: str, config: RegistryConfig, project: Project, environment: ProcessEnvironment) -> RegistryTarget:
    return RegistryTarget(name, config, project)


class RegistryTarget:
    """The repositories of some images."""

    kind = KIND

    def __init__(self, name: str, config: RegistryConfig, project: Project) -> None:
        self.name = name
        self.config = config
        self.project = project
        self._uses = tuple(self._use(image) for image in config.images or (project.image_name(None),))
        self.place = Place("registry", ", ".join(use.repository for use in self._uses))
        self._readme = project.folder.read(config.readme).decode("utf-8-sig") if config.readme else None

    def images(self) -> Sequence[ImageUse]:
        return self._uses

    def observe(self, session: Session) -> RegistryObserved:
        if session.recalled is not None:
            from shipit.targets.registry.recorded import read_digests

            return RegistryObserved(read_digests(_registries(session), tuple(session.recalled.tags)))
        found = dict(chain.from_iterable(self._manifests(use, session) for use in self._uses))
        hubs = {use.repository: _hub(use.repository, session) for use in self._uses if self._keeps_page}
        return RegistryObserved(
            found,
            {name: hub.description(_path(name)) for name, hub in hubs.items() if self._readme is not None},
            {name: hub.tags(_path(name)) for name, hub in hubs.items() if self.config.keep_tags},
        )

    def _manifests(self, use: ImageUse, session: Session) -> Iterator[tuple[str, Digest | None]]:
        """`REPOSITORY REFERENCE` -> digest: of its tags, and of the manifest that the run publishes, once that is known."""
        ref = parse_reference(use.repository)
        if session.release is None and session.inventory is not None:
            for tag, digest in session.inventory.tags(ref, use.tags).items():
                name = f"{use.repository} {tag}"
                yield name, result_of(digest, session.deadline, f"what {name} names")
            return
        client = _registries(session).client(ref)
        awaited = [session.release.image(use).manifest_digest] if session.release else []
        for reference in (*use.tags, *awaited):
            yield f"{use.repository} {reference}", client.manifest_digest(ref.repository, reference)

    def plan(self, release: Release, observed: RegistryObserved) -> tuple[Step, ...]:
        from shipit.targets.registry.plan import plan_description, plan_retention

        texts = [plan_description(name, self._readme or "", now) for name, now in observed.descriptions.items()]
        old = [
            plan_retention(name, self.config.keep_tags or 1, self._own_tags(name), tags)
            for name, tags in observed.tags.items()
        ]
        return tuple(step for step in (*texts, *old) if step)

    def render(self, release: Release, observed: RegistryObserved) -> Rendered:
        from shipit.targets.registry.render import render_description, render_image

        parts = [part for use in self._uses for part in render_image(release.image(use))]
        if self._readme is not None:
            parts += [render_description(use.repository, self._readme) for use in self._uses]
        return Rendered(self.name, self.place, "requests", tuple(parts))

    def images_in_use(self, observed: RegistryObserved) -> Sequence[str]:
        """A registry runs nothing."""
        return ()

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        from shipit.targets.registry.recorded import move_tags
        from shipit.targets.registry.steps import DeleteTags, DescribeRepository, MoveTags, RepositoryStep

        self._check_step(step)
        assert isinstance(step, RepositoryStep)
        if isinstance(step, MoveTags):
            move_tags(_registries(session), step, self.name)
            return iter(())
        hub, path = _hub(step.repository, session), _path(step.repository)
        if isinstance(step, DescribeRepository):
            hub.describe(path, step.text)
        elif isinstance(step, DeleteTags):
            for tag in step.tags:
                hub.delete_tag(path, tag)
        return iter(())

    def _check_step(self, step: Step) -> None:
        """That a step, which may come from a file, is for a repository of this target. Raises: DeployFailed."""
        from shipit.targets.registry.steps import DeleteTags, DescribeRepository, MoveTags

        wrong = ""
        tags = step.tags if isinstance(step, DeleteTags) else tuple(step.before) if isinstance(step, MoveTags) else ()
        if not isinstance(step, DescribeRepository | DeleteTags | MoveTags):
            wrong = f"is of the type {step.type}, which a registry does not have"
        elif step.repository not in {use.repository for use in self._uses}:
            wrong = "is for a repository that deploy.yml does not have"
        elif not all(map(is_tag, tags)):
            wrong = "has a name that is no tag"
        if wrong:
            raise DeployFailed(f"the step {step.id!r} {wrong}", where=self.name, hint="make a new plan")

    @property
    def _keeps_page(self) -> bool:
        """Whether anything on Docker Hub's pages is ours to keep."""
        return self._readme is not None or self.config.keep_tags is not None

    def _own_tags(self, repository: str) -> frozenset[str]:
        """The tags of this deploy, and the one that keeps a build's cache."""
        return frozenset(tag for use in self._uses if use.repository == repository for tag in (*use.tags, CACHE_TAG))

    def inventory(self, session: Session) -> None:
        """Nothing: an image may be pulled by other places, and no registry says who pushed it."""

    def plan_destroy(self, inventory: None, wanted: Destruction) -> tuple[Step, ...]:
        return ()

    def leftovers(self, inventory: None, wanted: Destruction) -> Sequence[Leftover]:
        repositories = ", ".join(dict.fromkeys(use.repository for use in self._uses))
        return (Leftover(f"the images in {repositories} stay: delete them on the pages of the registry"),)

    def judge(self, release: Release, observed: RegistryObserved, seen: Seen) -> Verdict:
        from shipit.targets.registry.judge import judge_tags

        lines = []
        for use in self._uses:
            image = release.image(use)
            key = f"{use.repository} {image.manifest_digest}"
            if key not in observed.manifests:
                return Verdict(State.WAITING, "reading back what was pushed", "read")
            if observed.manifests[key] != image.manifest_digest:
                return Verdict(
                    State.FAILED,
                    f"{image.pinned} is not there",
                    hint="check the registry's garbage collection, and deploy again",
                )
            if verdict := judge_tags(use.repository, use.tags, image.manifest_digest, observed, seen.before):
                return verdict
            lines.append(f"{use.repository}@{image.manifest_digest.short}")
        return Verdict(State.HEALTHY, ", ".join(lines))

    def past_releases(self, most: int, session: Session, *, tells_current: bool = True) -> Sequence[PastRelease]:
        from shipit.targets.registry.recorded import read_digests
        from shipit.targets.registry.records import history_of

        records = self._records(session).read(most, session.warner(self.name))
        tags = None
        if tells_current and records:
            names = dict.fromkeys(name for record in records for name in self._recalled(record.past).tags)
            tags = read_digests(_registries(session), tuple(names))
        return history_of(records, tags, most)

    def record_published(self, past: PastRelease, session: Session) -> None:
        from shipit.targets.registry.records import KEPT_RUNS, Source

        if not self.config.history:
            return
        records, git = self._records(session), self.project.git
        if not past.images:
            earlier = (record.past for record in records.read(KEPT_RUNS) if record.past.version == past.returns_to)
            past = past._replace(images=next(earlier, past).images)
        records.write(past, Source(git.origin or "", git.tag or ""))

    def recall(self, past: PastRelease, session: Session) -> RegistryRecalled:
        from shipit.targets.registry.recorded import read_digests

        recalled = self._recalled(past)
        pinned = dict.fromkeys(image.reference.replace("@", " ") for image in past.images)
        missing = [name for name, digest in read_digests(_registries(session), tuple(pinned)).items() if digest is None]
        if missing or not recalled.tags:
            what = f"{missing[0].replace(' ', '@')} is not there any more" if missing else "it has no tags"
            raise RemoteError(
                f"can't return to {past.version}: {what}", where=self.place.identity, hint="build it again"
            )
        return recalled

    def plan_return(self, recalled: RegistryRecalled, observed: RegistryObserved) -> tuple[Step, ...]:
        from shipit.targets.registry.returning import plan_return

        return plan_return(recalled, observed)

    def return_notes(self, recalled: RegistryRecalled, observed: RegistryObserved) -> Sequence[str]:
        return ("images and tags of later releases stay",)

    def judge_return(self, recalled: RegistryRecalled, observed: RegistryObserved, seen: Seen) -> Verdict:
        from shipit.targets.registry.returning import judge_return

        return judge_return(recalled, observed, seen)

    def _recalled(self, past: PastRelease) -> RegistryRecalled:
        from shipit.targets.registry.returning import recalled_of

        return recalled_of(past, (use.repository for use in self._uses))

    def _records(self, session: Session) -> Records:
        from shipit.targets.registry.recorded import Records
        from shipit.targets.registry.records import Record

        owner = Record(self.project.app, self.project.environment, self.place.identity, PastRelease(""))

        def delete(repository: str, tag: str) -> None:
            _hub(repository, session).delete_tag(_path(repository), tag)

        repositories = [use.repository for use in self._uses]
        return Records(_registries(session), session.clock, repositories, owner, delete)

    def urls(self, observed: RegistryObserved) -> Sequence[str]:
        """The pages of the repositories on Docker Hub that have an image; other registries have no known page."""
        found = {key.partition(" ")[0] for key, digest in observed.manifests.items() if digest}
        refs = [parse_reference(use.repository) for use in self._uses if use.repository in found]
        return tuple(f"https://hub.docker.com/r/{ref.repository}" for ref in refs if ref.registry == DOCKER_HUB)

    def describe(self, observed: RegistryObserved) -> Status:
        units = tuple(
            Unit(key.replace(" ", ":"), "" if digest else "not there", digest or "")
            for key, digest in observed.manifests.items()
        )
        return Status(self.name, self.place, "", units, tuple(self.urls(observed)))

    def _use(self, image: str) -> ImageUse:
        config = self.project.images[image]
        if config.repository is None:
            keys = ("targets", self.name)
            raise ConfigErrors(
                [
                    self.project.problem(
                        keys, f"image {image} has no repository to publish to", "add repository: to the image"
                    )
                ]
            )
        return ImageUse(image, config.repository, "oci", config.platform, None, self.project.tags(image))


def _hub(repository: str, session: Session) -> DockerHub:
    """Docker Hub's API with the credentials for a repository; its token is shared by a run."""
    from shipit.targets.registry.hub import DockerHub, HubLogin

    registries = _registries(session)
    credentials = registries.credentials(parse_reference(repository))
    login = session.clients.once(("docker hub", credentials), partial(HubLogin, registries.http, credentials))
    return DockerHub(login, session.deadline, session.emit)


def _registries(session: Session) -> Registries:
    if session.registries is None:
        raise AssertionError("a registry is read through the run's registries")
    return session.registries


def _path(repository: str) -> str:
    """`namespace/name` of a repository on Docker Hub."""
    return parse_reference(repository).repository
