"""One run: the project, its chosen targets, and what they share."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from shipit.clock import Clock, Deadline, RunClock
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.config.secret_values import SecretValues
from shipit.envelope import Envelope
from shipit.errors import ShipitError
from shipit.events import Event, RunFinished, RunStarted, Serving, TargetFinished, Warned
from shipit.http.timeouts import REQUEST_S
from shipit.pipeline.marks import Marks
from shipit.pipeline.telling import Teller
from shipit.redact import Redactor
from shipit.release import Plan, Promotion, Release
from shipit.targets.base import Target, logs_in
from shipit.targets.history import returns
from shipit.targets.session import Clients, Session

if TYPE_CHECKING:
    from shipit.delivery.delivery import Delivery
    from shipit.delivery.inventory import Inventory
    from shipit.history.journal import Journal
    from shipit.history.past import NewestEnd
    from shipit.history.state_runs import StateRuns
    from shipit.history.state_store import StateStore
    from shipit.image.store.content_store import ContentStore
    from shipit.pipeline.borrowed_lock import Lender
    from shipit.registry.credentials import Credentials
    from shipit.registry.registries import Registries


class Held(Protocol):
    """The locks that a run holds."""

    def check(self, target: str) -> None:
        """Raises: ShipitError where the lock of a target is lost."""
        ...

    @property
    def superseded_by(self) -> str:
        """The newer deploy that asked this run to stop; empty where none did."""
        ...

    def check_superseded(self) -> None:
        """Raises: ShipitError where a newer deploy asked this run to stop."""
        ...

    def give_back(self) -> None: ...


class Source(Protocol):
    """The environment that a promotion takes the images from."""

    @property
    def project(self) -> Project: ...

    @property
    def targets(self) -> Sequence[Target]: ...

    @property
    def promotion(self) -> Promotion: ...

    def check(self) -> None:
        """Read it again. Raises: ShipitError where it does not run what the plan was made with."""
        ...


@dataclass
class Run:
    """One run, and a context manager: its threads and connections end with it.

    `emit` redacts and numbers an event and hands it to `tell`; reporters get events in no other way. `timeout_s` overrides every target's
    own. `confirm` is asked before a deploy changes what a user would miss. `journal` is one of the reporters.
    `state_runs` is another reporter, of the runs that machines share. `source` is that of a promotion. `lender` is the target of
    the environment, chosen or not, whose lock is that of places that keep none. `wait_s` is how long a command other than deploy and promote waits for locks.
    """

    project: Project
    targets: Sequence[Target]
    environment: ProcessEnvironment
    clock: Clock
    tell: Callable[[Envelope], None]
    confirm: Callable[[Plan, Sequence[str]], bool] = lambda plan, reasons: True
    # (plan, name) -> whether a person at the terminal has typed the name.
    approve: Callable[[Plan, str], bool] = lambda plan, name: False
    # Lines that say what others own -> whether a person at the terminal has it taken over.
    take_over: Callable[[Sequence[str]], bool] = lambda lines: False
    timeout_s: float | None = None
    journal: Journal | None = None
    state_runs: StateRuns | None = None
    source: Source | None = None
    lender: Lender | None = None
    wait_s: float = 0.0
    supersedes: bool = False

    def __post_init__(self) -> None:
        self.clock = self._clock = RunClock(self.clock)
        self.started_s = self.clock.now()
        self.command = ""
        # How the run ended: that of its RunFinished.
        self.exit_code = 0
        self._newest_ends: Mapping[str, NewestEnd] | None = None
        self._ended: dict[str, TargetFinished] = {}
        # Names of targets that are down and have no release to return to.
        self.without_earlier: set[str] = set()
        self.locks: Held | None = None
        self._teller = Teller(lambda envelope: self.tell(envelope), self.redactor, self.clock)
        self.secrets = SecretValues(self.project, self.environment, self.clock, self.emit)
        self.clients = Clients(self.clock)
        self._marks = Marks(self.environment.cache_dir / "keys", self.environment.plan_key)
        self._delivery: Delivery | None = None
        self._state: StateStore | None = None
        self._lock = threading.Lock()
        # A missing login is told before anything else.
        if any(logs_in(target) for target in self.targets):
            self._delivery = self._make_delivery()

    @property
    def delivery(self) -> Delivery:
        """Made on first use: status and logs need no registry for many targets."""
        with self._lock:
            if self._delivery is None:
                self._delivery = self._make_delivery()
            return self._delivery

    def _make_delivery(self) -> Delivery:
        from shipit.delivery.delivery import Delivery
        from shipit.image.store.content_store import ContentStore, Limits
        from shipit.registry.registries import Registries

        store = ContentStore(
            self.environment.cache_dir,
            lambda text: self.emit(Warned("", text)),
            Limits(self.environment.cache_max, self.environment.unpack_max),
        )
        registries = Registries(
            self.environment, self.clock, self.emit, store, self._logins(), self._longest_s(), self._insecure()
        )
        return Delivery(self.project, self.environment, self.clock, self.emit, store, registries, self.secrets)

    @property
    def store(self) -> ContentStore:
        return self.delivery.store

    @property
    def registries(self) -> Registries:
        return self.delivery.registries

    @property
    def state(self) -> StateStore | None:
        """The state of deploy.yml that machines share; None where it has none. Raises: UsageError."""
        if not self.project.state or self.environment.is_untrusted:
            return None
        with self._lock:
            if self._state is None:
                from shipit.pipeline.state import open_state

                self._state = open_state(self.project, self.environment, lambda: self.registries)
            return self._state

    def share_marks(self, key: str) -> None:
        """Make keyed hashes with a key that other machines have, too."""
        self._marks = Marks(self.environment.cache_dir / "keys", key)

    @property
    def inventory(self) -> Inventory:
        return self.delivery.inventory

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def give_up(self) -> None:
        """Cancel background work, because the run has failed."""
        self._clock.end()

    def close(self) -> None:
        """Cancel background work, give locks back, and wait until threads and connections have ended."""
        self._clock.end()
        self._give_back()
        self._teller.flush()
        if (delivery := self._delivery) is not None:
            delivery.close()
            delivery.registries.close()
            delivery.store.close()
        self.clients.close()
        self._teller.close()

    def begin_stage(self, *, is_delivery: bool = True) -> None:
        """Start the time limit of a stage: `--timeout` for building and delivery, none here for targets, which have their own."""
        limit_s = self.timeout_s if is_delivery and self.timeout_s else float("inf")
        self.registries.http.deadline = Deadline(self.clock).within(limit_s)

    def _logins(self) -> dict[str, Credentials]:
        """Registry host -> the credentials of targets whose login opens it."""
        logins: dict[str, Credentials] = {}
        for target in (*(self.source.targets if self.source else ()), *self.targets):
            if logs_in(target):
                logins.update(target.registry_logins(self.environment, self.clients))
        return logins

    def _insecure(self) -> set[str]:
        projects = (self.project, *([self.source.project] if self.source else []))
        return {image.insecure_host for own in projects for image in own.images.values() if image.insecure_host}

    def _longest_s(self) -> float:
        """The longest timeout of the targets, in seconds: the limit of a single request."""
        return self.timeout_s or max((target.config.timeout for target in self.targets), default=REQUEST_S)

    @property
    def id(self) -> str:
        """The id of the run, as its events have it."""
        return self._teller.run

    @property
    def redactor(self) -> Redactor:
        """The redactor of the process."""
        return self.environment.redactor

    def emit(self, event: Event) -> None:
        if isinstance(event, RunFinished):
            self._give_back()
        if isinstance(event, RunFinished) and self.journal and self.journal.failure:
            what = f"the journal of this run ends early: {self.journal.failure}"
            self._teller(Warned("", what))
        if isinstance(event, RunFinished) and self.state_runs and self.state_runs.failure:
            self._teller(Warned("", f"other machines do not know all of this run: {self.state_runs.failure}"))
        if isinstance(event, TargetFinished):
            self._ended[event.target] = event
        self._teller(event)
        if self.journal:
            self.journal.sync()
        if self.state_runs:
            self.state_runs.sync()

    def _give_back(self) -> None:
        held, self.locks = self.locks, None
        if held is not None:
            held.give_back()

    @property
    def ended(self) -> tuple[TargetFinished, ...]:
        """How the targets ended that have."""
        return tuple(self._ended.values())

    def check_lock(self, target: str = "") -> None:
        """Check before a change that the lock of a target is held, or of every one without a name. Raises: ShipitError."""
        if self.locks is not None:
            self.locks.check(target)

    @property
    def superseded_by(self) -> str:
        """The newer deploy that asked this run to stop; empty where none did."""
        return self.locks.superseded_by if self.locks is not None else ""

    def check_superseded(self) -> None:
        """Raises: ShipitError where a newer deploy asked this run to stop."""
        if self.locks is not None:
            self.locks.check_superseded()

    def finish(self, exit_code: int, summary: str, urls: tuple[Serving, ...] = ()) -> None:
        """Emit the end of the run, with how each of its targets ended."""
        # Imported at the end: no command that fails early needs it.
        from shipit.pipeline.endings import ends_of, next_command

        ends = ends_of(self.command, self._ended)
        source = self.source.promotion.environment if self.source else ""
        returnable = {target.name for target in self.targets if returns(target)} - self.without_earlier
        following = next_command(self.command, self.project.environment, ends, returnable, source)
        if exit_code and self.superseded_by:
            following = ""
        self.exit_code = exit_code
        self.emit(RunFinished(exit_code, summary, self.clock.now() - self.started_s, urls, ends, following))

    def announce(self, command: str, targets: Sequence[str] | None = None, override: str = "") -> None:
        """Emit the start of the run, with the targets of these names; None means all. `override` is that of RunStarted."""
        self.command = command
        project = self.project
        names = tuple(target.name for target in self.targets) if targets is None else tuple(targets)
        promoted_from = self.source.promotion.source if self.source else ""
        self.emit(
            RunStarted(
                command, project.app, project.environment, names, *self.commit, promoted_from, override, self._author()
            )
        )

    def _author(self) -> str:
        """Who makes a run that is kept."""
        if not self.journal:
            return ""
        from shipit.config.author import read_author

        return read_author(self.environment)

    @property
    def commit(self) -> tuple[str, str]:
        """The commit and branch of what is released: of the work tree, or of what a promotion promotes; empty where not known."""
        git = self.project.git
        return self.source.promotion.commit if self.source else (git.sha or "", git.branch or "")

    def begin_changes(self) -> None:
        """Begin the journal: called before the first change of a place. Raises: UsageError, StateError where it can't be written."""
        if self.journal:
            self.journal.begin()
        if self.state_runs:
            self.state_runs.begin()

    def tell_lost(self) -> None:
        """Warn of an earlier run of the same environment on this machine that ended without a word, or that goes on."""
        if not self.journal:
            return
        from shipit.history.lost import lost_run

        if found := lost_run(self.project.root, self.project.app, self.project.environment):
            self.emit(Warned("", found))

    def newest_end(self, name: str) -> NewestEnd | None:
        """How the newest run of this machine that released to a target ended there; None where that is not known."""
        if not self.journal:
            return None
        with self._lock:
            if self._newest_ends is None:
                from shipit.history.lost import ended_before

                names = [target.name for target in self.targets]
                project = self.project
                self._newest_ends = ended_before(project.root, project.app, project.environment, names, self.id)
        return self._newest_ends.get(name)

    def has_verified(self, release: Release, name: str) -> bool:
        """True where the newest run of this machine that released to a target has verified these images of this commit."""
        found = self.newest_end(name)
        images = tuple(sorted(str(image.config_digest) for image in release.images))
        return found is not None and found == (True, self.commit[0], images)

    def keep_verified(self, names: Iterable[str]) -> None:
        """Keep a run that changed nothing where it has verified one of these targets, which an earlier run had not."""
        if any((found := self.newest_end(name)) is not None and not found.is_well for name in names):
            # A journal that can't be written is no failure of a deploy that changed nothing.
            with suppress(ShipitError):
                self.begin_changes()

    def flush(self) -> None:
        """Emit the lines of logs that are held back because a secret may go on in the next line."""
        self._teller.flush()

    def read_secrets(self, *, may_skip: bool = False) -> None:
        """Read the secrets that the chosen targets need. `may_skip` is for what changes no place."""
        names = {name for target in self.targets for name in self.project.secrets_for(target.name)}
        self.secrets.read(names, may_skip=may_skip)

    def read_near_secrets(self) -> None:
        """Read the secrets of the chosen targets that are at hand, to mask them: see `SecretValues.read_near`."""
        self.secrets.read_near(name for target in self.targets for name in self.project.secrets_for(target.name))

    def session(
        self, target: Target, release: Release | None = None, *, is_planning: bool = True, recalled: Any = None
    ) -> Session:
        """The session of a target. Its deadline starts now; `release` is what the target should run, when that is known.

        Without `is_planning`, what is observed is for no plan of a deploy, or of the return to `recalled`.
        """
        return Session(
            environment=self.environment,
            clock=self.clock,
            emit=self.emit,
            mark=partial(self._marks.mark, target.place),
            deadline_s=self.clock.now() + (self.timeout_s or target.config.timeout),
            env=self.project.env_for(target.name),
            secrets=self.secrets.of_target(target.name),
            clients=self.clients,
            shared=self,
            release=release,
            is_planning=is_planning and release is None,
            recalled=recalled,
            run=self.id,
            commit="" if recalled is not None else self.commit[0],
            fence=partial(self.check_lock, target.name),
            check_superseded=self.check_superseded,
        )

    def marks(self, target: Target) -> Mapping[str, str]:
        """Name -> keyed hash of every variable and secret of a target."""
        values = {**self.project.env_for(target.name), **self.secrets.of_target(target.name)}
        return {name: self._marks.mark(target.place, value) for name, value in values.items()}

    def mark(self, target: Target, value: Any) -> str:
        """A keyed hash of a value of JSON at the place of a target."""
        return self._marks.mark(target.place, json.dumps(value, sort_keys=True))
