"""The project and the session of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from shipit.targets.compose.content import Content
from shipit.targets.compose.judge import Limits
from shipit.targets.compose.program import ComposeProgram
from shipit.targets.engine.owner import Owner
from shipit.targets.session import Session


class Setting(NamedTuple):
    """The project and the session of a step. `render` renders the compose file with the images of a step.

    `steady_s` is how long a container without a healthcheck has to run before it counts as ready.
    """

    target: str
    project: str
    owner: Owner
    session: Session
    secrets: frozenset[str]
    render: Callable[[Mapping[str, str], Mapping[str, str]], Content]
    program: Callable[[Mapping[str, str]], ComposeProgram]
    limits: Limits
    steady_s: float = 0.0
