"""The changes of a plan, made to an app: each looks again at what is before it writes, and does only what is still to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shipit.digest import Digest
from shipit.errors import DeployFailed, RemoteError
from shipit.events import Event, Warned
from shipit.release import PayloadStep as Step
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.descriptions import changes_images, gives, sets_variables, told
from shipit.targets.heroku.follow import LISTED_S, Follower
from shipit.targets.heroku.observed import ReleaseFacts, parse_release
from shipit.targets.heroku.plan import RELEASE
from shipit.targets.heroku.reading import Answers, ask
from shipit.targets.heroku.retry import bear, write
from shipit.targets.heroku.wire import Said

Values = Mapping[str, str | None]


@dataclass(frozen=True)
class Changes:
    """Makes changes for the target `name`. `client` asks once: what may pass is borne here, until the deadline."""

    name: str
    client: HerokuClient
    follower: Follower

    def apply(self, step: Step, secrets: Mapping[str, str], before: Values) -> Iterator[Event]:
        """Do one step. `before` has the values of config vars as they were, for the way back."""
        payload = step.payload
        if step.id == "scale":
            self._look(payload)
            write(self.client, lambda: self.client.scale(payload["updates"]), lambda: False)
        elif step.id == "config":
            known = {name: secrets[name] for name in payload["secrets"]}
            gone = dict.fromkeys(payload["remove"])
            yield from self._set(payload, {**payload["set"], **known, **gone, **payload["note"]})
        elif step.id == "config back":
            yield from self._set(payload, {name: before.get(name) for name in payload["names"]})
        elif step.id == "rollback":
            yield from self._roll_back(payload)
        elif "process" in payload:
            yield from self._remove(payload)
        else:
            yield from self._release(payload)

    def _look(self, payload: Mapping[str, Any], *names: str) -> Answers:
        """The app as it is now. Raises: RemoteError when its name is another app's, DeployFailed when it moved on."""
        now = bear(self.client, lambda: ask(self.client, *names))
        if now.app.id != payload["app"]:
            what = f"the name {self.client.app} is another app's since the plan was made"
            raise RemoteError(what, where=self.name, hint="run it again to plan for the app that has it now")
        if "images" in payload:
            self._check_others(now, payload)
        return now

    def _check_others(self, now: Answers, payload: Mapping[str, Any]) -> None:
        for release in now.releases:
            is_ours = any(gives(release, name, short) for name, short in payload["images"].items())
            if release.version > payload["baseline"] and changes_images(release) and not is_ours:
                error = DeployFailed(
                    f"someone else released {told(release)} since the plan was made",
                    where=self.name,
                    hint="deploy again when they are done",
                )
                error.superseded_by = release.user or "someone else"
                raise error

    def _set(self, payload: Mapping[str, Any], values: Values) -> Iterator[Event]:
        now = self._look(payload, "config")
        differing = _differing(values, now.config)
        if not differing:
            return
        write(
            self.client,
            lambda: self.client.set_config(differing),
            lambda: not _differing(differing, self.client.config_vars()),
        )
        yield from self._follow_command(now, lambda release: sets_variables(release, differing))

    def _remove(self, payload: Mapping[str, Any]) -> Iterator[Event]:
        name = payload["process"]
        now = self._look(payload)
        if name not in now.formation or now.formation[name].short != payload["image"]:
            return

        def send() -> Said | None:
            try:
                return self.client.remove(name)
            except RemoteError as error:
                if error.status != 404:
                    raise
                return None

        write(self.client, send, lambda: name not in self.client.formation())
        if name != RELEASE:
            yield from self._follow_command(now, lambda release: not changes_images(release), wait_s=0)

    def _follow_command(
        self, now: Answers, matches: Callable[[ReleaseFacts], bool], *, wait_s: float = LISTED_S
    ) -> Iterator[Event]:
        """Follow the release that was just made, where a release command is in force: else it is over already."""
        if RELEASE not in now.formation:
            return
        release = self.follower.find(_newest(now), matches, wait_s=wait_s)
        if release:
            yield from self.follower.follow(release)

    def _release(self, payload: Mapping[str, Any]) -> Iterator[Event]:
        now, updates = self._look(payload), payload["updates"]

        def is_ours(release: ReleaseFacts) -> bool:
            images = ((update["type"], Digest(update["docker_image"]).short) for update in updates)
            return release.version > payload["baseline"] and any(gives(release, *image) for image in images)

        given = next((release for release in now.releases if is_ours(release)), None)
        if given:
            # Another deploy of the same images was faster: its release is this one's.
            yield from self.follower.follow(given)
            return
        left = [update for update in updates if not _runs(now, update)]
        if not left:
            return
        said = write(
            self.client, lambda: self.client.release_images(left), lambda: any(map(is_ours, self.client.releases()))
        )
        has_command = RELEASE in now.formation or any(update["type"] == RELEASE for update in updates)
        if not has_command and said is not None and not said.warning:
            return
        release = self.follower.find(_newest(now), is_ours, wait_s=0 if said and said.warning else LISTED_S)
        if release:
            yield from self.follower.follow(release)
        elif said and said.warning:
            yield Warned(self.name, f"Heroku made no release: {said.warning}")

    def _roll_back(self, payload: Mapping[str, Any]) -> Iterator[Event]:
        now = self._look(payload)

        def is_back(release: ReleaseFacts) -> bool:
            return release.version > _newest(now) and release.description.startswith("Rollback ")

        said = write(
            self.client,
            lambda: self.client.roll_back(payload["rollback"]),
            lambda: any(map(is_back, self.client.releases())),
        )
        release = parse_release(said.body) if said else self.follower.find(_newest(now), is_back)
        if release:
            yield from self.follower.follow(release)


def _newest(now: Answers) -> int:
    return max((release.version for release in now.releases), default=0)


def _differing(values: Values, now: Mapping[str, str]) -> dict[str, str | None]:
    return {name: value for name, value in values.items() if now.get(name) != value}


def _runs(now: Answers, update: Mapping[str, Any]) -> bool:
    facts = now.formation.get(update["type"])
    return bool(facts and facts.runs(Digest(update["docker_image"])))
