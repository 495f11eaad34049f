"""`login` and `logout`."""

from __future__ import annotations

import sys

from shipit.cli.ending import cancelling, ending, prompt
from shipit.cli.say import REDACTOR, note, read_environment, say
from shipit.clock import Clock
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError, ShipitError, UsageError
from shipit.events import Event, Retried, Warned
from shipit.files import read_stream
from shipit.reference import DOCKER_HUB, ImageRef, parse_reference
from shipit.registry.credentials import CredentialFinder, Credentials
from shipit.registry.login import check_login, erase_login, store_login
from shipit.targets.kinds import login_check


def run_login(host: str, username: str | None, password_stdin: bool, verbose: bool) -> None:
    with ending(verbose):
        clock, environment = Clock(), read_environment()
        check = login_check(host)
        if check is not None:
            if username or password_stdin:
                raise UsageError(f"shipit login {host} checks the login in use, and takes no other")
            with cancelling(clock):
                say(check(environment, clock, _tell))
            return
        registry = registry_host(host)
        if username is None and not password_stdin and _is_logged_in(registry, environment, clock):
            return
        credentials = _asked(registry, username, password_stdin)
        with cancelling(clock):
            try:
                check_login(registry, credentials, environment, clock, _tell)
            except RemoteError as error:
                if error.status in (401, 403):
                    error.hint = "check the user and the password; Docker Hub wants an access token where there is a second factor"
                raise
        place = store_login(registry, credentials, environment)
        say(f"logged in to {registry} as {credentials.username}, kept in {place}")


def run_logout(host: str, verbose: bool) -> None:
    with ending(verbose):
        if login_check(host) is not None:
            raise UsageError(
                f"shipit keeps no login for {host}", hint=f"log out with its own tool, for example {host} logout"
            )
        registry = registry_host(host)
        places = erase_login(registry, read_environment())
        say(
            f"logged out of {registry}: removed from {', '.join(places)}"
            if places
            else f"there was no login for {registry}"
        )


def registry_host(text: str) -> str:
    """The host of a registry, of a URL, or of a repository in it. Raises: UsageError for anything else."""
    bare = text.removeprefix("https://").removeprefix("http://").rstrip("/")
    if bare in ("docker.io", "index.docker.io", "registry-1.docker.io", "index.docker.io/v1"):
        return DOCKER_HUB
    try:
        found = parse_reference(f"{bare.split('/')[0]}/x/x")
    except ShipitError:
        found = None
    if found is None or found.registry == DOCKER_HUB:
        raise UsageError(
            f"{text!r} should be a registry's host", hint="for example ghcr.io, or docker.io for Docker Hub"
        )
    return found.registry


def _is_logged_in(registry: str, environment: ProcessEnvironment, clock: Clock) -> bool:
    """Whether what is kept already works; then that is said. What does not is only said where nobody can be asked."""
    finder = CredentialFinder(environment, lambda text: _tell(Warned("", text)))
    known = finder.find(ImageRef(registry, "login"))
    if known is None:
        return False
    try:
        with cancelling(clock):
            check_login(registry, known, environment, clock, _tell)
    except RemoteError as error:
        if error.status not in (401, 403) or not sys.stdin.isatty():
            raise
        note(str(error))
        return False
    who = known.username or "the holder of a token"
    say(f"logged in to {registry} as {who}, from {known.origin}")
    return True


def _asked(registry: str, username: str | None, password_stdin: bool) -> Credentials:
    if password_stdin:
        if not username:
            raise UsageError("--password-stdin needs --username, too")
        password = _piped()
    elif sys.stdin.isatty() and sys.stderr.isatty():
        username = username or prompt("Username")
        password = prompt(f"Password or token for {registry}", hide_input=True)
    else:
        raise UsageError(
            f"nobody can be asked for the password of {registry} here",
            hint=f"printf %s TOKEN | shipit login {registry} --username NAME --password-stdin",
        )
    if not password:
        raise UsageError("the password is empty")
    return Credentials(username or "", REDACTOR.learn(password), origin="what was entered")


def _piped() -> str:
    try:
        return read_stream(sys.stdin.fileno(), max_bytes=64 * 1024, name="standard input").decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise UsageError("the password should be UTF-8") from None


def _tell(event: Event) -> None:
    if isinstance(event, Warned):
        note(f"warning: {event.message}")
    elif isinstance(event, Retried):
        note(f"{event.where}: {event.reason}; again in {event.pause_s} s")
