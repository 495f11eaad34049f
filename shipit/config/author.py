"""The author of a run: a user at a machine, or the actor who started a CI job.

Source: docs.github.com, "Variables reference", GITHUB_ACTOR; docs.gitlab.com, "Predefined CI/CD variables", GITLAB_USER_LOGIN
and CI_JOB_URL; circleci.com/docs, "Project values and variables", CIRCLE_USERNAME and CIRCLE_BUILD_URL.
"""

from __future__ import annotations

import os
import pwd
import socket
from functools import cache

from shipit.config.process_environment import ProcessEnvironment

_LONGEST = 300


def read_author(environment: ProcessEnvironment) -> str:
    """`USER@HOST`, or in a CI job that is known `ACTOR (URL of the job)`; unknown parts are left out."""
    return (_of_job(environment) or f"{_user(environment)}@{socket.gethostname()}")[:_LONGEST]


def _of_job(environment: ProcessEnvironment) -> str:
    get = environment.get
    if get("GITHUB_ACTIONS") == "true":
        server, repository, run = get("GITHUB_SERVER_URL"), get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID")
        url = f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None
        # The actor who started a run again may differ from the author of the change.
        return _joined(get("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"), url)
    if get("GITLAB_CI") == "true":
        return _joined(get("GITLAB_USER_LOGIN", "GITLAB_USER_EMAIL"), get("CI_JOB_URL"))
    if get("CIRCLECI") == "true":
        return _joined(get("CIRCLE_USERNAME"), get("CIRCLE_BUILD_URL"))
    return ""


def _joined(actor: str | None, url: str | None) -> str:
    if actor and url:
        return f"{actor} ({url})"
    return actor or url or ""


def _user(environment: ProcessEnvironment) -> str:
    if name := environment.get("USER", "LOGNAME"):
        return name
    return _name_of(os.getuid())


@cache
def _name_of(user_id: int) -> str:
    """The name of a user of this machine, or the id itself. Every object of a deploy says it: it is read once."""
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
