"""Probes the app through its URL, as a visitor would."""

from __future__ import annotations

from shipit.errors import DeadlinePassed, RemoteError
from shipit.targets.heroku.address import is_trusted_url
from shipit.targets.heroku.client import HerokuClient
from shipit.targets.heroku.observed import ProbeFacts

PROBE_S = 10.0


def probe_app(client: HerokuClient, web_url: str, path: str) -> ProbeFacts:
    """The app's answer to GET of a path, or of `/` when none is required. Sends no credentials, follows no redirect.

    Raises: DeadlinePassed when the time of the target is over, not only that of the probe.
    """
    shown = path or "/"
    url = f"{web_url.rstrip('/')}{shown}"
    if not is_trusted_url(url, client.wire.base, schemes=("http", "https")):
        return ProbeFacts(shown, 0, "the app's URL is not a public URL", bool(path))
    deadline = client.deadline.within(PROBE_S)
    try:
        with client.wire.http.send("GET", url, stream=True, read_s=PROBE_S, deadline=deadline) as answer:
            return ProbeFacts(shown, answer.status, is_required=bool(path))
    except (RemoteError, DeadlinePassed) as error:
        if isinstance(error, DeadlinePassed) and not client.deadline.remaining_s():
            raise
        return ProbeFacts(shown, 0, error.what, bool(path))
