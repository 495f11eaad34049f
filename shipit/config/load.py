"""deploy.yml to a Project: parse, overlay, interpolate, validate; every mistake at once, each at its place."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from shipit.config.check import check_file, check_format, check_targets, image_names, images_of
from shipit.config.deprecated import Edit, modernise
from shipit.config.document import Mapping_, Scalar, plain_data
from shipit.config.dotenv import read_dotenv
from shipit.config.find import DeployFile
from shipit.config.folder import ProjectFolder, project_folder
from shipit.config.git import Git
from shipit.config.held import held_values
from shipit.config.include import Reader, relative_name
from shipit.config.interpolate import interpolate
from shipit.config.model import DotenvFiles, ProjectFile, TargetConfig
from shipit.config.names import Names, interpolated
from shipit.config.other_words import hint_for_target
from shipit.config.overlay import PRODUCTION, overlay, overlays_of
from shipit.config.position import Keys
from shipit.config.private import private_files
from shipit.config.problems import problems_of
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.config.source import Source, dotted
from shipit.config.use_of_images import images_without_repository, placeholder_images, unused_images
from shipit.errors import ConfigError, ConfigErrors

Kinds = Mapping[str, type[TargetConfig]]


def load_project(
    file: Path | DeployFile, environment: ProcessEnvironment, kinds: Kinds, *, selected: str | None = None
) -> Project:
    """Load the file under the environment `selected`, or under production.

    `kinds` maps a kind's name or alias to its model.
    Raises: ConfigErrors with every mistake.
    """
    given = _given(file)
    folder = project_folder(given.path.parent, environment)
    written = read_written(given, environment, selected=selected)
    tree, flags = overlay(written.tree, selected, written.source)
    source = written.source.of(tree)
    app = tree.items.get("app")
    names = replace(written.names, app=app[1].text if app and isinstance(app[1], Scalar) else None)
    variables, mistakes = _variables(tree, names, folder, source)
    # What a .env file that can't be read would have set is no further mistake.
    known = replace(names, variables=variables)
    resolved, found, failed = interpolated(tree, known, source, may_be_unset=bool(mistakes))
    mistakes += found
    environment.redactor.add(held_values(resolved, variables))
    source = source.of(resolved)
    data = plain_data(resolved)
    if other_format := check_format(data, source):
        # Whatever else is wrong may be right in the format that the file is in.
        raise ConfigErrors(other_format)
    model, found = problems_of(ProjectFile, data, source, ())
    targets, more = _read_targets(data, kinds, source)
    # What is wrong with the nothing that stands for an unset variable is no further mistake.
    unset = {dotted(keys) for keys in failed}
    mistakes += [problem for problem in found + more if problem.path not in unset]
    every = _names(written.tree) | {name for name, _ in _targets(data)}
    app_name = names.app or ""
    mistakes += check_targets(app_name, image_names(data, app_name), targets, every, source)
    images = images_of(model) if model else {}
    for name, config in targets.items():
        mistakes += config.problems_in(folder, images, partial(_problem_of, source, name))
    if model is not None:
        mistakes += check_file(model, targets, every, source)
        mistakes += images_without_repository(images, targets, source)
    if mistakes or model is None:
        raise environment.redactor.error(ConfigErrors(mistakes))
    # Under an environment that leaves targets out, those may be the ones that use an image.
    unused = unused_images(model, images, targets, folder, source) if every <= set(targets) else []
    return Project(
        app=model.app,
        environment=selected or PRODUCTION,
        file=folder.path / given.path.name,
        folder=folder,
        images=images,
        env={key: value for key, value in model.env.items() if value is not None},
        secrets=model.secrets,
        release=model.release,
        targets=targets,
        left_out=tuple(sorted(every - set(targets))),
        git=names.git,
        protected=flags.protected,
        require_clean=flags.require_clean,
        variables=variables,
        warnings=(
            *written.warnings,
            *_reach(selected or PRODUCTION, targets, every, written.source),
            *_doubts(targets, source),
            *unused,
            *placeholder_images(model, images, source),
        ),
        source=source,
        files=tuple(path.absolute() for path in written.paths.values()),
        private_files=private_files(written.tree, replace(names, variables=variables)),
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


def read_written(file: Path | DeployFile, environment: ProcessEnvironment, *, selected: str | None = None) -> Written:
    """Read a file and what it includes. Raises: UsageError, ConfigErrors."""
    given = _given(file)
    folder = project_folder(given.path.parent, environment)
    names = Names(environment.variables, Git(folder.path, environment), None, selected or PRODUCTION)
    reader = Reader(environment, folder.within, lambda text: interpolate(text, names))
    name = given.name or relative_name(given.path, environment.cwd)
    tree = reader.read(given, name)
    source = Source(name, reader.texts, tree)
    modern, warnings, edits = modernise(tree, source)
    return Written(modern, source.of(modern), warnings, edits, reader.paths, names)


def _given(file: Path | DeployFile) -> DeployFile:
    return file if isinstance(file, DeployFile) else DeployFile(file)


def environments_of(file: Path | DeployFile, environment: ProcessEnvironment) -> tuple[str, ...]:
    """The names of the overlays in a file; empty when it has none or can't be parsed."""
    return tuple(overlays_of(read_written(file, environment).tree))


