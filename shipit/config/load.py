"""deploy.yml to a Project: parse, overlay, interpolate, validate; every mistake at once, each at its place."""

from collections.abc import Mapping, Set
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from shipit.config.argument_secrets import secrets_in_arguments
from shipit.config.check import check_file, check_format, check_targets, image_names, images_of, release_without
from shipit.config.document import Mapping_, Scalar, plain_data
from shipit.config.dotenv import read_dotenv
from shipit.config.find import DeployFile
from shipit.config.folder import ProjectFolder
from shipit.config.held import held_names, held_values
from shipit.config.ignored_names import ignored_names
from shipit.config.image import ImageConfig
from shipit.config.model import DotenvFiles, EnvironmentConfig, ProjectFile, TargetConfig
from shipit.config.names import Names, interpolated
from shipit.config.overlay import hint_for_no_target, overlay, overlays_of
from shipit.config.position import Keys
from shipit.config.private import private_files
from shipit.config.problems import problems_of
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.project import Project
from shipit.config.secret_in_name import secrets_in_names
from shipit.config.several import Groups, as_written, spread
from shipit.config.source import Source, dotted
from shipit.config.targets import Kinds, read_targets, target_names
from shipit.config.use_of_images import images_without_repository, placeholder_images, unused_images
from shipit.config.written import Written, read_written
from shipit.errors import ConfigError, ConfigErrors


class _Resolved(NamedTuple):
    """A file under one environment with its variables replaced. `unset`: paths of values whose variables are not set.

    `warnings` are mistakes that do not matter to the command.
    """

    tree: Mapping_
    source: Source
    names: Names
    flags: EnvironmentConfig
    mistakes: list[ConfigError]
    unset: frozenset[str]
    groups: Groups
    warnings: list[ConfigError] = []


class _Checked(NamedTuple):
    """The models of a file. `model` is None when the top level is invalid; `every` holds the names of all targets."""

    model: ProjectFile | None
    images: Mapping[str, ImageConfig]
    targets: Mapping[str, TargetConfig]
    every: Set[str]
    mistakes: list[ConfigError]


def load_project(
    file: Path | DeployFile,
    environment: ProcessEnvironment,
    kinds: Kinds,
    *,
    selected: str | None = None,
    for_deploy: bool = True,
) -> Project:
    """Load the file under the environment `selected`, or under production.

    `kinds` maps a kind's name or alias to its model. Without `for_deploy`, a variable that is not set is a warning where
    only a deploy needs the value: in env and build arguments. Such a value is empty then.
    Raises: ConfigErrors with every mistake.
    """
    written = read_written(file, environment, selected=selected)
    resolved = _resolve(written, selected, kinds)
    if not for_deploy:
        resolved = _without_unset(resolved)
    environment.redactor.add(held_values(resolved.tree, resolved.names.variables))
    checked = _check(written, resolved, kinds)
    if checked.model is None or checked.mistakes:
        raise environment.redactor.error(ConfigErrors(checked.mistakes))
    return _project(written, resolved, checked, checked.model)


def _resolve(written: Written, selected: str | None, kinds: Kinds) -> _Resolved:
    """Merge the environment into the file and replace variables, those of .env files included."""
    tree, flags = overlay(written.tree, selected, written.source)
    source = written.source.of(tree)
    app = tree.items.get("app")
    names = replace(written.names, app=app[1].text if app and isinstance(app[1], Scalar) else None)
    variables, mistakes = _variables(tree, names, written.folder, source)
    names = replace(names, variables=variables)
    # A variable that an unreadable .env file would have set is not a further mistake.
    resolved, found, failed = interpolated(tree, names, source, may_be_unset=bool(mistakes))
    whole, groups = spread(resolved, kinds)
    unset = frozenset(map(dotted, failed))
    return _Resolved(whole, source.of(whole), names, flags, mistakes + found, unset, groups)


def _without_unset(resolved: _Resolved) -> _Resolved:
    """The same, with a warning in place of the mistake for each unset variable that only a deploy needs."""
    unset = [mistake for mistake in resolved.mistakes if mistake.is_for_deploy]
    for mistake in unset:
        mistake.hint = "a deploy needs it; this command goes on without"
    others = [mistake for mistake in resolved.mistakes if not mistake.is_for_deploy]
    return resolved._replace(mistakes=others, warnings=unset)


