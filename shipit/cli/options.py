"""The options that several commands take, each written once, and the groups of them that a command asks for by type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated

from shipit.cli.completion import complete_environments, complete_targets, complete_workloads
from shipit.cli.declared import argument, option
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.config.project import Project

# Standard output, as the name of a file.
STDOUT = "-"
OUTPUTS = ("auto", "plain", "json", "github")
PLAN_OUTPUTS = (*OUTPUTS, "markdown")


def _one_of(outputs: Sequence[str]) -> Callable[[str], str]:
    def known(value: str) -> str:
        if value not in outputs:
            raise ValueError(f"{value!r} should be one of {', '.join(outputs)}.")
        return value

    return known


def is_archive_name(value: str) -> bool:
    """True when a value of --output is a file, or - for standard output, and no format."""
    return value == "-" or value.endswith(".tar") or "/" in value


def _known_build_output(value: str) -> str:
    if value not in OUTPUTS and not is_archive_name(value):
        raise ValueError(f"{value!r} should be one of {', '.join(OUTPUTS)}, or a file whose name ends in .tar.")
    return value


def _completes(outputs: Sequence[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [output for output in outputs if output.startswith(incomplete)]

    return complete


FileOption = Annotated[
    str | None,
    option("--file", "-f", metavar="FILE", help="deploy.yml; - is standard input. Default: the nearest one upwards."),
]
EnvironmentOption = Annotated[
    str | None,
    option(
        "--environment",
        "-e",
        metavar="NAME",
        help="The environment to use. Default: production.",
        completes=complete_environments,
    ),
]
TargetsArgument = Annotated[
    list[str] | None,
    argument(
        metavar="TARGET",
        help="Targets of deploy.yml. Default: all of them.",
        show_default=False,
        completes=complete_targets,
    ),
]
WorkloadsArgument = Annotated[
    list[str] | None,
    argument(
        metavar="TARGET[/WORKLOAD]",
        help="Targets of deploy.yml, or one workload of a target. Default: all of them.",
        show_default=False,
        completes=complete_workloads,
    ),
]
WorkloadArgument = Annotated[
    str,
    argument(
        metavar="TARGET[/WORKLOAD]",
        help="A target of deploy.yml, and one of its workloads unless it has only one.",
        completes=complete_workloads,
    ),
]
CommandArgument = Annotated[
    list[str] | None, argument(metavar="-- COMMAND", help="The command and its arguments.", show_default=False)
]
PortsArgument = Annotated[
    list[str] | None,
    argument(
        metavar="LOCAL[:REMOTE]",
        help="A port of this machine, and one of the workload; the same number without REMOTE.",
        show_default=False,
    ),
]
TtyOption = Annotated[
    bool | None,
    option(
        "--tty/--no-tty",
        "-t/-T",
        help="Give the command a terminal or not. Default: when stdin and stdout are one.",
        show_default=False,
    ),
]
InputOption = Annotated[
    bool, option("--interactive", "-i", help="Pass input on, which is done anyway: for the habit of -it.")
]
DetachOption = Annotated[
    bool, option("--detach", "-d", help="Start the command, print what it runs in, and do not wait for it.")
]
SizeOption = Annotated[
    str, option("--size", "-s", metavar="SIZE", help="The size of the dyno, on Heroku.", show_default=False)
]
TargetOption = Annotated[
    list[str] | None,
    option("--target", "-t", metavar="TARGET", help="A target; can be repeated.", completes=complete_targets),
]
OutputOption = Annotated[
    str,
    option(
        "--output",
        metavar="FORMAT",
        help="auto, plain, json or github. Default: auto, a live view at a terminal and plain lines elsewhere.",
        show_default=False,
        check=_one_of(OUTPUTS),
        completes=_completes(OUTPUTS),
    ),
]
PlanOutputOption = Annotated[
    str,
    option(
        "--output",
        metavar="FORMAT",
        help="auto, plain, json, github, or markdown for a pull request. Default: auto.",
        show_default=False,
        check=_one_of(PLAN_OUTPUTS),
        completes=_completes(PLAN_OUTPUTS),
    ),
]
BuildOutputOption = Annotated[
    str,
    option(
        "--output",
        metavar="FORMAT|FILE.tar",
        help="auto, plain, json or github; or a file, as --save. Default: auto.",
        show_default=False,
        check=_known_build_output,
        completes=_completes(OUTPUTS),
    ),
]
SaveOption = Annotated[
    str | None,
    option(
        "--save",
        metavar="FILE.tar",
        help="Write the images to a tar, which is an OCI layout and a docker archive; - is standard output.",
    ),
]
LoadOption = Annotated[
    bool, option("--load", help="Load the images into the local Docker engine, so that docker run finds them.")
]
EngineOption = Annotated[
    str | None,
    option(
        "--engine",
        metavar="ENGINE",
        help="With --load: the engine to load into, by address (unix://, tcp://, ssh://) or docker context. Default: the one that docker uses.",
        show_default=False,
    ),
]
SavePlanOption = Annotated[
    str | None, option("--save", metavar="FILE", help="Save the plan to a file, and change nothing.")
]
ExpiresOption = Annotated[
    str | None, option("--expires", metavar="DURATION", help="How long the saved plan is good. Default: 24h.")
]
GivenImageOption = Annotated[
    list[str] | None,
    option(
        "--image",
        metavar="NAME=REPO@DIGEST",
        help="Use this image of a registry in place of a build; can be repeated. It gets no tags.",
        show_default=False,
    ),
]
NoBuildOption = Annotated[
    bool,
    option("--no-build", help="Build nothing: use what the first tag of each image names in its repository."),
]
WaitOption = Annotated[
    str | None,
    option("--wait", metavar="DURATION", help="Wait so long for another run that holds a lock."),
]
JobsOption = Annotated[
    int | None,
    option(
        "--jobs",
        metavar="N",
        min=1,
        help="Change at most N targets at once, the first alone: in place of max_parallel.",
    ),
]
FROM = option(
    "--from",
    metavar="ENV[/TARGET]",
    help="Promote what this environment runs, or one target of it.",
    show_default=False,
    completes=complete_environments,
)
UnhealthyOption = Annotated[
    bool, option("--unhealthy", help="Promote what runs even if it is not healthy, or was not.")
]
EventsOption = Annotated[
    str | None,
    option("--events", metavar="FILE", help="Also write every event to this file, as lines of JSON."),
]
TimeoutOption = Annotated[
    str | None, option("--timeout", metavar="DURATION", help="Time limit of each target, for example 5m.")
]
YesOption = Annotated[bool, option("--yes", "-y", help="Answer yes to every question.")]
ColorOption = Annotated[bool, option("--no-color", help="Do not use colours.")]
VerboseOption = Annotated[bool, option("--verbose", "-v", help="Show the traceback of an internal error.")]
UntrustedOption = Annotated[
    bool,
    option(
        "--untrusted",
        help="For a deploy.yml that nobody has reviewed: start no program that it names, read no file outside the project.",
    ),
]
AsOption = Annotated[
    str | None,
    option("--as", metavar="USER", help="Act as this user on Kubernetes, as kubectl --as does.", show_default=False),
]
AsGroupOption = Annotated[
    list[str] | None,
    option("--as-group", metavar="GROUP", help="A group of the user of --as; can be repeated.", show_default=False),
]
HostArgument = Annotated[
    str, argument(metavar="HOST", help="A registry's host, or heroku. Default: docker.io.", show_default=False)
]


# Nothing compares or prints the groups: methods for that would be compiled at every start.
@dataclass(frozen=True, eq=False, repr=False)
class ProjectOptions:
    """Options that select a deploy.yml and its environment, and the form of the output."""

    file: FileOption = None
    environment: EnvironmentOption = None
    output: OutputOption = "auto"
    events: EventsOption = None
    no_color: ColorOption = False
    verbose: VerboseOption = False
    untrusted: UntrustedOption = False
    as_user: AsOption = None
    as_group: AsGroupOption = None

    @property
    def written(self) -> tuple[str, ...]:
        """The files that the command writes where the user says."""
        return (self.events,) if self.events else ()

    def acting(self, project: Project, *, is_needed: bool = True) -> Project:
        """The project whose targets act as the user of --as; `is_needed` is that of `acting_as`. Raises: UsageError."""
        if self.as_user is None and not self.as_group:
            return project
        from shipit.config.impersonated import acting_as

        return acting_as(project, self.as_user, self.as_group or (), is_needed=is_needed)


@dataclass(frozen=True, eq=False, repr=False)
class BuildOptions(ProjectOptions):
    """The options of a project, for a build: `output` may also name a file."""

    output: BuildOutputOption = "auto"
    save: SaveOption = None
    load: LoadOption = False
    engine: EngineOption = None

    @property
    def written(self) -> tuple[str, ...]:
        return (*super().written, *((self.save,) if self.save and self.save != STDOUT else ()))


@dataclass(frozen=True, eq=False, repr=False)
class TargetOptions(ProjectOptions):
    """The options of a project, and the targets to use."""

    targets: TargetsArgument = None
    target: TargetOption = None

    @property
    def selected(self) -> tuple[str, ...]:
        """The targets named as arguments and with --target; empty means all."""
        return (*(self.targets or ()), *(self.target or ()))


@dataclass(frozen=True, eq=False, repr=False)
class PlanOptions(TargetOptions):
    """The options of targets, for a plan: `output` may also be markdown."""

    output: PlanOutputOption = "auto"


def target_options(options: ProjectOptions, targets: Sequence[str]) -> TargetOptions:
    """The options of a project, for these targets; empty means all."""
    own = {field.name: getattr(options, field.name) for field in fields(ProjectOptions)}
    return TargetOptions(**own, targets=list(targets))


@dataclass(frozen=True, eq=False, repr=False)
class WorkloadOptions(ProjectOptions):
    """The options of a project, and workloads of its targets: names as `TARGET` or `TARGET/WORKLOAD`."""

    workloads: WorkloadsArgument = None


@dataclass(frozen=True, eq=False, repr=False)
class CommandOptions(ProjectOptions):
    """The options of a project, one workload, and a command for it."""

    workload: WorkloadArgument = field(kw_only=True)
    command: CommandArgument = None
    tty: TtyOption = None
    interactive: InputOption = False


@dataclass(frozen=True, eq=False, repr=False)
class ForwardOptions(ProjectOptions):
    """The options of a project, one workload, and ports as `LOCAL[:REMOTE]`."""

    workload: WorkloadArgument = field(kw_only=True)
    ports: PortsArgument = None


@dataclass(frozen=True, eq=False, repr=False)
class RunOptions(CommandOptions):
    """The options of a command, for one that runs in a workload of its own."""

    detach: DetachOption = False
    size: SizeOption = ""


@dataclass(frozen=True, eq=False, repr=False)
class ChangeOptions(TargetOptions):
    """The options of targets, for a command that changes them."""

    timeout: TimeoutOption = None
    yes: YesOption = False


@dataclass(frozen=True, eq=False, repr=False)
class ImageOptions:
    """Images that exist, in place of a build."""

    image: GivenImageOption = None
    no_build: NoBuildOption = False

    def given(self, project: Project) -> Project:
        """The project with these images. Raises: UsageError."""
        if not self.image and not self.no_build:
            return project
        from shipit.config.given_images import parse_given, with_images

        return with_images(project, parse_given(self.image or (), project.images), builds=not self.no_build)


def limit_of(option: str, text: str) -> float:
    """Seconds of an option that is a time limit. Raises: UsageError."""
    from shipit.config.units import parse_limit

    try:
        return parse_limit(text)
    except ValueError as error:
        raise UsageError(f"{option} {error}") from None


def lifetime_of(save: str | None, expires: str | None) -> float:
    """Seconds for which a plan is good that is saved. Raises: UsageError."""
    if expires is not None and save is None:
        raise UsageError("--expires is for a plan that is saved", hint="add --save FILE")
    return limit_of("--expires", "24h" if expires is None else expires)


def wait_of(wait: str | None) -> float:
    """Seconds of --wait; 0 without it. Raises: UsageError."""
    return limit_of("--wait", wait) if wait is not None else 0.0
