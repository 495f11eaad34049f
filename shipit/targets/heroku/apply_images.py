"""Releasing images, taking process types out, and rolling back to an earlier release."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.events import Event, Warned
from shipit.targets.heroku.answers import parse_release
from shipit.targets.heroku.changes import Changes, is_rollback_to, newest_version
from shipit.targets.heroku.descriptions import changes_images, has_released
from shipit.targets.heroku.follow import LISTED_S
from shipit.targets.heroku.observed import RELEASE, ReleaseFacts
from shipit.targets.heroku.reading import AppAnswers
from shipit.targets.heroku.retry import write_once
from shipit.targets.heroku.steps import ReleaseImages, RemoveProcess, RollBack
from shipit.targets.heroku.wire import Reply


def release_images(changes: Changes, step: ReleaseImages) -> Iterator[Event]:
    """Release the images that do not run yet, and follow the release while its command runs."""
    now = changes.read(step)

    def is_ours(release: ReleaseFacts) -> bool:
        shorts = ((name, image.short) for name, image in step.updates.items())
        return release.version > step.baseline and any(has_released(release, *short) for short in shorts)

    known = next((release for release in now.releases if is_ours(release)), None)
    if known:
        # Another deploy of the same images was faster: its release is this one's.
        yield from changes.follower.follow(known)
        return
    left = {name: image for name, image in step.updates.items() if not _runs(now, name, image)}
    if not left:
        return
    client = changes.client
    reply = write_once(client, lambda: client.release_images(left), lambda: any(map(is_ours, client.releases())))
    warning = reply.warning if reply else ""
    if RELEASE not in {*now.formation, *step.updates} and reply and not warning:
        return
    release = changes.follower.find(newest_version(now), is_ours, wait_s=0 if warning else LISTED_S)
    if release:
        yield from changes.follower.follow(release)
    elif warning:
        yield Warned(changes.name, f"Heroku made no release: {warning}")


def remove_process(changes: Changes, step: RemoveProcess) -> Iterator[Event]:
    """Take a process type out, unless it is gone or runs another image by now."""
    now, client = changes.read(step), changes.client
    if step.process not in now.formation or now.formation[step.process].short != step.image:
        return

    def send() -> Reply | None:
        try:
            return client.remove(step.process)
        except RemoteError as error:
            if error.status != 404:
                raise
            return None

    write_once(client, send, lambda: step.process not in client.formation())
    if step.process != RELEASE:
        yield from changes.follow_command(now, lambda release: not changes_images(release), wait_s=0)


def roll_back(changes: Changes, step: RollBack) -> Iterator[Event]:
    """Roll back once: a rollback to the same version since the plan is this one's."""
    now, client = changes.read(step), changes.client

    def is_back(release: ReleaseFacts) -> bool:
        return release.version > step.baseline and is_rollback_to(release, step.version)

    release = next(filter(is_back, now.releases), None)
    if release is None:
        reply = write_once(client, lambda: client.roll_back(step.release), lambda: any(map(is_back, client.releases())))
        release = parse_release(reply.body) if reply else changes.follower.find(newest_version(now), is_back)
    if release:
        yield from changes.follower.follow(release)


def _runs(now: AppAnswers, name: str, image: Digest) -> bool:
    return bool(name in now.formation and now.formation[name].runs(image))
