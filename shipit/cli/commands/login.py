"""`shipit login`."""

from __future__ import annotations

import sys
from typing import Annotated

from shipit.cli.declared import option
from shipit.cli.exits import can_ask, cancelling, exit_on_error, prompt
from shipit.cli.options import HostArgument, VerboseOption
from shipit.cli.printing import REDACTOR, note, read_environment, say
from shipit.cli.registry_host import registry_host
from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError, UsageError
from shipit.events import Event, Retried, Warned
from shipit.files import read_stream
from shipit.reference import ImageRef
from shipit.registry.credentials import CredentialFinder, Credentials
from shipit.registry.login import check_login, store_login
from shipit.targets.kinds import login_check

HELP = """Checks the login, then stores it where `docker login` does. A login that works already is only reported.
`shipit login heroku` checks the token in use and stores nothing."""
EXAMPLES = (
    "shipit login",
    'printf %s "$TOKEN" | shipit login ghcr.io -u NAME --password-stdin',
    "shipit login heroku",
)


def run(
    host: HostArgument = "docker.io",
    username: Annotated[
        str | None, option("--username", "-u", metavar="NAME", help="Default: asked at a terminal.")
    ] = None,
    password_stdin: Annotated[
        bool, option("--password-stdin", help="Read the password or token from standard input.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    with exit_on_error(verbose):
        clock, environment = Clock(), read_environment()
        check = login_check(host)
        if check is not None:
            if username or password_stdin:
                raise UsageError(f"shipit login {host} checks the login in use and stores none")
            with cancelling(clock):
                say(check(environment, clock, _print_event))
            return
        registry = registry_host(host)
        if username is None and not password_stdin and _reports_stored_login(registry, environment, clock):
            return
        credentials = _ask_credentials(registry, username, password_stdin)
        with cancelling(clock):
            try:
                check_login(registry, credentials, environment, clock, _print_event)
            except RemoteError as error:
                if error.status in (401, 403):
                    error.hint = "check the user and the password; Docker Hub needs an access token for accounts with two-factor authentication"
                raise
        place = store_login(registry, credentials, environment)
        say(f"logged in to {registry} as {credentials.username}, stored in {place}")


def _reports_stored_login(registry: str, environment: ProcessEnvironment, clock: Clock) -> bool:
    """Check the stored login: True, and say so, when it works; False when there is none.

    A refused one is noted at a terminal, and raised elsewhere.
    """
    finder = CredentialFinder(environment, lambda text: _print_event(Warned("", text)))
    known = finder.find(ImageRef(registry, "login"))
    if known is None:
        return False
    try:
        with cancelling(clock):
            check_login(registry, known, environment, clock, _print_event)
    except RemoteError as error:
        if error.status not in (401, 403) or not sys.stdin.isatty():
            raise
        note(str(error))
        return False
    who = known.username or "the holder of a token"
    say(f"logged in to {registry} as {who}, from {known.origin}")
    return True


def _ask_credentials(registry: str, username: str | None, password_stdin: bool) -> Credentials:
    if password_stdin:
        if not username:
            raise UsageError("--password-stdin needs --username, too")
        password = _read_password()
    elif can_ask():
        username = username or prompt("Username")
        password = prompt(f"Password or token for {registry}", hide_input=True)
    else:
        raise UsageError(
            f"can't ask for the password of {registry}: this is no terminal",
            hint=f"printf %s TOKEN | shipit login {registry} --username NAME --password-stdin",
        )
    if not password:
        raise UsageError("the password is empty")
    return Credentials(username or "", REDACTOR.learn(password), origin="your input")


def _read_password() -> str:
    try:
        return read_stream(sys.stdin.fileno(), max_bytes=64 * 1024, name="standard input").decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise UsageError("the password should be UTF-8") from None


def _print_event(event: Event) -> None:
    if isinstance(event, Warned):
        note(f"warning: {event.message}")
    elif isinstance(event, Retried):
        note(f"{event.where}: {event.reason}; again in {event.pause_s} s")
