"""The targets that a command line names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shipit.config.project import Project
from shipit.errors import UsageError

# A version of Heroku, or the beginning of a run.
_RELEASE = re.compile(r"v[0-9]+|[0-9a-f]{4,32}")


def named_targets(project: Project, selected: Sequence[str], verb: str = "") -> tuple[str, ...]:
    """The selected targets in the file's order, or all. Raises: UsageError for a name that is none."""
    from shipit.pipeline.graph import select_targets

    for name in selected:
        if name not in project.targets and name not in project.groups and (hint := _hint(project, name, verb)):
            raise UsageError(f"there is no target {name!r}", hint=hint)
    return select_targets(project.named(selected), project.targets)


def _hint(project: Project, name: str, verb: str) -> str:
    """Advice for a name that is no target; empty where there is none."""
    if name in project.left_out:
        return f"the environment {project.environment} leaves it out: name it there, or write inherit: true"
    if project.source.locate(("environments", name))[1] == ("environments", name):
        return f"it is an environment: -e {name}"
    return f"--to {name} names a release" if verb == "Roll back" and _RELEASE.fullmatch(name) else ""
