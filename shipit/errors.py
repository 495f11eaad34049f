"""The error tree. Imports nothing of shipit.

ShipitError                 1  a failure its reader can act on
├── ConfigError             2  a mistake in deploy.yml, with its position
├── ConfigErrors            2  every mistake in deploy.yml at once
├── UsageError              2  a mistake on the command line
├── BuildError              1  an image could not be built
├── RemoteError             1  a registry, Heroku or a cluster said no, or nothing
├── DeployFailed            1  a target was not healthy at the end of its run
├── DeadlinePassed          1  something took longer than it may
└── Interrupted           130  the user, or a signal, stopped the run
"""

from __future__ import annotations

from collections.abc import Sequence


class ShipitError(Exception):
    """A failure its reader can act on. Prints `where: what`, then detail lines, then `hint:` when one is known."""

    exit_code = 1
    # Whether a reporter has printed it already.
    is_told = False
    # Whether `where` is a position in a file, which editors parse.
    is_place = False

    def __init__(
        self, what: str, *, where: str = "", hint: str = "", retryable: bool = False, detail: Sequence[str] = ()
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        self.retryable = retryable
        self.detail = tuple(detail)

    @property
    def parts(self) -> tuple[ShipitError, ...]:
        """The errors that it consists of; empty when it is a single one."""
        return ()

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what

    def render(self) -> str:
        """The whole message: `where: what`, detail lines indented by two, then the hint."""
        lines = [str(self), *(f"  {line}" for line in self.detail)]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class ConfigError(ShipitError):
    """A mistake in deploy.yml. `where` is file:line:col; `path` the dotted path of keys; `excerpt` the line and a caret."""

    exit_code = 2
    is_place = True
    # Whether it is a variable without a value, in a value that only a deploy needs.
    is_for_deploy = False

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        hint: str = "",
        path: str = "",
        excerpt: Sequence[str] = (),
        position: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__(what, where=where, hint=hint, detail=excerpt)
        self.path = path
        self.position = position

    @property
    def file(self) -> str:
        """The file that it is in, as messages call it."""
        return self.where.rsplit(":", 2)[0] if self.position != (0, 0) else self.where

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.path, self.what) if part)


class ConfigErrors(ShipitError):
    """Every mistake found, in the order of their files and positions."""

    exit_code = 2

    def __init__(self, problems: Sequence[ConfigError]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.file, problem.position)))
        super().__init__(f"{len(self.problems)} mistakes" if len(self.problems) != 1 else "1 mistake")

    @property
    def parts(self) -> tuple[ShipitError, ...]:
        return self.problems

    def __str__(self) -> str:
        return "; ".join(str(problem) for problem in self.problems)

    def render(self) -> str:
        return "\n".join(problem.render() for problem in self.problems)


class UsageError(ShipitError):
    """A mistake on the command line."""

    exit_code = 2


class BuildError(ShipitError):
    """An image could not be built; `where` is the Dockerfile's line or the file that is missing."""

    is_place = True


class NeedsEngine(BuildError):
    """The native builder can't build this; a Docker engine can."""

    def __init__(self, what: str, *, where: str = "") -> None:
        hint = "start a Docker engine, or name one with DOCKER_HOST: then shipit builds with it"
        super().__init__(what, where=where, hint=hint)


class RemoteError(ShipitError):
    """A server refused a request, failed, or did not answer. `where` is `METHOD host/path`; `status` is 0 without an answer."""

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        hint: str = "",
        retryable: bool = False,
        detail: Sequence[str] = (),
        status: int = 0,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(what, where=where, hint=hint, retryable=retryable, detail=detail)
        self.status = status
        self.retry_after_s = retry_after_s


class OwnedByOthers(RemoteError):
    """Another tool applies what a target wants to set. `where` is the name of the target, `detail` has the further ones."""


class DeployFailed(ShipitError):
    """A target did not become healthy; `detail` holds the last lines of what crashed.

    `superseded_by` names who replaced what this run released, when that is the reason. `down` is set when nothing serves
    any more; it says how to return to the previous release.
    """

    superseded_by = ""
    down = ""
    # True where `on_failure: rollback` follows.
    may_roll_back = True
    # True where the target was verified healthy before it failed.
    is_healthy = False


class DeadlinePassed(ShipitError):
    """Something took longer than it may; `what` names what was waited for."""

    def __init__(
        self, what: str, *, where: str = "", hint: str = "allow it more time: --timeout, or `timeout` in deploy.yml"
    ) -> None:
        super().__init__(what, where=where, hint=hint)


class Interrupted(ShipitError):
    """The run was stopped from outside."""

    exit_code = 130

    def __init__(
        self,
        what: str = "interrupted",
        *,
        hint: str = "run the same command again: it picks up from what is already in place",
    ) -> None:
        super().__init__(what, hint=hint)
