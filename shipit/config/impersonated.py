"""The user that `--as` names: targets of a project act as that user, where their kind can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shipit.config.project import Project
from shipit.errors import UsageError

_HINT = "for example --as deployer --as-group deployers"


def acting_as(project: Project, user: str | None, groups: Sequence[str], *, is_needed: bool = True) -> Project:
    """The project whose targets act as a user of these groups, in place of what deploy.yml says; without a user as it is.

    Raises: UsageError for an invalid name, for groups without a user, and, where it `is_needed`, if no target can act as
    another user.
    """
    if user is None:
        if groups:
            raise UsageError("--as-group needs --as, as with kubectl", hint=_HINT)
        return project
    try:
        found = {name: config.acting_as(user, tuple(groups)) for name, config in project.targets.items()}
    except ValueError as error:
        what = "should have no control characters, no spaces at its ends, and not be empty"
        raise UsageError(f"the user of --as and each --as-group {what}", hint=_HINT) from error
    acting = {name: config for name, config in found.items() if config is not None}
    if is_needed and project.targets and not acting:
        what = "--as is for Kubernetes targets, and there is none"
        raise UsageError(what, where=project.file.name, hint="leave out --as")
    return replace(project, targets={**project.targets, **acting})
