"""A Heroku app as a target: joins the wire, the plan and the judgement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from shipit.config.environment import Environment
from shipit.config.project import Project
from shipit.errors import BuildError, DeadlinePassed, DeployFailed, RemoteError, ShipitError
from shipit.events import Event, Log, Warned
from shipit.http.skew import judge_skew
from shipit.image.image import BuiltImage
from shipit.registry.credentials import Credentials
from shipit.release import Finding, ImageUse, Place, Release, Seen, Step, Verdict, short
from shipit.targets.base import Context
from shipit.targets.heroku.address import api_address
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.config import HerokuConfig, ProcessConfig
from shipit.targets.heroku.judge import judge_heroku
from shipit.targets.heroku.observed import AppFacts, HerokuObserved, ReleaseFacts
from shipit.targets.heroku.plan import RELEASE, Wanted, plan_back, plan_heroku
from shipit.targets.heroku.streams import ReleaseOutput, recent_logs
from shipit.targets.heroku.token import Token, find_token
from shipit.targets.heroku.wire import HerokuWire, Said

PLATFORM = "linux/amd64"


def create(name: str, config: HerokuConfig, project: Project, environment: Environment) -> HerokuTarget:
    return HerokuTarget(name, config, project, environment)


class HerokuTarget:
    """One app. Process types and the release command become repositories of Heroku's registry."""

    def __init__(self, name: str, config: HerokuConfig, project: Project, environment: Environment) -> None:
        self.name = name
        self.config = config
        self.project = project
        self.app = config.app or project.app
        api, self.registry = api_address(environment)
        self.place = Place("heroku", f"app {self.app} at {api.split('://')[-1]}")
        self._wire: HerokuWire | None = None
        self._released: dict[str, str] = {}
        self._config_before: Mapping[str, str] = {}
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

    def registry_logins(self, environment: Environment) -> Mapping[str, Credentials]:
        token = self._find_token(environment)
        return {self.registry: Credentials("_", token.value, preemptive=True, origin=token.origin)} if token else {}

    def observe(self, context: Context) -> HerokuObserved:
        client = self._client(context)
        try:
            app = client.facts()
        except RemoteError as error:
            if error.status == 404:
                hint = f"check app: in deploy.yml, or create it: heroku create {self.app} --stack container"
                raise RemoteError(
                    f"there is no app {self.app!r} that this account may see",
                    where=error.where,
                    hint=hint,
                    status=404,
                    detail=error.detail,
                ) from None
            raise
        self._check_stack(app)
        config = client.config_vars()
        return HerokuObserved(
            app=app.name,
            stack=app.stacks[0],
            generation=app.generation,
            maintenance=app.maintenance,
            web_url=app.web_url,
            formation=client.formation(),
            config_marks={name: context.mark(value) for name, value in config.items()},
            releases=client.releases(),
            dynos=client.dynos(),
            id=app.id,
            config=config,
        )

    def plan(self, release: Release, observed: HerokuObserved) -> tuple[Step, ...]:
        processes = self.config.processes
        self._released = self._digests(release)
        return plan_heroku(
            Wanted(
                images=self._released,
                quantities={name: p.quantity for name, p in processes.items() if p.quantity is not None},
                sizes={name: p.size for name, p in processes.items() if p.size is not None},
                env=self.project.env,
                env_marks={name: mark for name, mark in release.marks.items() if name in self.project.env},
                secret_marks={name: mark for name, mark in release.marks.items() if name not in self.project.env},
            ),
            observed,
        )

    def apply(self, step: Step, context: Context) -> Iterator[Event]:
        client = self._client(context)
        if step.id == "scale":
            client.scale(step.payload["updates"])
            return
        baseline = max((release.version for release in client.releases(1)), default=0)
        if step.id == "config back":
            now = client.config_vars()
            back = {name: self._config_before.get(name) for name in step.payload["names"]}
            differ = {name: value for name, value in back.items() if now.get(name) != value}
            if not differ:
                return
            self._write(lambda: client.set_config(differ), baseline, client)
        elif step.id == "rollback":
            self._write(lambda: client.roll_back(step.payload["rollback"]), baseline, client)
        elif step.id == "config":
            secrets = {name: context.secrets[name] for name in step.payload["secrets"]}
            self._write(lambda: client.set_config({**step.payload["set"], **secrets}), baseline, client)
        else:
            self._write(lambda: client.release_images(step.payload["updates"]), baseline, client)
        yield from self._follow(baseline, client, context)

    def plan_back(self, before: HerokuObserved, now: HerokuObserved) -> tuple[Step, ...]:
        # Values stay in memory: a step holds none.
        self._config_before = before.config
        return plan_back(before, now, self._released)

    def judge_back(self, before: HerokuObserved, observed: HerokuObserved, seen: Seen) -> Verdict:
        images = {name: facts.image for name, facts in before.formation.items() if facts.image}
        return judge_heroku(images, observed, seen, pending_s=self.config.pending)

    def guard(self, observed: HerokuObserved, context: Context) -> None:
        """That the name still is that of the app which the plan was made for."""
        if self._client(context).facts().id != observed.id:
            what = f"the name {self.app} is another app's since the plan was made"
            raise RemoteError(what, where=self.name, hint="run it again to plan for the app that has it now")

    def examine(self, context: Context) -> Sequence[Finding]:
        """The token, the account's clock, and that the app's registry lets it in."""
        token = find_token(context.environment)
        findings = [Finding("ok", "heroku", f"takes the token from {token.origin}")] if token else []
        skew = judge_skew("Heroku", self._client(context).date(), time.time())
        return [*findings, *([skew] if skew else [])]

    def judge(self, release: Release, observed: HerokuObserved, seen: Seen) -> Verdict:
        return judge_heroku(self._digests(release), observed, seen, pending_s=self.config.pending)

    def describe(self, observed: HerokuObserved) -> tuple[str, ...]:
        lines = [f"v{observed.version}  {observed.web_url}".rstrip()]
        for name, facts in sorted(observed.formation.items()):
            states = [f"{dyno.name} {dyno.state}" for dyno in observed.dynos if dyno.process == name]
            image = short(facts.image) if facts.image else "image unknown"
            lines.append(f"{name}  {image}  {', '.join(states) or f'{facts.quantity} dynos'}")
        return tuple(lines)

    def diagnose(self, verdict: Verdict, context: Context) -> Verdict:
        """Adds the output of a failed release phase, or the log of a crashed dyno."""
        kind, _, subject = verdict.subject.partition(":")
        client = self._client(context)
        lines: list[str] = []
        try:
            if kind == "release":
                output = ReleaseOutput(client.wire, client.release(subject).output_url)
                lines = [*output.more(client.deadline), *output.lines.end()] and list(output.lines.tail)
                lines = lines or recent_logs(client)
            elif kind == "dyno":
                lines = recent_logs(client, subject)
        except ShipitError:
            return verdict
        hint = verdict.hint or f"heroku logs --app {self.app}"
        return verdict._replace(detail=tuple(lines), hint=hint)

    def _processes(self) -> dict[str, ProcessConfig]:
        own = dict(self.config.processes)
        if self.project.release and RELEASE not in own:
            own[RELEASE] = ProcessConfig(image=self.project.release.image, command=self.project.release.command)
        return own

    def _use(self, name: str, process: ProcessConfig) -> ImageUse:
        image = self.project.image_name(process.image)
        tags = ("sha-{config}", "latest")
        return ImageUse(image, f"{self.registry}/{self.app}/{name}", "docker", PLATFORM, process.command, tags)

    def _digests(self, release: Release) -> dict[str, str]:
        return {
            name: release.images[self._use(name, process)].config_digest for name, process in self._processes().items()
        }

    def _client(self, context: Context) -> HerokuClient:
        if self._wire is None:
            token = self._find_token(context.environment)
            self._wire = HerokuWire(context.environment, token, context.clock, context.emit)
        return HerokuClient(self._wire, self.app, context.deadline)

    def _find_token(self, environment: Environment) -> Token | None:
        """The token, looked for once: a keychain may take its time."""
        if not self._token:
            self._token = (find_token(environment),)
        return self._token[0]

    def _check_stack(self, app: AppFacts) -> None:
        where = f"app {self.app}"
        if app.generation == "fir":
            raise RemoteError(
                "is of the Fir generation, which runs no container images of ours",
                where=where,
                hint="create an app on Cedar: heroku create --stack container",
            )
        if "container" not in app.stacks:
            raise RemoteError(
                f"is on the stack {app.stacks[0] or 'unknown'}, which runs no images",
                where=where,
                hint=f"heroku stack:set container --app {self.app}",
            )

    def _write(self, send: Callable[[], Said], baseline: int, client: HerokuClient) -> None:
        """Send a write once; where the answer got lost, look whether it was done before sending it again."""
        for attempt in (1, 2, 3):
            try:
                send()
                return
            except RemoteError as error:
                if not error.retryable or attempt == 3:
                    raise
                client.wire.clock.sleep(error.retry_after_s or attempt)
                if any(release.version > baseline for release in client.releases(1)):
                    return

    def _follow(self, baseline: int, client: HerokuClient, context: Context) -> Iterator[Event]:
        """Stay with the release that came after `baseline` to its end, passing on its output.

        Raises: DeployFailed when it failed, with its last lines.
        """
        found = [release for release in client.releases() if release.version > baseline]
        if not found:
            yield Warned(self.name, "Heroku made no new release: it runs this already")
            return
        release = min(found, key=lambda row: row.version)
        output = ReleaseOutput(client.wire, release.output_url)
        while True:
            has_ended = release.status != "pending"
            yield from (Log(self.name, RELEASE, line) for line in output.more(client.deadline))
            if has_ended:
                break
            try:
                client.deadline.sleep(0.5, f"release v{release.version}")
                release = client.release(release.id)
            except DeadlinePassed:
                raise DeployFailed(
                    f"release v{release.version} was still pending at the deadline",
                    where=self.place.identity,
                    detail=list(output.lines.tail),
                    hint=f"heroku releases --app {self.app}",
                ) from None
        yield from (Log(self.name, RELEASE, line) for line in output.lines.end())
        if release.status != "succeeded":
            raise self._release_failed(release, output, client)

    def _release_failed(self, release: ReleaseFacts, output: ReleaseOutput, client: HerokuClient) -> DeployFailed:
        lines = list(output.lines.tail) or recent_logs(client)
        hint = "fix the release command and deploy again; what ran before still runs"
        return DeployFailed(
            f"release v{release.version} {release.status}", where=self.place.identity, detail=lines, hint=hint
        )
