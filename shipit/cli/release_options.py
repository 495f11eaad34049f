"""The options of commands that release: deploy and promote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from shipit.cli.declared import option
from shipit.cli.options import JobsOption, WaitOption, wait_of
from shipit.errors import UsageError

PlanFileOption = Annotated[
    str | None,
    option("--plan", metavar="FILE", help="Do what this saved plan says, without a question, or nothing."),
]
OverrideFreezeOption = Annotated[
    str | None,
    option("--override-freeze", metavar="REASON", help="Deploy in a freeze window; the reason is kept in the journal."),
]


@dataclass(frozen=True, eq=False, repr=False)
class ReleaseOptions:
    """A saved plan, how long to wait for a lock, the reason to release in a freeze window, and how many targets change at once."""

    plan: PlanFileOption = None
    wait: WaitOption = None
    override_freeze: OverrideFreezeOption = None
    jobs: JobsOption = None

    @property
    def wait_s(self) -> float:
        """Seconds of --wait; 0 without it. Raises: UsageError."""
        return wait_of(self.wait)

    @property
    def override(self) -> str:
        """The reason of --override-freeze; empty without it. Raises: UsageError for a blank one."""
        if self.override_freeze is not None and not self.override_freeze.strip():
            raise UsageError("--override-freeze should say why", hint="such as --override-freeze 'fixes the checkout'")
        return self.override_freeze or ""
