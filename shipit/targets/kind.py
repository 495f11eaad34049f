"""A kind of target as one value, the same for those of shipit and those of other packages. Importing it is cheap.

Another package adds a kind with an entry point in the group `shipit.targets` that names its Kind:
`nomad = "shipit_nomad:KIND"`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

if TYPE_CHECKING:
    # A Kind is made at start-up; what it names is imported when it is asked for.
    from collections.abc import Callable, Iterator, Sequence

    from shipit.clock import Clock
    from shipit.config.folder import ProjectFolder
    from shipit.config.model import TargetConfig
    from shipit.config.process_environment import ProcessEnvironment
    from shipit.config.project import Project
    from shipit.drafts.kind import KindDraft
    from shipit.errors import ConfigError
    from shipit.events import Emit, LogLine
    from shipit.targets.log_query import LogQuery
    from shipit.targets.remote import Command, Remote

    CheckFiles: TypeAlias = Callable[[str, TargetConfig, Project, ProcessEnvironment], Sequence[ConfigError]]
    ReopenLogs: TypeAlias = Callable[
        [Mapping[str, Any], ProcessEnvironment, Clock, Emit, LogQuery], Sequence[Callable[[], Iterator[LogLine]]]
    ]

# `module:name`, imported when it is asked for.
Reference: TypeAlias = str
Capability = Literal[
    "checks_images",
    "checks_login",
    "checks_access",
    "logs_in",
    "reissues",
    "notes",
    "previews",
    "applies_in_waves",
    "awaits_change",
    "guards",
    "locks",
    "probes",
    "serves",
    "has_workloads",
    "has_logs",
    "scales",
    "restarts",
    "stops",
    "executes",
    "pins",
    "pins_logs",
    "runs_once",
    "forwards",
    "destroys",
    "prunes",
    "renders",
    "uses_images",
    "diagnoses",
    "reverts",
    "examines",
    "has_history",
    "records_releases",
    "records_published",
    "returns",
    "pushes_again",
    "tells_images",
    "tells_past_images",
    "takes_over",
]
# Capability -> the methods of a target that has it: see the protocols in base.py, verbs.py and history.py.
METHODS: Mapping[Capability, tuple[str, ...]] = {
    "checks_images": ("check",),
    "checks_login": ("check_login",),
    "checks_access": ("check_access",),
    "logs_in": ("registry_logins",),
    "reissues": ("reissue",),
    "notes": ("notes",),
    "previews": ("preview",),
    "applies_in_waves": ("waves",),
    "awaits_change": ("await_change",),
    "guards": ("guard",),
    "locks": ("lock_name", "read_lock", "swap_lock"),
    "probes": ("probe",),
    "serves": ("urls",),
    "has_workloads": ("workloads",),
    "has_logs": ("logs",),
    "scales": ("declared_scale", "plan_scale", "judge_scale"),
    "restarts": ("plan_restart", "judge_restart"),
    "stops": ("plan_stop", "judge_stop", "plan_start", "judge_start"),
    "executes": ("execute",),
    "pins": ("pinned",),
    "pins_logs": ("pinned_logs",),
    "runs_once": ("run_once", "start_once"),
    "forwards": ("ports",),
    "destroys": ("inventory", "plan_destroy", "leftovers"),
    "prunes": ("stock", "plan_prune", "prune_notes"),
    "renders": ("render",),
    "uses_images": ("images_in_use",),
    "diagnoses": ("diagnose",),
    "reverts": ("plan_rollback", "judge_rollback"),
    "examines": ("examine",),
    "has_history": ("past_releases",),
    "records_releases": ("record_release",),
    "records_published": ("record_published",),
    "returns": ("recall", "plan_return", "return_notes", "judge_return"),
    "pushes_again": ("recall_from",),
    "tells_images": ("running_images",),
    "tells_past_images": ("past_images",),
    "takes_over": ("taking_over",),
}


class InvalidReference(Exception):
    """A module or a name that a Kind names and that can't be imported."""


class Kind(NamedTuple):
    """A kind of target. `names` are its name and its aliases, in deploy.yml as `kind:` or as the name of a target.

    `config`: the pydantic model of its part of deploy.yml, a subclass of TargetConfig. `target`: a function of the target's
    name, its config, the project and the process environment that makes a Target. `steps`: the modules of its Step
    classes. `login`: what `shipit login KIND` calls with the process environment, a clock and an emit; it says whose login
    is in use, or raises ShipitError. `reopen`: what begins a command with what the capability `pins` gave.
    `reopen_logs`: what reads logs with what the capability `pins_logs` gave. `draft`: its KindDraft for `shipit init`.
    `guide`: its topic of `shipit help`.
    `parts`: heading -> model of the parts of its config, for the reference. `workloads_key`: the key of its config that maps
    the names of workloads, for shell completion. `named_workloads`: a function that gives the workloads that other files name,
    of the folder of deploy.yml and the part of a target, or raises ShipitError, for shell completion, too. `instead`: a command of shipit that it lacks -> what to use instead.
    `check_files`: a function of what `target` takes that gives the mistakes of files of a target, for `shipit validate`; other commands make the target.
    """

    names: tuple[str, ...]
    config: Reference
    target: Reference
    steps: tuple[str, ...] = ()
    capabilities: frozenset[Capability] = frozenset()
    login: Reference = ""
    reopen: Reference = ""
    reopen_logs: Reference = ""
    draft: Reference = ""
    guide: str = ""
    parts: Mapping[str, Reference] = {}
    workloads_key: str = ""
    named_workloads: Reference = ""
    instead: Mapping[str, str] = {}
    check_files: Reference = ""

    @property
    def name(self) -> str:
        return self.names[0]

    def load_config(self) -> type[TargetConfig]:
        """The model. Raises: InvalidReference, as the other loads do."""
        return cast("type[TargetConfig]", load(self.config))

    def create(self, name: str, config: TargetConfig, project: Project, environment: ProcessEnvironment) -> Any:
        """The Target of a name in deploy.yml."""
        return load(self.target)(name, config, project, environment)

    def load_named_workloads(self) -> Callable[[ProjectFolder, Mapping[str, Any]], Sequence[str]] | None:
        return load(self.named_workloads) if self.named_workloads else None

    def load_check_files(self) -> CheckFiles | None:
        return load(self.check_files) if self.check_files else None

    def load_login(self) -> Callable[[ProcessEnvironment, Clock, Emit], str] | None:
        return load(self.login) if self.login else None

    def load_draft(self) -> KindDraft | None:
        return load(self.draft) if self.draft else None

    def load_reopen(self) -> Callable[[Mapping[str, Any], ProcessEnvironment, Clock], Callable[[Command], Remote]]:
        return cast("Callable[..., Callable[[Command], Remote]]", load(self.reopen))

    def load_reopen_logs(self) -> ReopenLogs:
        return cast("ReopenLogs", load(self.reopen_logs))

    def load_steps(self) -> None:
        """Import the classes of its steps, so that they can be read from JSON."""
        for module in self.steps:
            _module(module)


def load(reference: Reference) -> Any:
    """What a reference names. Raises: InvalidReference."""
    module, _, name = reference.partition(":")
    try:
        return getattr(_module(module), name)
    except AttributeError:
        raise InvalidReference(f"{module} has no {name}") from None


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise InvalidReference(f"{name} can't be imported: {error}") from error
