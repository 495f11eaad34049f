"""What one run is made of: the project, its chosen targets, and everything they are handed."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from shipit.clock import Clock, Deadline, RunClock
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.config.secret_source import SecretSource
from shipit.config.secrets import resolve_secrets, runs_program
from shipit.events import Emit, Event, Warned
from shipit.http.timeouts import REQUEST_S
from shipit.image.store.content_store import ContentStore, Limits
from shipit.pipeline.early import EarlyUploads
from shipit.pipeline.telling import Teller
from shipit.redact import Redactor
from shipit.registry.credentials import Credentials
from shipit.registry.inventory import Inventory
from shipit.registry.registries import Registries
from shipit.registry.uploads import Uploads
from shipit.release import Plan
from shipit.targets.base import Closes, Context, LogsIn, Target

if TYPE_CHECKING:
    from shipit.docker.client import Engine


@dataclass
class Run:
    """One run, and a context manager: its threads and connections end with it. `emit` redacts and then tells; it is the only way anything is told.

    `timeout_s` overrides every target's own. `confirm` is asked before what a user would miss is changed.
    """

    project: Project
    targets: Sequence[Target]
    environment: ProcessEnvironment
    clock: Clock
    tell: Emit
    confirm: Callable[[Plan, Sequence[str]], bool] = lambda plan, reasons: True
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        self.clock = self._clock = RunClock(self.clock)
        self.started_s = self.clock.now()
        self._teller = Teller(lambda event: self.tell(event), self.redactor)
        self.store = ContentStore(
            self.environment.cache_dir,
            lambda text: self.emit(Warned("", text)),
            Limits(self.environment.cache_max, self.environment.unpack_max),
        )
        self._engine: Engine | None = None
        # Cleared while places are read: an engine is asked to build when they are.
        self.may_build = threading.Event()
        self.may_build.set()
        logins: dict[str, Credentials] = {}
        for target in self.targets:
            if isinstance(target, LogsIn):
                logins.update(target.registry_logins(self.environment))
        self.registries = Registries(
            self.environment, self.clock, self.emit, self.store, logins, self._longest_s(), self._insecure()
        )
        self.inventory = Inventory(self.registries)
        self.uploads = Uploads(self.registries, self.inventory, self.store, self.emit)
        self.early = EarlyUploads(self.inventory, self.uploads)
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._secrets: Mapping[str, str] | None = None
        self._build_secrets: dict[str, Mapping[str, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def give_up(self) -> None:
        """End what is under way in the background: the run has failed."""
        self._clock.end()

    def close(self) -> None:
        """Give up what is still under way, and wait until its threads and connections have ended."""
        self._clock.end()
        self._teller.flush()
        self.early.close()
        self.uploads.close()
        self.inventory.close()
        self.registries.close()
        self.store.close()
        for target in self.targets:
            if isinstance(target, Closes):
                target.close()

    def begin_stage(self, *, is_delivery: bool = True) -> None:
        """From now on building and delivery have as much time as `--timeout` says; targets have deadlines of their own."""
        limit_s = self.timeout_s if is_delivery and self.timeout_s else float("inf")
        self.registries.http.deadline = Deadline(self.clock).within(limit_s)

    def _insecure(self) -> set[str]:
        return {image.insecure_host for image in self.project.images.values() if image.insecure_host}

    def _longest_s(self) -> float:
        """How long the target that may take longest may take: no single question takes longer."""
        return self.timeout_s or max((target.config.timeout for target in self.targets), default=REQUEST_S)

    @property
    def redactor(self) -> Redactor:
        """The redactor of the process: whoever reads a credential tells it."""
        return self.environment.redactor

    def emit(self, event: Event) -> None:
        self._teller(event)

    def engine(self) -> Engine:
        """The Docker engine that the environment names. Waits until `may_build`."""
        Deadline(self.clock).wait(self.may_build.wait, "the places of the targets to be read")
        with self._lock:
            if self._engine is None:
                from shipit.docker.address import find_engine
                from shipit.docker.client import Engine

                variables, home = self.environment.variables, self.environment.home
                address = find_engine(variables, home, lambda text: self.emit(Warned("", text)))
                self._engine = Engine(address, variables)
            return self._engine

    def mark(self, value: str) -> str:
        """A hash of a value that only this run can make."""
        return hmac.new(self._key, value.encode(), hashlib.sha256).hexdigest()[:16]

    def resolve_secrets(self, *, may_skip: bool = False) -> None:
        """Read the secrets that the chosen targets need; they are redacted from then on.

        `may_skip` is for what changes no place: what an untrusted file would have from a program stays unknown, and is told.
        """
        names = {name for target in self.targets for name in self.project.secrets_for(target.name)}
        sources = self.project.secrets
        skipped = {name for name in names if self.environment.is_untrusted and runs_program(sources[name])}
        known = self._read(names - skipped if may_skip else names, sources, "secrets")
        for name in sorted(skipped if may_skip else ()):
            self.emit(Warned("", f"the secret {name} is not read: no program is run with --untrusted"))
        self._secrets = {**known, **{name: f"not read: {name}" for name in skipped if may_skip}}

    @property
    def held_secrets(self) -> Mapping[str, str]:
        """The values of the secrets that were read so far, by name."""
        return self._secrets or {}

    def build_secrets(self, image: str) -> Mapping[str, str]:
        """The values that an image's build mounts, by id; read once, and redacted from then on."""
        build = self.project.images[image].build
        if build is None or not build.secrets:
            return {}
        if image not in self._build_secrets:
            self._build_secrets[image] = self._read(build.secrets, build.secrets, f"images.{image}.build.secrets")
        return self._build_secrets[image]

    def _read(self, names: Iterable[str], sources: Mapping[str, SecretSource], path: str) -> Mapping[str, str]:
        root, known = self.project.root, self.project.names
        return resolve_secrets(names, sources, root, self.environment, path, known=known, clock=self.clock)

    def context(self, target: Target) -> Context:
        """What a target may use. Its deadline counts from now."""
        known = self._secrets or {}
        return Context(
            environment=self.environment,
            clock=self.clock,
            emit=self.emit,
            mark=self.mark,
            deadline_s=self.clock.now() + (self.timeout_s or target.config.timeout),
            env=self.project.env,
            secrets={name: known[name] for name in self.project.secrets_for(target.name) if name in known},
            registries=self.registries,
            inventory=self.inventory,
        )

    def marks(self, target: Target) -> dict[str, str]:
        """Name -> keyed hash of every variable and secret of a target."""
        known = self._secrets or {}
        values = {
            **self.project.env,
            **{name: known[name] for name in self.project.secrets_for(target.name) if name in known},
        }
        return {name: self.mark(value) for name, value in values.items()}
