"""The part of a kind of target in `shipit init`: its detection in a project, its question, the lines that it drafts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shipit.config.process_environment import ProcessEnvironment
from shipit.drafts.files import FileFacts, ProjectFacts

# The answer for a target that is not wanted.
NONE = "none"


class Remote(NamedTuple):
    """A remote of the git repository."""

    name: str
    url: str


class Folder(NamedTuple):
    """A project folder as a kind sees it. `files` holds what other tools' files say, such as those of Compose."""

    root: Path
    environ: ProcessEnvironment
    remotes: Sequence[Remote] = ()
    files: Sequence[FileFacts] = ()


class Detection(NamedTuple):
    """What a kind detects. Nothing is run and no server is asked.

    `files`: what the files of this kind say; `repositories`: repositories that its files run images from; `places`: label
    -> place that is configured here, such as a context of the kubeconfig; `current`: the place that is used by default;
    `is_expected`: whether a file of the project is there for this kind; `owner`: the account of a registry login; `own`: what
    only the kind itself reads.
    """

    files: tuple[FileFacts, ...] = ()
    repositories: tuple[str, ...] = ()
    places: Mapping[str, str] = {}
    current: str = ""
    is_expected: bool = False
    owner: str = ""
    own: Any = None


class Choice(NamedTuple):
    """The place that a target is drafted for; empty for the default one. `is_guess`: no file names it."""

    place: str
    is_guess: bool = False


class Question(NamedTuple):
    """What `init` asks for a place. `check` gives what is wrong with an answer, or an empty text."""

    text: str
    default: str
    check: Callable[[str], str]


class TargetDraft(NamedTuple):
    """Lines below `targets:`, indented by two spaces; `overlays`: environment -> its target as a YAML flow map.

    `needs_image` is False for a target that runs images of others only.
    """

    lines: tuple[str, ...]
    overlays: Mapping[str, str] = {}
    needs_image: bool = True


def whole_project(project: ProjectFacts, found: Detection) -> ProjectFacts:
    return project


class KindDraft(NamedTuple):
    """The functions of one kind. `target` is the name of the drafted target, which is a kind or an alias.

    `choose` gives the place without asking, None when the project does not go there; `question` is None when there is
    nothing to ask. `runs_app` is False for a kind that only stores images, which is drafted when no other kind is chosen.
    `needs_repository`: its place pulls images from a repository. `is_alone`: it is drafted only where no other kind that runs the app
    is: a Compose file is often for development. `has_process_env`: a process of it can have variables of its own. `narrow` gives the project as this kind takes it where it is drafted alone.
    """

    target: str
    detect: Callable[[Folder], Detection]
    choose: Callable[[ProjectFacts, Detection], Choice | None]
    question: Callable[[ProjectFacts, Detection], Question | None]
    render: Callable[[ProjectFacts, Detection, Choice], TargetDraft]
    runs_app: bool = True
    needs_repository: bool = True
    is_alone: bool = False
    has_process_env: bool = True
    narrow: Callable[[ProjectFacts, Detection], ProjectFacts] = whole_project
