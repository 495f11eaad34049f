"""The kinds that are installed: those of shipit, and those that other packages bring as entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, cast

from shipit.config.model import TargetConfig
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.errors import UsageError
from shipit.targets.kind import InvalidReference, Kind, load

if TYPE_CHECKING:
    # What `validate` does not need is not imported for it.
    from shipit.clock import Clock
    from shipit.drafts.kind import KindDraft
    from shipit.events import Emit
    from shipit.targets.base import Target

ENTRY_POINTS = "shipit.targets"
# The kinds of shipit, one line each. They are no entry points, so that start-up scans no metadata of packages.
BUILT_IN = (
    "shipit.targets.heroku:KIND",
    "shipit.targets.kubernetes:KIND",
    "shipit.targets.registry:KIND",
    "shipit.targets.docker:KIND",
    "shipit.targets.compose:KIND",
    "shipit.targets.swarm:KIND",
