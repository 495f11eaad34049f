"""A Heroku app as a target."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from shipit.config.position import Keys
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.digest import Digest
from shipit.errors import BuildError, RemoteError
from shipit.events import Event
from shipit.image.image import BuiltImage
from shipit.registry.credentials import Credentials
from shipit.release import (
    Destruction,
    Facts,
    Finding,
    ImageUse,
    Leftover,
    Release,
    Rendered,
    Seen,
    State,
    Status,
    Step,
    Unit,
    Verdict,
)
from shipit.targets.heroku.config import HerokuConfig
from shipit.targets.heroku.connection import client_of, token_of
from shipit.targets.heroku.observed import OWNED, RELEASE, UP, WEB, HerokuObserved, parse_owned
from shipit.targets.heroku.operations import Operations
from shipit.targets.heroku.reading import observed_of, read_app, with_owners
from shipit.targets.heroku.refusals import check_stack, no_app
from shipit.targets.heroku.token import NO_TOKEN
from shipit.targets.session import Clients, Session

# Without `release:` in deploy.yml, the app may have a release command all the same: Heroku ends it after an hour.
RELEASE_S = 3600.0


def create(name: str, config: HerokuConfig, project: Project, environment: ProcessEnvironment) -> HerokuTarget:
    """Raises: ConfigError when deploy.yml uses a name that shipit keeps for itself."""
    own: Keys = ("targets", name, "env")
    for keys, names in ((("env",), project.env), (own, config.env), (("secrets",), project.secrets_for(name))):
        if OWNED in names:
            what = "is the name that shipit keeps for its own note on Heroku"
            raise project.problem((*keys, OWNED), what, "choose another name")
    return HerokuTarget(name, config, project, environment)


class HerokuTarget(Operations):
    """One app. Each process type, and the release command, has a repository of Heroku's registry."""

    def images(self) -> Sequence[ImageUse]:
        return tuple(self.processes.uses().values())

    def check(self, images: Mapping[ImageUse, BuiltImage]) -> None:
        for use, image in images.items():
            if not image.has_command:
                hint = (
                    'end the Dockerfile with CMD, for example CMD ["python", "app.py"], or give the process a command:'
                )
                raise BuildError("has no CMD, and Heroku runs nothing else", where=f"image {use.image}", hint=hint)

    def check_login(self, environment: ProcessEnvironment, clients: Clients) -> None:
        if token_of(environment, clients) is None:
            raise RemoteError("not logged in to Heroku", where=self.place.identity, hint=NO_TOKEN, status=401)

    def registry_logins(self, environment: ProcessEnvironment, clients: Clients) -> Mapping[str, Credentials]:
        token = token_of(environment, clients)
        return {self.registry: Credentials("_", token.value, preemptive=True, origin=token.origin)} if token else {}

    def observe(self, session: Session) -> HerokuObserved:
        try:
            answers = read_app(client_of(session, self.app), "config", "dynos")
        except RemoteError as error:
            if error.status == 404:
                raise no_app(self.app, error) from None
            raise
        check_stack(self.app, answers.app)
        # The value that a secret had before is a secret, too; so is that of a variable which left deploy.yml, as far as known.
        names = {
            *self.project.secrets_for(self.name),
            *(parse_owned(answers.config) - self.project.env_for(self.name).keys()),
        }
        session.environment.redactor.add(value for name, value in answers.config.items() if name in names)
        if session.release is None:
            # A plan needs this; the verdict on a release does not look at it.
            formation = with_owners(answers.formation, self.processes.configs, partial(self._is_pushed, session))
            answers = answers._replace(formation=formation)
        return observed_of(answers, session.mark)

    def inventory(self, session: Session) -> HerokuObserved | None:
        """The app, with whether shipit pushed what each process type runs; None where there is no app."""
        try:
            found = self.observe(session)
        except RemoteError as error:
            if error.status == 404:
                return None
            raise
        return found._replace(formation=with_owners(found.formation, (), partial(self._is_pushed, session)))

    def plan_destroy(self, inventory: HerokuObserved | None, wanted: Destruction) -> tuple[Step, ...]:
        from shipit.targets.heroku.destroy import plan_destroy

        return plan_destroy(self.app, self.config.processes, inventory, wanted)

    def leftovers(self, inventory: HerokuObserved | None, wanted: Destruction) -> Sequence[Leftover]:
        from shipit.targets.heroku.destroy import leftovers

        return tuple(leftovers(self.app, self.config.processes, inventory, wanted))

    def reissue(self, images: Mapping[ImageUse, BuiltImage], observed: HerokuObserved) -> Mapping[ImageUse, ImageUse]:
        """Uses whose image Heroku would ignore, since its release failed, and those that run under a later attempt."""
        from shipit.targets.heroku.attempts import choose_attempt
        from shipit.targets.heroku.descriptions import sets_variables

        last = next((release for release in observed.releases if release.status != "pending"), None)
        names = {*self.project.env_for(self.name), *self.project.secrets_for(self.name), *observed.owned}
        has_config_failed = last is not None and last.status == "failed" and sets_variables(last, names)
        found = {}
        for use, image in images.items():
            name = use.repository.rpartition("/")[2]
            attempt = choose_attempt(
                name,
                cache(lambda number, image=image: Digest(image.with_attempt(number).config_digest)),
                observed.formation.get(name),
                observed.releases,
                must_differ=has_config_failed and name == RELEASE,
            )
            if attempt:
                found[use] = use._replace(attempt=attempt)
        return found

    def plan(self, release: Release, observed: HerokuObserved) -> tuple[Step, ...]:
        from shipit.targets.heroku.plan import plan_heroku

        return plan_heroku(self._wanted(release), observed)

    def render(self, release: Release, observed: HerokuObserved) -> Rendered:
        from shipit.targets.heroku.render import render_heroku

        parts = render_heroku(self.app, self._wanted(release), observed.owned)
        return Rendered(self.name, self.place, "requests", parts)

    def notes(self, release: Release, observed: HerokuObserved) -> tuple[str, ...]:
        from shipit.targets.heroku.plan import notes_on

        return notes_on(self._wanted(release), observed)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        from shipit.targets.heroku.apply import apply_step
        from shipit.targets.heroku.changes import Changes
        from shipit.targets.heroku.steps import PushAgain

        timeout_s = self.project.release.timeout if self.project.release else RELEASE_S
        changes = Changes(self.name, replace(client_of(session, self.app), attempts=1), session, timeout_s)
        if isinstance(step, PushAgain):
            from shipit.targets.heroku.push_again import push_again

            push_again(changes, self.processes, step)
            return
        yield from apply_step(changes, step)

    def plan_rollback(
        self, release: Release, before: HerokuObserved, now: HerokuObserved, applied: Mapping[str, Facts]
    ) -> tuple[Step, ...]:
        from shipit.targets.heroku.plan_rollback import plan_rollback

        return plan_rollback(before, now, self.processes.digests(release), _changed_names(release, before))

    def judge_rollback(self, release: Release, before: HerokuObserved, observed: HerokuObserved, seen: Seen) -> Verdict:
        from shipit.targets.heroku.judge import judge_heroku
        from shipit.targets.heroku.wanted import wanted_as_before

        released = sorted(set(observed.formation) - {RELEASE})
        if released and not before.formation:
            what = f"nothing ran before, and what this deploy released stays: {', '.join(released)}"
            return Verdict(State.FAILED, what)
        wanted = wanted_as_before(before, _changed_names(release, before))
        return judge_heroku(wanted, observed, seen, pending_s=self.config.pending)

    def examine(self, session: Session) -> Sequence[Finding]:
        """Where the token comes from, and how far this machine's clock is from Heroku's."""
        from shipit.http.skew import judge_skew

        token = token_of(session.environment, session.clients)
        findings = [Finding("ok", "heroku", f"takes the token from {token.origin}")] if token else []
        skew = judge_skew("Heroku", client_of(session, self.app).date(), time.time())
        return [*findings, *([skew] if skew else [])]

    def judge(self, release: Release, observed: HerokuObserved, seen: Seen) -> Verdict:
        from shipit.targets.heroku.judge import judge_heroku

        return judge_heroku(self._wanted(release), observed, seen, pending_s=self.config.pending)

    def probe(self, observed: HerokuObserved, session: Session, *, has_changed: bool) -> HerokuObserved:
        """Probes web at its path of `health`; without one, at `/` after a change, and only to warn."""
        web = observed.formation.get(WEB)
        path = self.config.health_path
        is_probed = WEB in self.config.processes and web and web.quantity and not observed.maintenance
        if not is_probed or not (path or has_changed):
            return observed
        from shipit.targets.heroku.probe import probe_app

        return observed._replace(probe=probe_app(client_of(session, self.app), observed.web_url, path))

    def urls(self, observed: HerokuObserved) -> Sequence[str]:
        web = observed.formation.get(WEB)
        return (observed.web_url,) if observed.web_url and web is not None and web.quantity else ()

    def describe(self, observed: HerokuObserved) -> Status:
        units = []
        for name, facts in sorted(observed.formation.items()):
            own = [dyno for dyno in observed.dynos if dyno.process == name]
            image = facts.image if facts.image and not facts.released else facts.short
            units.append(
                Unit(
                    name,
                    ", ".join(f"{dyno.name} {dyno.state}" for dyno in own),
                    image or "",
                    facts.quantity,
                    observed.up(name),
                    since=min((dyno.since for dyno in own if dyno.state in UP), default=""),
                )
            )
        running, newest = f"v{observed.running_version or observed.version}", f"v{observed.version}"
        attempted = newest if newest != running else ""
        urls = tuple(self.urls(observed))
        return Status(self.name, self.place, running, tuple(units), urls, attempted=attempted)

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        """Adds the output of a failed release command, or the log of a crashed dyno."""
        from shipit.targets.heroku.diagnose import diagnose

        return diagnose(verdict, client_of(session, self.app))


def _changed_names(release: Release, before: HerokuObserved) -> set[str]:
    """The config vars that a deploy of this release may have changed."""
    return {*release.marks, *before.owned}
