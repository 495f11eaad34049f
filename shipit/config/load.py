"""deploy.yml to a Project: parse, overlay, interpolate, validate; every mistake at once, each at its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from shipit.config.check import check_file, check_format, check_targets, image_names, images_of
from shipit.config.deprecated import Edit, modernise
from shipit.config.document import Mapping_, Scalar, plain_data
from shipit.config.dotenv import read_dotenv
from shipit.config.environment import Environment
from shipit.config.git import Git
from shipit.config.include import Reader, relative_name
from shipit.config.interpolate import interpolate
from shipit.config.model import DotenvFiles, ProjectFile, TargetConfig
from shipit.config.names import Names, interpolated
from shipit.config.overlay import PRODUCTION, overlay, overlays_of
from shipit.config.position import Keys
from shipit.config.problems import problems_of
from shipit.config.project import Project
from shipit.config.source import Source, dotted
from shipit.errors import ConfigError, ConfigErrors, UsageError

FILE_NAMES = ("deploy.yml", "deploy.yaml")
Kinds = Mapping[str, type[TargetConfig]]


def find_file(environment: Environment, given: str | None) -> Path:
    """The file named, or the nearest deploy.yml from the working directory up to the git root.

    Raises: UsageError when there is none.
    """
    if given:
        path = environment.cwd / given
        if path.is_dir():
            path = next((path / name for name in FILE_NAMES if (path / name).is_file()), path / FILE_NAMES[0])
        if not path.is_file():
            raise UsageError("there is no such file", where=given, hint="name a deploy.yml with -f")
        return path
    for folder in _folders(environment.cwd):
        for name in FILE_NAMES:
            if (folder / name).is_file():
                return folder / name
    hint = "write one with at least app:, image: and targets:, or name it with -f"
    raise UsageError("there is no deploy.yml here or above", where=str(environment.cwd), hint=hint)


def _folders(cwd: Path) -> tuple[Path, ...]:
    """The working directory and those above it up to the git root; itself alone outside of a git tree."""
    above = (cwd, *cwd.parents)
    root = next((index for index, folder in enumerate(above) if (folder / ".git").exists()), 0)
    return above[: root + 1]


def load_project(
    path: Path, environment: Environment, kinds: Kinds, *, selected: str | None = None, display: str | None = None
) -> Project:
    """Load the file under the environment `selected`, or as it is written.

    `kinds` maps a kind's name or alias to its model. `display` is how messages call the file.
    Raises: ConfigErrors with every mistake.
    """
    written = read_written(path, environment, selected=selected, display=display)
    tree, flags = overlay(written.tree, selected, written.source)
    source = written.source.of(tree)
    app = tree.items.get("app")
    names = replace(written.names, app=app[1].text if app and isinstance(app[1], Scalar) else None)
    variables, mistakes = _variables(tree, names, path.parent, source)
    resolved, found, failed = interpolated(tree, replace(names, variables=variables), source)
    mistakes += found
    environment.redactor.add(_secret_values(resolved, variables))
    source = source.of(resolved)
    data = plain_data(resolved)
    if other_format := check_format(data, source):
        # Whatever else is wrong may be right in the format that the file is in.
        raise ConfigErrors(other_format)
    file, found = problems_of(ProjectFile, data, source, ())
    targets, more = _read_targets(data, kinds, source)
    # What is wrong with the nothing that stands for an unset variable is no further mistake.
    unset = {dotted(keys) for keys in failed}
    mistakes += [problem for problem in found + more if problem.path not in unset]
    every = _names(written.tree) | {name for name, _ in _targets(data)}
    app_name = names.app or ""
    mistakes += check_targets(app_name, image_names(data, app_name), targets, every, source)
    images = images_of(file) if file else {}
    for name, config in targets.items():
        mistakes += config.problems_in(path.parent, images, partial(_problem_of, source, name))
    if file is not None:
        mistakes += check_file(file, targets, every, source)
    if mistakes or file is None:
        raise environment.redactor.error(ConfigErrors(mistakes))
    return Project(
        app=file.app,
        environment=selected or PRODUCTION,
        file=path.resolve(),
        images=images,
        env={key: value for key, value in file.env.items() if value is not None},
        secrets=file.secrets,
        release=file.release,
        targets=targets,
        git=names.git,
        protected=flags.protected,
        require_clean=flags.require_clean,
        variables=variables,
        warnings=(*written.warnings, *_doubts(targets, source)),
        source=source,
    )


class Written(NamedTuple):
    """A file as it is written, with what it includes and without deprecated keys; `warnings` tells of those.

    `names` are what `${...}` may name in an `include`, before anything of the file is known.
    """

    tree: Mapping_
    source: Source
    warnings: tuple[ConfigError, ...]
    edits: tuple[Edit, ...]
    paths: Mapping[str, Path]
    names: Names


def read_written(
    path: Path, environment: Environment, *, selected: str | None = None, display: str | None = None
) -> Written:
    """Read a file and what it includes. Raises: UsageError, ConfigErrors."""
    names = Names(environment.variables, Git(path.parent.resolve()), None, selected or PRODUCTION)
    reader = Reader(environment.cwd, lambda text: interpolate(text, names))
    name = display or relative_name(path, environment.cwd)
    tree = reader.read(path, name)
    source = Source(name, reader.texts, tree)
    modern, warnings, edits = modernise(tree, source)
    return Written(modern, source.of(modern), warnings, edits, reader.paths, names)


def environments_of(path: Path, environment: Environment) -> tuple[str, ...]:
    """The names of the overlays in a file; empty when it has none or can't be parsed."""
    return tuple(overlays_of(read_written(path, environment).tree))


