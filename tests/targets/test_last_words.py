"""The last lines of a crashed dyno, without those of earlier runs."""

from __future__ import annotations

import pytest

from shipit.targets.heroku.last_words import last_run

START = "heroku[web.1]: Starting process with command `node app.js`"
EXIT = "heroku[web.1]: Process exited with status 3"
CRASH = "heroku[web.1]: State changed from starting to crashed"
AT = "2026-01-02T03:04:05.678901+00:00 "


@pytest.mark.parametrize(
    ("lines", "own"),
    [
        (["app[web.1]: old", START, "app[web.1]: boom", EXIT, CRASH], ["app[web.1]: boom", EXIT, CRASH]),
        (
            ["app[web.1]: old", "heroku[web.1]: Stopping all processes with SIGTERM", EXIT, "app[web.1]: boom", EXIT],
            ["app[web.1]: boom", EXIT],
        ),
        (
            [START, "app[web.1]: old", EXIT, START, "app[web.1]: boom", EXIT, START, "app[web.1]: again"],
            ["app[web.1]: boom", EXIT],
        ),
        (
            [f"{AT}app[web.1]: old", f"{AT}{START}", f"{AT}app[web.1]: boom", f"{AT}{EXIT}"],
            [f"{AT}app[web.1]: boom", f"{AT}{EXIT}"],
        ),
        (["app[web.1]: old", START, "app[web.1]: hangs"], ["app[web.1]: hangs"]),
        (["app[web.1]: boom"], ["app[web.1]: boom"]),
        (
            ["app[web.1]: heroku[web.1]: Process exited with status 0", EXIT],
            ["app[web.1]: heroku[web.1]: Process exited with status 0", EXIT],
        ),
        ([], []),
    ],
)
def test_the_last_run_of_a_dyno(lines: list[str], own: list[str]) -> None:
    assert last_run(lines) == own
