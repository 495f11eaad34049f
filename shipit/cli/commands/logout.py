"""`shipit logout`."""

from __future__ import annotations

from shipit.cli.exits import exit_on_error
from shipit.cli.options import HostArgument, VerboseOption
from shipit.cli.printing import read_environment, say
from shipit.cli.registry_host import registry_host
from shipit.errors import UsageError
from shipit.registry.login import erase_login
from shipit.targets.kinds import login_check

HELP = "Removes the login from every place where docker and shipit store it."
EXAMPLES = ("shipit logout", "shipit logout ghcr.io")


def run(host: HostArgument = "docker.io", verbose: VerboseOption = False) -> None:
    with exit_on_error(verbose):
        if login_check(host) is not None:
            raise UsageError(
                f"shipit stores no login for {host}", hint=f"log out with its own tool, for example {host} logout"
            )
        registry = registry_host(host)
        places = erase_login(registry, read_environment())
        say(
            f"logged out of {registry}: removed from {', '.join(places)}"
            if places
            else f"there was no login for {registry}"
        )
