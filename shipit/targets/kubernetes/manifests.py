"""The manifests that deploy.yml names: which files, their objects, and errors at their fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any

import yaml

from shipit.config.folder import ProjectFolder
from shipit.config.position import Position
from shipit.config.yaml_text import decode, problem_in
from shipit.errors import ConfigError, ConfigErrors
from shipit.files import Unreadable, is_quotable
from shipit.targets.kubernetes.doubled import doubled
from shipit.targets.kubernetes.field_position import field_position
from shipit.targets.kubernetes.go_yaml import Misread
from shipit.targets.kubernetes.manifest_objects import MAX_BYTES, Written, parse_manifests

_SUFFIXES = (".yml", ".yaml", ".json")


def read_manifests(folder: ProjectFolder, names: Iterable[str]) -> list[dict[str, Any]]:
    """The objects of `read_written` without their files."""
    return [written.manifest for written in read_written(folder, names)]


def read_written(folder: ProjectFolder, names: Iterable[str]) -> list[Written]:
    """Every object in the named files, folders and patterns, in the order of the names and then of the files.

    Raises: ConfigErrors at the lines that do not parse or lack apiVersion, kind or a name.
    """
    objects: list[Written] = []
    problems: list[ConfigError] = []
    for name in names:
        try:
            files = _files(folder, name)
        except ConfigError as error:
            problems.append(error)
            continue
        for file in files:
            found, wrong = _objects(file, folder)
            objects += found
            problems += wrong
    if problems:
        raise ConfigErrors(problems)
    return objects


def objects_of(sources: Mapping[str, bytes]) -> list[Written]:
    """The objects of texts by their names. Raises: ConfigErrors."""
    parsed = [parse_manifests(data, name) for name, data in sources.items()]
    if problems := [problem for _, wrong in parsed for problem in wrong]:
        raise ConfigErrors(problems)
    return [written for objects, _ in parsed for written in objects]


def manifest_problems(
    folder: ProjectFolder, names: Mapping[int, str], here: Callable[[int, str, str], ConfigError]
) -> Sequence[ConfigError]:
    """The problems of the files: at their own lines, or by `here(index, what, hint)` for a missing file."""
    problems: list[ConfigError] = []
    for index, name in names.items():
        try:
            files = _files(folder, name)
        except ConfigError as error:
            problems.append(here(index, error.what, error.hint))
            continue
        for file in files:
            problems += _objects(file, folder)[1]
    return problems


def doubled_problems(
    folder: ProjectFolder, objects: Sequence[Written], namespace: str, sources: Mapping[str, bytes] | None = None
) -> list[ConfigError]:
    """An error at each object that an earlier one is the same as, which it names with its place. `sources` as in `problem_at`."""
    found = doubled(objects, namespace)
    return [problem_at(folder, again.at, "metadata.name", what, hint, sources) for again, what, hint in found]


def owned_warnings(folder: ProjectFolder, names: Iterable[str]) -> list[ConfigError]:
    """A warning for each file with objects that a controller makes, such as the pods of a Deployment; none where it can't be read."""
    try:
        found = [
            written for written in read_written(folder, names) if written.manifest["metadata"].get("ownerReferences")
        ]
    except (ConfigError, ConfigErrors):
        return []
    warnings = []
    for _, group in groupby(found, lambda written: written.file):
        first, *others = group
        more = f" and {len(others)} more have" if others else " has"
        what = f"{first.manifest['kind']}/{first.manifest['metadata']['name']}{more} ownerReferences: a controller makes and deletes such objects"
        hint = "leave out of the manifests what another object owns"
        warnings.append(problem_at(folder, first.at, "metadata.ownerReferences", what, hint))
    return warnings


def server_field_warnings(folder: ProjectFolder, names: Iterable[str]) -> list[ConfigError]:
    """A warning for each file with fields that only a server writes, which are left out; none where a file can't be read."""
    try:
        found = [written for written in read_written(folder, names) if written.left_out]
    except (ConfigError, ConfigErrors):
        return []
    warnings = []
    for _, group in groupby(found, lambda written: written.file):
        first, *others = group
        fields = list(dict.fromkeys(field for written in (first, *others) for field in written.left_out))
        objects = f"{len(others) + 1} objects" if others else "this object"
        what = (
            f"{', '.join(fields)} of {objects}: left out, since a server writes {'it' if len(fields) == 1 else 'them'}"
        )
        hint = "kubectl get -o yaml prints such fields: remove them from the manifest"
        warnings.append(problem_at(folder, first.at, first.left_out[0], what, hint))
    return warnings


def problem_at(
    folder: ProjectFolder, at: Position, field: str, what: str, hint: str, sources: Mapping[str, bytes] | None = None
) -> ConfigError:
    """An error at a field of the object that begins at a position, with the line where the file may be quoted.

    `sources`: name -> text of the manifests that are no files.
    """
    file = folder.path / at.file
    data = (sources or {}).get(at.file)
    try:
        data = folder.read(file, max_bytes=MAX_BYTES) if data is None else data
        text = decode(data, at.file, MAX_BYTES)
        where = field_position(text, at, field)
    except (Unreadable, ConfigErrors, Misread, yaml.YAMLError):
        # It changed since it was read.
        text, where = "", at
    is_shown = at.file in (sources or {}) or is_quotable(file)
    return problem_in(text if is_shown else "", where, what, hint)


def _files(folder: ProjectFolder, name: str) -> list[Path]:
    try:
        path = folder.checked(name)
    except Unreadable as error:
        raise ConfigError(f"{name} {error.what}", where=name, hint=error.hint) from None
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
        if not files:
            raise ConfigError(
                f"{name} holds no YAML file", where=name, hint="put manifests there, or remove it from manifests:"
            )
        return files
    if path.exists():
        return [path]
    if any(char in name for char in "*?["):
        return _matching(folder, name)
    raise ConfigError(f"there is no file or folder {name}", where=name, hint="paths are relative to deploy.yml")


def _matching(folder: ProjectFolder, pattern: str) -> list[Path]:
    """The files that a pattern matches, in the order of their names; `**` is any number of folders."""
    if PurePath(pattern).is_absolute() or pattern.startswith("~"):
        raise ConfigError("a pattern should be relative to deploy.yml", where=pattern)
    # Python 3.13 and later read `a**` as `a*`.
    if any("**" in part and part != "**" for part in PurePath(pattern).parts):
        raise ConfigError(
            "should be a pattern in which ** stands alone between slashes", where=pattern, hint="write * instead"
        )
    try:
        files = sorted(file for file in folder.path.glob(pattern) if file.is_file())
    except (ValueError, NotImplementedError) as error:
        raise ConfigError(
            f"should be a pattern: {error}", where=pattern, hint="paths are relative to deploy.yml"
        ) from None
    if not files:
        raise ConfigError(f"{pattern} matches no file", where=pattern, hint="paths are relative to deploy.yml")
    return files


def _objects(file: Path, folder: ProjectFolder) -> tuple[Sequence[Written], Sequence[ConfigError]]:
    """The objects of a file, and its problems."""
    name = str(file.relative_to(folder.path)) if file.is_relative_to(folder.path) else str(file)
    try:
        data = folder.read(file, max_bytes=MAX_BYTES)
    except Unreadable as error:
        return [], [problem_in("", Position(1, 1, 1, name), error.what, error.hint)]
    objects, problems = parse_manifests(data, name)
    if problems and not is_quotable(file):
        what = "should be Kubernetes objects; the reason is not shown, since lines are quoted only from files named as YAML or JSON"
        return [], [problem_in("", Position(1, 1, 1, name), what, "name it *.yaml")]
    return objects, problems
