"""A deploy.yml as it is written: with the files that it includes, without deprecated keys, before interpolation."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shipit.config.deprecated import Edit, modernise
from shipit.config.document import Mapping_
from shipit.config.find import DeployFile
from shipit.config.folder import ProjectFolder, project_folder
from shipit.config.git import Git
from shipit.config.include import Reader, relative_name
from shipit.config.interpolate import interpolate
from shipit.config.names import Names
from shipit.config.overlay import PRODUCTION, overlays_of
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.source import Source
from shipit.errors import ConfigError


class Written(NamedTuple):
    """A file and what it includes as one tree. `warnings` are about deprecated keys, and `edits` rename them.

    `names` are what `${...}` may name in an `include`, before anything of the file is known. `paths`: name of a file in
    messages -> its path; `folder` is that of the file itself.
    """

    tree: Mapping_
    source: Source
    warnings: tuple[ConfigError, ...]
    edits: tuple[Edit, ...]
    paths: Mapping[str, Path]
    folder: ProjectFolder
    names: Names


def read_written(file: Path | DeployFile, environment: ProcessEnvironment, *, selected: str | None = None) -> Written:
    """Read a file and what it includes. Raises: UsageError, ConfigErrors."""
    given = file if isinstance(file, DeployFile) else DeployFile(file)
    folder = project_folder(given.path.parent, environment)
    names = Names(
        environment.variables, Git(folder.path, environment), None, PRODUCTION if selected is None else selected
    )
    reader = Reader(environment, folder.within, lambda text: interpolate(text, names))
    name = given.name or relative_name(given.path, environment.cwd)
    tree = reader.read(given, name)
    source = Source(name, reader.texts, tree)
    modern, warnings, edits = modernise(tree, source)
    return Written(modern, source.of(modern), warnings, edits, reader.paths, folder, names)


def environments_of(file: Path | DeployFile, environment: ProcessEnvironment) -> tuple[str, ...]:
    """The names of the environments in a file; empty when it has none. Raises: UsageError, ConfigErrors."""
    return tuple(overlays_of(read_written(file, environment).tree))
