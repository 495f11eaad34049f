"""A Heroku app as a target: joins the wire, the plan and the judgement."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.digest import Digest
from shipit.errors import BuildError, Interrupted, RemoteError, ShipitError
from shipit.events import Event
from shipit.http.skew import judge_skew
from shipit.image.image import BuiltImage
from shipit.reference import parse_reference
from shipit.registry.credentials import Credentials
from shipit.release import Finding, ImageUse, PayloadStep, Place, Release, Seen, Status, Step, Unit, Verdict
from shipit.targets.heroku.address import api_address
from shipit.targets.heroku.apply import Changes
from shipit.targets.heroku.attempts import choose_attempt
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.config import HerokuConfig, ProcessConfig
from shipit.targets.heroku.descriptions import sets_variables
from shipit.targets.heroku.follow import Follower, ReleaseFailed
from shipit.targets.heroku.judge import WEB, judge_heroku, outage, still_runs
from shipit.targets.heroku.last_words import last_run
from shipit.targets.heroku.lines import TAIL_LINES
from shipit.targets.heroku.observed import NOTHING, OWNED, HerokuObserved
from shipit.targets.heroku.plan import RELEASE, Wanted, notes_on, plan_heroku
from shipit.targets.heroku.plan_rollback import plan_back
from shipit.targets.heroku.probe import ask_app
from shipit.targets.heroku.reading import ask, observed_of, with_owners, without
from shipit.targets.heroku.refusals import check_stack, no_app
from shipit.targets.heroku.streams import ReleaseOutput, recent_logs
from shipit.targets.heroku.token import NO_TOKEN, Token, find_token
from shipit.targets.heroku.wanted import wanted_back, wanted_of
from shipit.targets.heroku.wire import HerokuWire
from shipit.targets.session import Session

PLATFORM = "linux/amd64"
WAY_BACK = ("rollback", "config back", "scale")
# How long putting back what was changed may take, also when the deadline has passed.
PUT_BACK_S = 120.0
# A release command of Heroku's own kind, without `release:` in deploy.yml, ends within an hour.
RELEASE_S = 3600.0
# How much of a dyno's log is asked for: it may begin with what ran before.
LOG_LINES = 200


def create(name: str, config: HerokuConfig, project: Project, environment: ProcessEnvironment) -> HerokuTarget:
    """Raises: ConfigError when deploy.yml uses a name that shipit keeps for itself."""
    for part, names in (("env", project.env), ("secrets", project.secrets_for(name))):
        if OWNED in names:
            what = "is the name that shipit keeps for its own note on Heroku"
            raise project.problem((part, OWNED), what, "choose another name")
    return HerokuTarget(name, config, project, environment)


class HerokuTarget:
    """One app. Process types and the release command become repositories of Heroku's registry."""

    def __init__(self, name: str, config: HerokuConfig, project: Project, environment: ProcessEnvironment) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.app = config.app or project.app
        api, self.registry = api_address(environment)
        self.place = Place("heroku", f"app {self.app} at {api.split('://')[-1]}")
        self._wire: HerokuWire | None = None
        self._before: HerokuObserved | None = None
        self._released: dict[str, Digest] = {}
        self._token: tuple[Token | None, ...] = ()

    def images(self) -> Sequence[ImageUse]:
        uses = [self._use(name, process) for name, process in self._processes().items()]
        return tuple(uses)

    def check(self, images: Mapping[ImageUse, BuiltImage]) -> None:
        for use, image in images.items():
            if not image.has_command:
                hint = (
                    'end the Dockerfile with CMD, for example CMD ["python", "app.py"], or give the process a command:'
                )
                raise BuildError("has no CMD, and Heroku runs nothing else", where=f"image {use.image}", hint=hint)

    def check_login(self, environment: ProcessEnvironment) -> None:
        if self._find_token(environment) is None:
            raise RemoteError("nobody is logged in to Heroku", where=self.place.identity, hint=NO_TOKEN, status=401)

    def registry_logins(self, environment: ProcessEnvironment) -> Mapping[str, Credentials]:
        token = self._find_token(environment)
        return {self.registry: Credentials("_", token.value, preemptive=True, origin=token.origin)} if token else {}

    def observe(self, session: Session) -> HerokuObserved:
        client = self._client(session)
        try:
            answers = ask(client, "config", "dynos")
        except RemoteError as error:
            if error.status == 404:
                raise no_app(self.app, error) from None
            raise
        check_stack(self.app, answers.app)
        # What a secret was before is a secret, too.
        secrets = self.project.secrets_for(self.name)
        session.environment.redactor.add(value for name, value in answers.config.items() if name in secrets)
        is_pushed = partial(self._is_pushed, session)
        return observed_of(
            answers._replace(formation=with_owners(answers.formation, self._processes(), is_pushed)), session.mark
        )

    def reissue(self, images: Mapping[ImageUse, BuiltImage], observed: HerokuObserved) -> Mapping[ImageUse, ImageUse]:
        """Uses whose image Heroku would ignore, since its release failed, and those that run under a later id."""
        last = next((release for release in observed.releases if release.status != "pending"), None)
        is_config_pending = last is not None and last.status == "failed" and sets_variables(last, self._names())
        found = {}
        for use, image in images.items():
            name = use.repository.rpartition("/")[2]
            attempt = choose_attempt(
                name,
                cache(lambda number, image=image: Digest(image.with_attempt(number).config_digest)),
                observed.formation.get(name),
                observed.releases,
                must_differ=is_config_pending and name == RELEASE,
            )
            if attempt:
                found[use] = use._replace(attempt=attempt)
        return found

    def plan(self, release: Release, observed: HerokuObserved) -> tuple[Step, ...]:
        self._before, self._released = observed, self._digests(release)
        return plan_heroku(self._wanted(release), observed)

    def notes(self, release: Release, observed: HerokuObserved) -> tuple[str, ...]:
        return notes_on(self._wanted(release), observed)

    def apply(self, step: Step, session: Session) -> Iterator[Event]:
        assert isinstance(step, PayloadStep)
        try:
            yield from self._changes(session).apply(step, session.secrets, self._config_before())
        except ReleaseFailed as error:
            if step.id not in WAY_BACK:
                yield from self._after_failure(error, step, session)
            raise

    def plan_rollback(self, release: Release, before: HerokuObserved, now: HerokuObserved) -> tuple[Step, ...]:
        # Values stay in memory: a step holds none.
        self._before = before
        return plan_back(before, now, self._released, self._names())

    def judge_rollback(self, release: Release, before: HerokuObserved, observed: HerokuObserved, seen: Seen) -> Verdict:
        return judge_heroku(wanted_back(before, self._names()), observed, seen, pending_s=self.config.pending)

    def examine(self, session: Session) -> Sequence[Finding]:
        """The token, the account's clock, and that the app's registry lets it in."""
        token = find_token(session.environment)
        findings = [Finding("ok", "heroku", f"takes the token from {token.origin}")] if token else []
        skew = judge_skew("Heroku", self._client(session).date(), time.time())
        return [*findings, *([skew] if skew else [])]

    def judge(self, release: Release, observed: HerokuObserved, seen: Seen) -> Verdict:
        return judge_heroku(self._wanted(release), observed, seen, pending_s=self.config.pending)

    def probe(self, observed: HerokuObserved, session: Session, *, has_changed: bool) -> HerokuObserved:
        """Asks web for its path of `health`; without one, for `/` after a change, and only to warn."""
        web = observed.formation.get(WEB)
        path = self.config.health_path
        is_asked = WEB in self.config.processes and web and web.quantity and not observed.maintenance
        if not is_asked or not (path or has_changed):
            return observed
        return replace(observed, probe=ask_app(self._client(session), observed.web_url, path))

    def urls(self, observed: HerokuObserved) -> Sequence[str]:
        web = observed.formation.get(WEB)
        return (observed.web_url,) if observed.web_url and web is not None and web.quantity else ()

    def describe(self, observed: HerokuObserved) -> Status:
        units = []
        for name, facts in sorted(observed.formation.items()):
            states = [f"{dyno.name} {dyno.state}" for dyno in observed.dynos if dyno.process == name]
            image = facts.image if facts.image and not facts.told else facts.short
            units.append(Unit(name, ", ".join(states), image or "", facts.quantity, observed.up(name)))
        return Status(self.name, self.place, f"v{observed.version}", tuple(units), tuple(self.urls(observed)))

    def diagnose(self, verdict: Verdict, session: Session) -> Verdict:
        """Adds the output of a failed release phase, or the log of a crashed dyno."""
        kind, _, subject = verdict.subject.partition(":")
        client = self._client(session)
        lines: list[str] = []
        try:
            if kind == "release":
                output = ReleaseOutput(client.wire, client.release(subject).output_url)
                lines = [*output.more(client.deadline), *output.lines.end()] and list(output.lines.tail)
                lines = lines or recent_logs(client)
            elif kind == "dyno":
                lines = last_run(recent_logs(client, subject, LOG_LINES))[-TAIL_LINES:]
        except ShipitError:
            return verdict
        hint = verdict.hint or f"heroku logs --app {self.app}"
        return verdict._replace(detail=tuple(lines), hint=hint)

    def _after_failure(self, error: ReleaseFailed, step: PayloadStep, session: Session) -> Iterator[Event]:
        """Put back what this run changed before a release failed, and tell what runs now."""
        session = replace(session, deadline_s=max(session.deadline_s, session.clock.now() + PUT_BACK_S), attempts=5)
        if self._before is None:
            return
        try:
            now = self.observe(session)
            if step.payload["is_later"] or step.id == "config":
                now = without(now, step.payload["taken_out"])
                steps = plan_back(self._before, now, self._released, self._names())
                for back in steps:
                    yield from self._changes(session).apply(back, {}, self._config_before())
                if steps:
                    now = self.observe(session)
                    error.what += f"; so this was done: {', '.join(back.summary for back in steps)}"
            self._tell_what_runs(error, now, session.clock.now())
        except Interrupted:
            raise
        except ShipitError as second:
            error.what += f"; putting back what was changed failed, too: {second}"

    def _tell_what_runs(self, error: ReleaseFailed, now: HerokuObserved, at_s: float) -> None:
        seen = Seen(at_s, at_s, at_s, None, self._before)
        error.hint += still_runs(now, seen)
        error.down = outage(now, seen)

    def _wanted(self, release: Release) -> Wanted:
        return wanted_of(self.config, self.project, self._digests(release), release.marks)

    def _names(self) -> set[str]:
        """The variables that this target may change."""
        owned = self._before.owned if self._before else set()
        return {*self.project.env, *self.project.secrets_for(self.name), *owned}

    def _config_before(self) -> Mapping[str, str]:
        return self._before.config if self._before else {}

    def _is_pushed(self, session: Session, process: str, short: str) -> bool | None:
        """Whether the app's registry has the tag that shipit puts beside an image of a process type."""
        if session.registries is None or not short or short == NOTHING:
            return None
        reference = parse_reference(f"{self.registry}/{self.app}/{process.lower()}")
        try:
            client = session.registries.client(reference)
            return client.manifest_digest(reference.repository, f"sha-{short}") is not None
        except RemoteError:
            return None

    def _processes(self) -> dict[str, ProcessConfig]:
        own = dict(self.config.processes)
        if self.project.release and RELEASE not in own:
            own[RELEASE] = ProcessConfig(image=self.project.release.image, command=self.project.release.command)
        return own

    def _use(self, name: str, process: ProcessConfig) -> ImageUse:
        image = self.project.image_name(process.image)
        tags = ("sha-{config}", "latest")
        return ImageUse(image, f"{self.registry}/{self.app}/{name}", "docker", PLATFORM, process.command, tags)

    def _digests(self, release: Release) -> dict[str, Digest]:
        """Process type -> config digest of its image, under whichever id it is given."""
        by_repository = {image.use.repository: image for image in release.images}
        return {
            name: Digest(by_repository[self._use(name, process).repository].config_digest)
            for name, process in self._processes().items()
        }

    def _changes(self, session: Session) -> Changes:
        client = replace(self._client(session), attempts=1)
        timeout_s = self.project.release.timeout if self.project.release else RELEASE_S
        return Changes(self.name, client, Follower(self.name, client, timeout_s))

    def _client(self, session: Session) -> HerokuClient:
        if self._wire is None:
            token = self._find_token(session.environment)
            http = session.registries.http if session.registries else None
            self._wire = HerokuWire(session.environment, token, session.clock, session.emit, http)
        return HerokuClient(self._wire, self.app, session.deadline, session.attempts)

    def _find_token(self, environment: ProcessEnvironment) -> Token | None:
        """The token, looked for once: a keychain may take its time."""
        if not self._token:
            self._token = (find_token(environment),)
        return self._token[0]
