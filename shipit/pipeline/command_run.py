"""A run that only speaks to one target: no image is built or pushed, so that nothing of that is imported.

The session of its target has no registries and no secrets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from shipit.clock import Clock, RunClock
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.envelope import Envelope
from shipit.events import Event
from shipit.pipeline.marks import Marks
from shipit.pipeline.telling import Teller
from shipit.redact import Redactor
from shipit.targets.base import Target
from shipit.targets.session import Clients, Session


class CommandRun:
    """The run of a command for one target. `emit` redacts and numbers an event and hands it to `tell`."""

    def __init__(
        self,
        project: Project,
        target: Target,
        environment: ProcessEnvironment,
        clock: Clock,
        tell: Callable[[Envelope], None],
    ) -> None:
        self.project = project
        self.target = target
        self.environment = environment
        self.clock = RunClock(clock)
        self._teller = Teller(tell, self.redactor, self.clock)
        self._clients = Clients(self.clock)
        self._marks = Marks(environment.cache_dir / "keys", environment.plan_key)

    @property
    def redactor(self) -> Redactor:
        """The redactor of the process."""
        return self.environment.redactor

    def emit(self, event: Event) -> None:
        self._teller(event)

    def learn_near_secrets(self) -> None:
        """Read the target's secrets that the environment or a file has, to mask them in events."""
        from shipit.config.secret_values import SecretValues

        secrets = SecretValues(self.project, self.environment, self.clock, self.emit)
        secrets.read_near(self.project.secrets_for(self.target.name))

    def session(self) -> Session:
        """The session of the target. Its deadline starts now, and is for beginning the command."""
        return Session(
            environment=self.environment,
            clock=self.clock,
            emit=self.emit,
            mark=partial(self._marks.mark, self.target.place),
            deadline_s=self.clock.now() + self.target.config.timeout,
            clients=self._clients,
            env=self.project.env_for(self.target.name),
        )

    def close(self) -> None:
        """Close connections, and tell what was held back."""
        self.clock.end()
        self._teller.flush()
        self._clients.close()
        self._teller.close()
