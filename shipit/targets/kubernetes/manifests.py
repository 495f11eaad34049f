"""Raw manifests: read, and checked for the fields that every object needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from shipit.config.folder import ProjectFolder
from shipit.config.position import Position
from shipit.config.yaml_text import check_bounds, decode, not_yaml, problem_in
from shipit.errors import ConfigError, ConfigErrors
from shipit.files import MIB, Unreadable, is_quotable
from shipit.targets.kubernetes.field_position import field_position, objects_in
from shipit.targets.kubernetes.go_yaml import ManifestLoader

_SUFFIXES = (".yml", ".yaml", ".json")
MAX_BYTES = 16 * MIB


class Written(NamedTuple):
    """An object of a manifest, its file relative to deploy.yml, and where it begins there."""

    file: str
    manifest: dict[str, Any]
    at: Position


def read_manifests(folder: ProjectFolder, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The objects of `read_written` without their files."""
    return [written.manifest for written in read_written(folder, names)]


def read_written(folder: ProjectFolder, names: tuple[str, ...]) -> list[Written]:
    """Every object in the named files and folders, in the order of the names and then of the files.

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


def manifest_problems(
    folder: ProjectFolder, names: tuple[str, ...], here: Callable[[int, str, str], ConfigError]
) -> Sequence[ConfigError]:
    """The problems of the files: at their own lines, or by `here(index, what, hint)` for a missing file."""
    problems: list[ConfigError] = []
    for index, name in enumerate(names):
        try:
            _files(folder, name)
            read_manifests(folder, (name,))
        except ConfigErrors as error:
            problems += error.problems
        except ConfigError as error:
            problems.append(here(index, error.what, error.hint))
    return problems


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
    if not path.exists():
        raise ConfigError(f"there is no file or folder {name}", where=name, hint="paths are relative to deploy.yml")
    return [path]


def _name_of(file: Path, folder: ProjectFolder) -> str:
    return str(file.relative_to(folder.path)) if file.is_relative_to(folder.path) else str(file)


def _objects(file: Path, folder: ProjectFolder) -> tuple[list[Written], list[ConfigError]]:
    """The objects of a file, and its problems."""
    name = _name_of(file, folder)
    try:
        data = folder.read(file, max_bytes=MAX_BYTES)
    except Unreadable as error:
        return [], [_problem(name, "", 1, 1, error.what, error.hint)]
    objects, problems = _parsed(data, name)
    if problems and not is_quotable(file):
        what = "should be Kubernetes objects; the reason is not shown, since lines are quoted only from files named as YAML or JSON"
        return [], [_problem(name, "", 1, 1, what, "name it *.yaml")]
    return objects, problems


def _parsed(data: bytes, name: str) -> tuple[list[Written], list[ConfigError]]:
    objects: list[Written] = []
    problems: list[ConfigError] = []
    text = ""
    try:
        text = decode(data, name, MAX_BYTES)
        check_bounds(text)
        documents = list(_documents(text))
    except yaml.MarkedYAMLError as error:
        return [], list(not_yaml(error, text, name).problems)
    except ConfigErrors as error:
        return [], list(error.problems)
    except (yaml.YAMLError, ValueError) as error:
        return [], [_problem(name, text, 1, 1, f"can't be read: {str(error).splitlines()[0]}", "")]
    for marks, value in documents:
        if value is None:
            continue
        is_list = isinstance(value, dict) and value.get("kind") == "List"
        for index, item in enumerate(value.get("items") or [] if is_list else [value]):
            mark = marks[min(index, len(marks) - 1)]
            what, hint = _lack(item)
            if what:
                problems.append(_problem(name, text, mark.line + 1, mark.column + 1, what, hint))
            else:
                manifest = {key: part for key, part in item.items() if key != "status"}
                objects.append(Written(name, manifest, Position(mark.line + 1, mark.column + 1, 1, name)))
    return objects, problems


def problem_at(folder: ProjectFolder, at: Position, field: str, what: str, hint: str) -> ConfigError:
    """An error at a field of the object that begins at a position, with the line where the file may be quoted."""
    file = folder.path / at.file
    try:
        text = decode(folder.read(file, max_bytes=MAX_BYTES), at.file, MAX_BYTES)
        where = field_position(text, at, field)
    except (Unreadable, ConfigErrors, yaml.YAMLError, ValueError):
        # It changed since it was read.
        text, where = "", at
    return problem_in(text if is_quotable(file) else "", where, what, hint)


def _documents(text: str) -> Iterator[tuple[list[Any], Any]]:
    """The positions of the objects of each document, and its value."""
    loader = ManifestLoader(text)
    try:
        while loader.check_node() and (node := loader.get_node()) is not None:
            marks = [part.start_mark for part in objects_in(node)] or [node.start_mark]
            yield marks, loader.construct_document(node)
    finally:
        loader.dispose()


def _problem(name: str, text: str, line: int, column: int, what: str, hint: str) -> ConfigError:
    return problem_in(text, Position(line, column, 1, name), what, hint)


def _lack(value: Any) -> tuple[str, str]:
    """A problem of an object, and a hint; empty for none."""
    if not isinstance(value, dict):
        return "should be a Kubernetes object", ""
    metadata = value.get("metadata")
    missing = [key for key in ("apiVersion", "kind") if not isinstance(value.get(key), str)]
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        missing.append("metadata.name")
    if missing:
        return f"lacks {', '.join(missing)}", "every object needs apiVersion, kind and metadata.name"
    return _wrong(value), ""


def _wrong(value: Any) -> str:
    """A field with the wrong type; empty for none."""
    metadata = value["metadata"]
    maps = [("metadata.labels", metadata.get("labels")), ("metadata.annotations", metadata.get("annotations"))]
    if value["apiVersion"] in ("v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "autoscaling/v2"):
        maps.append(("spec", value.get("spec")))
    for path, found in maps:
        if found is not None and not isinstance(found, dict):
            return f"{path} should be a map of keys"
    namespace = metadata.get("namespace")
    return "metadata.namespace should be text" if namespace is not None and not isinstance(namespace, str) else ""
