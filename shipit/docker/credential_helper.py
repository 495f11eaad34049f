"""Credential helpers: the programs `docker-credential-NAME`.

Source: github.com/docker/docker-credential-helpers, README.md, "Development"; docs.docker.com/reference/cli/docker/login.
"""

from __future__ import annotations

import re

from shipit.clock import Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.process import Finished, ProgramFailed, run_program

HELPER_TIMEOUT_S = 15
# A helper is looked up on the PATH; a name with a slash could run any file.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def call_helper(
    name: str, verb: str, text: str, environment: ProcessEnvironment, deadline: Deadline | None = None
) -> Finished:
    """Run `docker-credential-NAME VERB` with `text` on standard input. Raises: ProgramFailed, Interrupted."""
    program = f"docker-credential-{name}"
    if not _NAME.fullmatch(name):
        raise ProgramFailed(program, "has an invalid name for a credential helper")
    return run_program(
        [program, verb],
        variables=environment.variables,
        timeout_s=min(HELPER_TIMEOUT_S, deadline.remaining_s()) if deadline else HELPER_TIMEOUT_S,
        clock=deadline.clock if deadline else None,
        given=text.encode("utf-8", "surrogateescape"),
    )
