"""Credentials that a program prints: client-go's exec plugins.

Source: Kubernetes documentation, "Authenticating", client-go credential plugins; client.authentication.k8s.io/v1 ExecCredential.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shipit.clock import Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.json_text import parse_json
from shipit.process import ProgramFailed, run_program
from shipit.targets.kubernetes.login import ExecPlugin, is_token

# Whoever has to log in first, in a browser for example, does so with kubectl, which may wait.
TIMEOUT_S = 30.0
_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_SAID_LINES = 6


class Printed(NamedTuple):
    """What a plugin gave: a token, or a certificate with its key in PEM. `expires_s` is seconds since 1970; infinite for never."""

    token: str
    certificate: str
    key: str
    expires_s: float


def run_plugin(
    plugin: ExecPlugin,
    where: str,
    environment: ProcessEnvironment,
    deadline: Deadline,
    cluster: Mapping[str, Any] | None = None,
) -> Printed:
    """Run a plugin and read what it prints, which is redacted from then on. `cluster` is what it is told of the cluster.

    Raises: RemoteError for a plugin that fails, gives nothing in time, or prints anything else; DeadlinePassed, Interrupted.
    """
    if environment.is_untrusted:
        raise _failed(plugin, where, "runs a program, which --untrusted does not allow", "use a token")
    if plugin.api_version not in _VERSIONS:
        raise _failed(plugin, where, f"should be for {' or '.join(_VERSIONS)}", plugin.hint)
    if plugin.mode == "Always":
        hint = "set interactiveMode: IfAvailable, and log in with kubectl first"
        raise _failed(plugin, where, "has interactiveMode: Always, and shipit gives a plugin no terminal", hint)
    deadline.check(f"the exec plugin {plugin.command}")
    spec = {"interactive": False, **({"cluster": cluster} if cluster is not None else {})}
    info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}
    variables = {**environment.variables, **plugin.env, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    command = plugin.command
    if os.sep in command:
        command = str(plugin.folder.resolve() / command)  # an absolute one stays as it is
    timeout_s = min(TIMEOUT_S, max(0.1, deadline.remaining_s()))
    try:
        done = run_program(
            (command, *plugin.args),
            variables=variables,
            timeout_s=timeout_s,
            clock=deadline.clock,
            folder=environment.cwd,
        )
    except ProgramFailed as error:
        deadline.check(f"the exec plugin {plugin.command}")
        hint = plugin.hint or "try it: kubectl get namespaces"
        raise _failed(
            plugin, where, f"runs {plugin.command}, which {error.reason}", hint, _said(error.errors)
        ) from None
    if done.code != 0:
        what = f"runs {plugin.command}, which {done.how}"
        raise _failed(plugin, where, what, "log in again, as kubectl would ask for", _said(done.errors))
    return _parsed(done.output, plugin, where, environment)


def _parsed(output: bytes, plugin: ExecPlugin, where: str, environment: ProcessEnvironment) -> Printed:
    hint = "it should print an ExecCredential, and nothing else"
    try:
        answer = Field(parse_json(output), f"{where}: what {plugin.command} printed", "", hint)
    except ValueError:
        raise _failed(plugin, where, f"runs {plugin.command}, which prints no JSON", hint) from None
    version, status = answer["apiVersion"].text(), answer["status"]
    if version != plugin.api_version:
        raise answer["apiVersion"].wrong(f"should be {plugin.api_version}")
    printed = Printed(
        token=environment.redactor.learn(status["token"].text()),
        certificate=status["clientCertificateData"].text(),
        key=environment.redactor.learn(status["clientKeyData"].text()),
        expires_s=_seconds(status["expirationTimestamp"]),
    )
    if bool(printed.certificate) != bool(printed.key) or not (printed.token or printed.certificate):
        raise status.wrong("should have a token, or clientCertificateData with clientKeyData")
    if not is_token(printed.token):
        raise status["token"].wrong("should be of printable ASCII, without spaces")
    return printed


def _seconds(part: Field) -> float:
    """The time of RFC 3339 text; infinite where there is none."""
    text = part.text()
    if not text:
        return float("inf")
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise part.wrong("should be a time such as 2026-01-31T12:00:00Z") from None


def _said(errors: bytes) -> tuple[str, ...]:
    """The last lines of a plugin's stderr."""
    return tuple(errors.decode("utf-8", "replace").strip().splitlines()[-_SAID_LINES:])


def _failed(plugin: ExecPlugin, where: str, what: str, hint: str, detail: Sequence[str] = ()) -> RemoteError:
    return RemoteError(f"{plugin.path} {what}", where=where, hint=hint, detail=detail)