def _variables(
    tree: Mapping_, names: Names, folder: ProjectFolder, source: Source
) -> tuple[Mapping[str, str], list[ConfigError]]:
    """The variables of the process, above those of the .env files that the file names."""
    if "dotenv" not in tree.items:
        return names.variables, []
    only = Mapping_({"dotenv": tree.items["dotenv"]}, tree.at)
    walked, mistakes, _ = interpolated(only, names, source)
    # Mistakes of the key itself are reported with all others.
    files, _ = problems_of(DotenvFiles, plain_data(walked), source, ())
    if files is None:
        return names.variables, mistakes
    values, found = read_dotenv(files.dotenv, folder, source, names.variables)
    return {**values, **names.variables}, mistakes + found


def _check(written: Written, resolved: _Resolved, kinds: Kinds) -> _Checked:
    """Every mistake of the file. Raises: ConfigErrors when it is in another version of the format, and for nothing else."""
    source, data = resolved.source, plain_data(resolved.tree)
    if other_format := check_format(data, source):
        # The rest may be valid in that format.
        raise ConfigErrors(other_format)
    leaks = as_written(secrets_in_names(resolved.tree, resolved.names.variables, source), resolved.groups)
    model, found = problems_of(ProjectFile, data, source, ())
    targets, more = read_targets(data, kinds, source)
    # A value whose variable is not set, or which should not be shown, has one mistake.
    told = resolved.unset | {leak.path for leak in leaks}
    ours = as_written(found + more, resolved.groups)
    mistakes = [*resolved.mistakes, *leaks, *(problem for problem in ours if problem.path not in told)]
    every = target_names(written.tree, data) - set(resolved.groups)
    app = resolved.names.app or ""
    mistakes += check_targets(app, image_names(data, app), targets, every, source)
    images = images_of(model) if model else {}
    for name, config in targets.items():
        mistakes += config.problems_in(written.folder, images, partial(_problem_of, source, name))
    if model is not None:
        mistakes += check_file(model, targets, every, source)
        mistakes += images_without_repository(images, targets, source)
    return _Checked(model, images, targets, every, as_written(mistakes, resolved.groups))


def _project(written: Written, resolved: _Resolved, checked: _Checked, model: ProjectFile) -> Project:
    names, flags, folder = resolved.names, resolved.flags, written.folder
    return Project(
        app=model.app,
        environment=names.environment,
        file=folder.path / written.paths[written.source.name].name,
        folder=folder,
        images=checked.images,
        env={key: value for key, value in model.env.items() if value is not None},
        secrets=model.secrets,
        release=model.release,
        targets=checked.targets,
        left_out=tuple(sorted(checked.every - set(checked.targets))),
        git=names.git,
        protected=flags.protected,
        require_clean=flags.require_clean,
        variables=names.variables,
        warnings=tuple(_warnings(written, resolved, checked, model)),
        source=resolved.source,
        files=tuple(path.absolute() for path in written.paths.values()),
        private_files=private_files(written.tree, names),
        keeps_state=model.state != "none",
        state=model.state if model.state and model.state != "none" else "",
        rolls_back_all=model.rollback == "all",
        keeps_rolled_back=model.keep_rolled_back,
        groups=resolved.groups,
        max_parallel=model.max_parallel,
        approve=flags.approve,
        freeze=model.freeze,
        hooks=model.hooks,
    )


def _warnings(written: Written, resolved: _Resolved, checked: _Checked, model: ProjectFile) -> list[ConfigError]:
    source, targets, every = resolved.source, checked.targets, checked.every
    doubts = [
        found
        for name, config in targets.items()
        for found in config.doubts_in(written.folder, partial(_problem_of, source, name))
    ]
    # An environment that leaves targets out may leave out those that use an image.
    unused = unused_images(model, checked.images, targets, written.folder, source) if every <= set(targets) else []
    found = [
        *resolved.warnings,
        *written.warnings,
        *ignored_names(source),
        *_without_targets(resolved.names.environment, targets, every, written.source),
        *secrets_in_arguments(model.secrets, checked.images, frozenset(held_names(resolved.tree)), source),
        *doubts,
        *(release_without(targets, source) if model.release else ()),
        *unused,
        *placeholder_images(model, checked.images, source),
    ]
    return as_written(found, resolved.groups)


def _without_targets(
    environment: str, targets: Mapping[str, TargetConfig], every: Set[str], source: Source
) -> list[ConfigError]:
    """A warning when an environment selects none of the file's targets."""
    if targets or not every or environment not in overlays_of(source.tree):
        return []
    hint = hint_for_no_target(sorted(every))
    return [source.problem(("environments", environment), "selects no target", hint, on_key=True)]


def _problem_of(source: Source, target: str, keys: Keys, what: str, hint: str = "") -> ConfigError:
    return source.problem(("targets", target, *keys), what, hint)
