"""Finding images that Heroku has deleted in other registries, and copying them back to Heroku's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from shipit.delivery.publish_image import publish_image
from shipit.digest import Digest
from shipit.errors import BuildError, DeployFailed, RemoteError
from shipit.events import StepId
from shipit.image.image import BuiltImage
from shipit.past_release import PastRelease
from shipit.printable import counted
from shipit.reference import ImageRef, parse_reference
from shipit.release import Repository, StoredImage
from shipit.targets.heroku.attempts import MOST_ATTEMPTS, choose_attempt
from shipit.targets.heroku.changes import Changes
from shipit.targets.heroku.processes import PLATFORM, TAGS, Processes
from shipit.targets.heroku.reading import AppAnswers
from shipit.targets.heroku.recalled import Source
from shipit.targets.heroku.steps import PushAgain
from shipit.targets.session import Session


def find_sources(
    processes: Processes,
    lost: Mapping[str, str],
    past: PastRelease,
    repositories: Sequence[Repository],
    now: AppAnswers,
    session: Session,
) -> dict[str, Source]:
    """Process type -> where its image is. `lost`: process type -> first twelve digits of its config digest.

    An image is proved by the digest of its config: the whole one where a run recorded it, or else those digits.
    Raises: RemoteError for a process type whose image no repository has.
    """
    uses = processes.uses()
    found: dict[str, Source] = {}
    for process, short in sorted(lost.items()):
        use = uses.get(process)
        if use is None:
            raise RemoteError(f"deploy.yml does not say which image {process} runs", hint=f"add {process} to it")
        asked = [own for own in repositories if own.image == use.image]
        exact = {own.config_digest for own in past.images if own.config_digest.short == short}
        proved = _source(use.image, short, exact, use.command, asked, session)
        if proved is None:
            raise _none(process, short, use.image, use.command is not None, asked)
        found[process] = _reissued(process, *proved, now)
    return found


def _reissued(process: str, proved: Source, image: BuiltImage, now: AppAnswers) -> Source:
    """The same image under a later attempt, where Heroku would ignore it because its last release failed."""

    def digest_of(number: int) -> Digest:
        return Digest(image.with_attempt(proved.attempt + number).config_digest)

    number = choose_attempt(process, cache(digest_of), now.formation.get(process), now.releases)
    return proved._replace(config_digest=digest_of(number), attempt=proved.attempt + number)


def _source(
    image: str,
    short: str,
    exact: set[Digest],
    command: tuple[str, ...] | None,
    repositories: Sequence[Repository],
    session: Session,
) -> tuple[Source, BuiltImage] | None:
    """The source, and the image with its command."""
    for repository in repositories:
        # With no command of its own, most images are known by the digests of the list.
        for stored in sorted(repository.images, key=lambda stored: _short(stored) != short):
            ref = parse_reference(f"{repository.repository}@{stored.manifest_digest}")
            if stored.is_record or (plain := _read(ref, session)) is None:
                continue
            own = plain.with_command(command)
            for attempt in range(MOST_ATTEMPTS):
                digest = Digest(own.with_attempt(attempt).config_digest)
                is_it = digest.short == short and (not exact or digest in exact)
                if is_it and _is_there(plain, session):
                    return Source(image, str(ref), digest, digest, command, attempt, bool(exact)), own
    return None


def _short(stored: StoredImage) -> str:
    return stored.config_digest.rpartition(":")[2][:12]


def _read(ref: ImageRef, session: Session) -> BuiltImage | None:
    """An image that another registry has or had; None where it is for other platforms or not an image."""
    assert session.registries is not None
    try:
        source = session.registries.resolve(ref, PLATFORM, mirrored=False)
    except BuildError:
        return None
    except RemoteError as error:
        if error.status != 404:
            raise
        return None
    return BuiltImage("", source.config, source.layers, PLATFORM, "", origin=source.ref)


def _is_there(image: BuiltImage, session: Session) -> bool:
    """True where the registry has the image now: manifests are read from the content store of this machine where it has them."""
    assert session.registries is not None
    ref = image.origin
    if ref is None or ref.digest is None:
        return False
    return session.registries.client(ref).manifest_digest(ref.repository, ref.digest) == ref.digest


def _none(process: str, short: str, image: str, has_command: bool, asked: Sequence[Repository]) -> RemoteError:
    """The refusal, with what was looked at."""
    if not asked:
        return RemoteError(f"the image {image} of {process} has no other registry: give it a repository: in deploy.yml")
    with_command = ", with the command that deploy.yml has now" if has_command else ""
    looked = ", ".join(map(_looked_at, asked))
    return RemoteError(f"{process} ran {short}, and that is not among {looked}{with_command}")


def _looked_at(repository: Repository) -> str:
    images = [stored for stored in repository.images if not stored.is_record]
    left_out = f", whose other {counted(repository.left_out, 'tag')} were not read" if repository.left_out else ""
    return f"{counted(len(images), 'image')} of {repository.repository}{left_out}"


def push_again(changes: Changes, processes: Processes, step: PushAgain) -> None:
    """Copy an image by its digest, layer by layer; nothing is sent that Heroku's registry has.

    Raises: DeployFailed where the image is not there any more, or the step names a repository that deploy.yml does not have.
    """
    changes.read(step)
    session, delivery = changes.session, changes.session.delivery
    assert delivery is not None
    source = parse_reference(step.source)
    own = {parse_reference(image.repository).name for image in processes.project.images.values() if image.repository}
    if source.name not in own or source.digest is None:
        what = f"the step {step.id!r} takes an image from {step.source}, which is no repository of deploy.yml"
        raise DeployFailed(what, where=changes.name, hint="make a new plan")
    plain = _read(source, session)
    built = plain.with_command(step.command).with_attempt(step.attempt) if plain else None
    if built is None or built.config_digest != step.config_digest or not _is_there(built, session):
        what = f"{step.source} is not the image {step.config_digest.short} any more"
        raise DeployFailed(what, where=changes.name, hint="run it again: it looks for the image again")
    session.fence()
    repository = parse_reference(processes.repository(step.process))
    tag = TAGS[0].replace("{config}", step.config_digest.short)
    digest = Digest.of(built.manifest("docker"))
    if delivery.registries.client(repository).manifest_digest(repository.repository, tag) != digest:
        step_id = StepId("push", f"{repository.name}@{digest}", changes.name)
        publish_image(delivery.uploads, built, repository, "docker", step_id, content_tag=tag)
