"""Errors for apps that can't run container images, with what to do about each. Pure."""

from __future__ import annotations

from shipit.errors import RemoteError
from shipit.targets.heroku.observed import AppFacts


def no_app(name: str, error: RemoteError) -> RemoteError:
    """The error for an app that is not found, from Heroku's own."""
    return RemoteError(
        f"there is no app {name!r} that this account may see",
        where=error.where,
        hint=f"check app: in deploy.yml, or create it: heroku create {name} --stack container",
        status=404,
        detail=error.detail,
    )


def check_stack(name: str, app: AppFacts) -> None:
    """Raises: RemoteError unless the app runs container images."""
    where = f"app {name}"
    if app.generation == "fir":
        raise RemoteError(
            "is of the Fir generation, which runs no container images of ours",
            where=where,
            hint="create an app on Cedar: heroku create --stack container",
        )
    if "container" not in app.stacks:
        raise RemoteError(
            f"is on the stack {app.stacks[0] or 'unknown'}, which runs no images",
            where=where,
            hint=f"heroku stack:set container --app {name}",
        )