def _variables(tree: Mapping_, names: Names, root: Path, source: Source) -> tuple[Mapping[str, str], list[ConfigError]]:
    """The variables of the process, above those of the .env files that the file names."""
    if "dotenv" not in tree.items:
        return names.variables, []
    only = Mapping_({"dotenv": tree.items["dotenv"]}, tree.at)
    walked, mistakes, _ = interpolated(only, names, source)
    # What is wrong with the key itself is told with everything else.
    files, _ = problems_of(DotenvFiles, plain_data(walked), source, ())
    if files is None:
        return names.variables, mistakes
    values, found = read_dotenv(files.dotenv, root, source)
    return {**values, **names.variables}, mistakes + found


def _secret_values(tree: Mapping_, variables: Mapping[str, str]) -> list[str]:
    """The values of the variables that secrets are read from, whatever else is wrong with the file."""
    secrets = tree.items.get("secrets")
    rows = secrets[1].items.values() if secrets and isinstance(secrets[1], Mapping_) else ()
    sources = [row.items["env"][1] for _, row in rows if isinstance(row, Mapping_) and "env" in row.items]
    return [variables.get(source.text, "") for source in sources if isinstance(source, Scalar)]


def _read_targets(data: Any, kinds: Kinds, source: Source) -> tuple[dict[str, TargetConfig], list[ConfigError]]:
    targets: dict[str, TargetConfig] = {}
    mistakes: list[ConfigError] = []
    for target, raw in _targets(data):
        config, found = _target(target, raw, kinds, source)
        mistakes += found
        if config is not None:
            targets[target] = config
    return targets, mistakes


def _doubts(targets: Mapping[str, TargetConfig], source: Source) -> list[ConfigError]:
    return [doubt for name, config in targets.items() for doubt in config.doubts_in(partial(_problem_of, source, name))]


def _problem_of(source: Source, target: str, keys: Keys, what: str, hint: str = "") -> ConfigError:
    return source.problem(("targets", target, *keys), what, hint)


def _targets(data: Any) -> list[tuple[str, Any]]:
    targets = data.get("targets") if isinstance(data, dict) else None
    return [(str(name), raw) for name, raw in targets.items()] if isinstance(targets, dict) else []


def _names(tree: Mapping_) -> set[str]:
    """The names of every target in the file, whichever the environment selects."""
    targets = tree.items.get("targets")
    return set(targets[1].items) if targets and isinstance(targets[1], Mapping_) else set()


def _target(name: str, raw: Any, kinds: Kinds, source: Source) -> tuple[TargetConfig | None, list[ConfigError]]:
    kind = raw.get("kind", name) if isinstance(raw, dict) else name
    model = kinds.get(kind) if isinstance(kind, str) else None
    if model is None:
        known = sorted(set(kinds))
        kinds_here = f"kind: one of {', '.join(known)}"
        if isinstance(raw, dict) and "kind" in raw:
            what = "is no kind of target" if isinstance(kind, str) else "should be the name of a kind"
            hint = source.near(str(kind), known) or kinds_here
            return None, [source.problem(("targets", name, "kind"), what, hint, on_value=True)]
        what = "is no kind of target, so it should name its kind"
        return None, [source.problem(("targets", name), what, source.near(name, known) or kinds_here, on_key=True)]
    return problems_of(model, raw, source, ("targets", name))
