"""`shipit logout`."""

from __future__ import annotations

from shipit.cli.ending import ending
from shipit.cli.options import HostArgument, VerboseOption
from shipit.cli.registry_host import registry_host
from shipit.cli.say import read_environment, say
from shipit.errors import UsageError
from shipit.registry.login import erase_login
from shipit.targets.kinds import login_check

HELP = "Removes the login from every place where docker and shipit store it."
EXAMPLES = ("shipit logout", "shipit logout ghcr.io")


def run(host: HostArgument = "docker.io", verbose: VerboseOption = False) -> None:
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