def _variables(
    tree: Mapping_, names: Names, folder: ProjectFolder, source: Source
) -> tuple[Mapping[str, str], list[ConfigError]]:
    """The variables of the process, above those of the .env files that the file names."""
    if "dotenv" not in tree.items:
        return names.variables, []
    only = Mapping_({"dotenv": tree.items["dotenv"]}, tree.at)
    walked, mistakes, _ = interpolated(only, names, source)
    # What is wrong with the key itself is told with everything else.
    files, _ = problems_of(DotenvFiles, plain_data(walked), source, ())
    if files is None:
        return names.variables, mistakes
    values, found = read_dotenv(files.dotenv, folder, source, names.variables)
    return {**values, **names.variables}, mistakes + found


def _read_targets(data: Any, kinds: Kinds, source: Source) -> tuple[dict[str, TargetConfig], list[ConfigError]]:
    targets: dict[str, TargetConfig] = {}
    mistakes: list[ConfigError] = []
    for target, raw in _targets(data):
        config, found = _target(target, raw, kinds, source)
        mistakes += found
        if config is not None:
            targets[target] = config
    return targets, mistakes


def _reach(environment: str, targets: Mapping[str, TargetConfig], every: Set[str], source: Source) -> list[ConfigError]:
    """A warning where an environment reaches none of the file's targets."""
    if targets or not every or environment not in overlays_of(source.tree):
        return []
    hint = f"write inherit: true in it, or name its targets there; targets here: {', '.join(sorted(every))}"
    return [source.problem(("environments", environment), "reaches no target", hint, on_key=True)]


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


def _of_workload(kind: Any, kinds: Kinds) -> str:
    """Where the kind of a workload stands, which is no kind of a target."""
    for model in kinds.values():
        field = model.inline.model_fields.get("kind") if model.inline else None
        if field is not None and kind in getattr(field.annotation, "__args__", ()):
            return f"that is the kind of a workload: write workloads: {{NAME: {{kind: {kind}, ...}}}}"
    return ""


def _target(name: str, raw: Any, kinds: Kinds, source: Source) -> tuple[TargetConfig | None, list[ConfigError]]:
    kind = raw.get("kind", name) if isinstance(raw, dict) else name
    model = kinds.get(kind) if isinstance(kind, str) else None
    if model is None:
        known = sorted(set(kinds))
        kinds_here = f"kind: one of {', '.join(known)}"
        if isinstance(raw, dict) and "kind" in raw:
            what = "is no kind of target" if isinstance(kind, str) else "should be the name of a kind"
            hint = _of_workload(kind, kinds) or source.near(str(kind), known) or kinds_here
            return None, [source.problem(("targets", name, "kind"), what, hint, on_value=True)]
        what = "is no kind of target, so it should name its kind"
        return None, [
            source.problem(
                ("targets", name), what, hint_for_target(name) or source.near(name, known) or kinds_here, on_key=True
            )
        ]
    return problems_of(model, raw, source, ("targets", name))
