"""Runs the hooks of a command: commands of this machine and HTTP requests, which get the plan or the verdict as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shipit.config.hooks import HEADER_VALUE_SAID, HooksConfig
from shipit.config.secrets import resolve_secrets
from shipit.errors import DeployFailed, Interrupted, ShipitError, UsageError
from shipit.events import StepDone, StepFailed, StepId, StepStarted, TargetFinished, Warned
from shipit.http.urls import origin_of
from shipit.pipeline.endings import Ending
from shipit.pipeline.hook_call import Hook, Problem, call_hook
from shipit.pipeline.hook_text import When, chosen_hooks, describe_hook
from shipit.record import to_json
from shipit.release import Plan, TargetPlan

if TYPE_CHECKING:
    from shipit.pipeline.run import Run

# The version of the JSON that a hook gets.
FORMAT = 1
_NO_PROGRAM = "a program was not found: install it, or correct the command"


class HookFailed(DeployFailed):
    """A hook failed. `is_healthy` is True where it ran after the target was verified: nothing is rolled back for it."""

    may_roll_back = False

    def __init__(self, what: str, *, where: str, hint: str, is_healthy: bool) -> None:
        super().__init__(what, where=where, hint=hint)
        self.is_healthy = is_healthy


class Hooks:
    """The hooks of the run and of its targets. Their secrets are read when it is made, before anything is changed."""

    def __init__(self, run: Run) -> None:
        """Raises: UsageError with --untrusted; ConfigErrors for secrets that can't be had."""
        self._run = run
        self._plan = Plan(run.project.app, run.project.environment)
        self._hooks = tuple(_hooks_of("", run.project.hooks, run.command)) + tuple(
            hook for target in run.targets for hook in _hooks_of(target.name, target.config.hooks, run.command)
        )
        if run.environment.is_untrusted:
            hint = "remove hooks: from deploy.yml, or deploy a file that you trust without --untrusted"
            raise UsageError("deploy.yml has hooks, and none is run with --untrusted", hint=hint)
        self._secrets = {hook.path: self._read(hook) for hook in self._hooks}

    def has(self, when: When) -> bool:
        """True when the run or one of its targets has a hook for this moment."""
        return any(hook.when == when for hook in self._hooks)

    def begin(self, plan: Plan) -> None:
        """Run those before the first change. Raises: HookFailed."""
        self._plan = plan
        self._call("", "before", plan, {})

    def before_target(self, own: TargetPlan) -> None:
        """Run those before the steps of a target. Raises: HookFailed."""
        self._call(own.target, "before", self._plan._replace(targets=(own,)), {})

    def after_target(self, own: TargetPlan, finished: TargetFinished) -> None:
        """Run those of a target that is healthy, or removed. Raises: HookFailed."""
        plan = self._plan._replace(targets=(own,))
        self._call(own.target, "after", plan, self._verdict_data([finished]))

    def target_failed(self, own: TargetPlan, finished: TargetFinished) -> None:
        """Run those of a target that has failed. A failure of theirs is a warning."""
        plan = self._plan._replace(targets=(own,))
        self._run_on_failure(own.target, plan, self._verdict_data([finished]))

    def ended(self, finished: Ending, targets: Sequence[TargetFinished]) -> Ending:
        """Run those for the end of a run, and give it back: as a failed one where a hook after it failed."""
        if finished.exit_code == 0:
            try:
                self._call("", "after", self._plan, self._verdict_data(targets, finished))
            except HookFailed as error:
                self._run.emit(Warned("", f"{error.what}; {error.hint}"))
                summary = f"{finished.summary}, but {error.what}"
                finished = finished._replace(exit_code=1, summary=summary)
        if finished.exit_code:
            self._run_on_failure("", self._plan, self._verdict_data(targets, finished))
        return finished

    def failed(self, error: ShipitError, targets: Sequence[TargetFinished]) -> None:
        """Run those for a run that ends with an error."""
        told = self._verdict_data(targets, Ending(error.exit_code, str(error)))
        self._run_on_failure("", self._plan, told)

    def _verdict_data(self, targets: Sequence[TargetFinished], finished: Ending | None = None) -> Mapping[str, Any]:
        """The verdicts for the JSON of a hook, redacted: `exit_code` and `summary` are those of the run."""
        redacted = self._run.redactor.value
        verdict: dict[str, Any] = {"targets": [to_json(redacted(target)) for target in targets]}
        if finished is not None:
            verdict |= {"exit_code": finished.exit_code, "summary": self._run.redactor.text(finished.summary)}
        return {"verdict": verdict}

    def _run_on_failure(self, target: str, plan: Plan, told: Mapping[str, Any]) -> None:
        try:
            self._call(target, "on_failure", plan, told)
        except HookFailed as error:
            self._run.emit(Warned(target, f"{error.what}; {error.hint}"))

    def _call(self, target: str, when: When, plan: Plan, told: Mapping[str, Any]) -> None:
        """Run the hooks of a target or of the run, one after the other. Raises: HookFailed of the first that fails."""
        for hook in self._hooks:
            if (hook.target, hook.when) == (target, when):
                self._one(hook, {**self._head(hook), "plan": to_json(self._run.redactor.value(plan)), **told})

    def _head(self, hook: Hook) -> dict[str, Any]:
        project, (commit, branch) = self._run.project, self._run.commit
        return {
            "format": FORMAT, "hook": hook.when, "run": self._run.id, "command": self._run.command, "app": project.app,
            "environment": project.environment, "target": hook.target, "commit": commit,
            "branch": branch,
        }  # fmt: skip

    def _one(self, hook: Hook, data: Mapping[str, Any]) -> None:
        run, what = self._run, describe_hook(hook.config)
        step = StepId("hook", f"{hook.when}[{hook.number}]", hook.target)
        summary, started_s = f"hook {hook.when}: {what}", run.clock.now()
        run.emit(StepStarted(step, summary))
        body = json.dumps(data).encode()
        try:
            problem = call_hook(run, hook, self._secrets[hook.path], body)
        except Interrupted:
            run.emit(StepFailed(step, summary, "interrupted", run.clock.now() - started_s))
            raise
        if not problem:
            run.emit(StepDone(step, summary, run.clock.now() - started_s))
            return
        run.emit(StepFailed(step, summary, problem.reason, run.clock.now() - started_s))
        raise self._failure(hook, problem)

    def _failure(self, hook: Hook, problem: Problem) -> HookFailed:
        name, command = f"the hook {hook.when}: {describe_hook(hook.config)}", self._run.command
        if hook.when == "before":
            whose = f" of {hook.target}" if hook.target else ""
            what, again = f"{name} {problem.reason}; nothing{whose} was changed", _again(command)
            hint = f"{_NO_PROGRAM}, and {again}" if problem.is_missing else f"correct it, or its timeout, and {again}"
        else:
            what, hint = f"{name} {problem.reason}", _by_hand(hook, command)
            if problem.is_missing:
                hint = f"{_NO_PROGRAM}; {hint}"
        if hook.target and hook.when == "after":
            what = f"it was {'removed' if command == 'destroy' else 'healthy'}, but {what}"
        return HookFailed(what, where=hook.target, hint=hint, is_healthy=hook.when == "after")

    def _read(self, hook: Hook) -> Mapping[str, str]:
        """The values of its secrets. Raises: ConfigErrors, UsageError for one that can't be sent."""
        run, sources = self._run, dict(hook.sources())
        values = resolve_secrets(
            sources, sources, run.project.folder, run.environment, hook.path, known=run.project.names, clock=run.clock
        )
        for name, value in values.items():
            _check_value(f"{hook.path}.{name}", name, value)
        return values


def _hooks_of(target: str, hooks: HooksConfig, command: str) -> Iterator[Hook]:
    yield from (Hook(target, when, number, config) for when, number, config in chosen_hooks(hooks, command))


def _again(command: str) -> str:
    return "deploy again" if command == "deploy" else f"run shipit {command} again"


def _by_hand(hook: Hook, command: str) -> str:
    verb = "run" if hook.config.command is not None else "send"
    by_hand = f"{verb} it by hand, if it is needed"
    return f"the next deploy runs it only if it changes something: {by_hand}" if command == "deploy" else by_hand


def _check_value(path: str, name: str, value: str) -> None:
    """Raises: UsageError, which shows no value."""
    if name == "url":
        try:
            origin_of(value)
        except ValueError:
            raise UsageError("should be a URL of http or https", where=path, hint="correct the secret") from None
    elif not all(" " <= character <= "~" or character == "\t" for character in value):
        raise UsageError(HEADER_VALUE_SAID.partition(",")[0], where=path, hint="correct the secret")
