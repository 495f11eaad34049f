"""`shipit open`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shipit.cli.exits import exit_on_error
from shipit.cli.options import TargetOptions
from shipit.cli.printing import check_written, note, result
from shipit.cli.runs import targets_run
from shipit.errors import ShipitError

if TYPE_CHECKING:
    from shipit.release import Status

HELP = """Prints the URLs of what runs in each target, one per line, and changes nothing. At a terminal, the first URL is also
opened in a browser: the one that the variable BROWSER names, or the system's."""
EXAMPLES = ("shipit open", "shipit open heroku -e staging", "curl $(shipit open heroku | head -1)")


def run(options: TargetOptions) -> None:
    with exit_on_error(options.verbose, options.output), targets_run(options, for_deploy=False) as run:
        from shipit.pipeline.prepare import read_status

        found = read_status(run)
        urls = web_urls(run.redactor.value(found))
        if not urls:
            hint = "shipit status shows what runs; Kubernetes has URLs with host: or a load balancer, Heroku with a web dyno"
            raise ShipitError(
                "there is no URL to open", where=", ".join(target.name for target in run.targets), hint=hint
            )
        if options.output == "json":
            check_written()
            return
        for url in urls:
            result(url)
        if sys.stdout.isatty() and not run.environment.in_ci:
            _open(urls[0])


def web_urls(found: Sequence[Status]) -> list[str]:
    """The http and https URLs of targets, without duplicates. A server may have given them: others are never opened."""
    urls = dict.fromkeys(url for status in found for url in status.urls)
    return [url for url in urls if _is_web_url(url)]


def _is_web_url(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and url.isprintable()
    except ValueError:
        return False


def _open(url: str) -> None:
    import webbrowser

    try:
        is_open = webbrowser.open(url)
    except webbrowser.Error:
        is_open = False
    if not is_open:
        note("no browser could be started: open the URL by hand")
