"""The services of a project's Compose file, with those that it includes and what they extend. Reads only.

Source: Compose specification (05-services.md, extends; 13-merge.md; 14-include.md).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shipit.drafts.reading import is_file, read_yaml_as_text
from shipit.drafts.values import as_list, as_map, as_text
from shipit.files import is_within

# Files that include one another, and services that extend one another.
_DEEPEST = 16
_MOST_FILES = 50
# Values that services take over from those that they extend, in all.
_MOST_VALUES = 100_000
_NOT_HERE = "is not in this folder"
_BEYOND = f"is not read: init follows at most {_DEEPEST} steps, {_MOST_FILES} files and {_MOST_VALUES:,} values"
# Keys whose lists are joined; the others of a service are replaced.
_JOINED = frozenset({"env_file", "expose", "ports", "profiles", "volumes"})


class ComposeServices(NamedTuple):
    """`services`: name -> its keys, with every scalar as text and paths relative to the project.

    `extends` stays in a service whose base is not in the project. `todo` names what is not there.
    """

    services: dict[str, dict[str, Any]]
    todo: tuple[str, ...] = ()


def read_services(root: Path, file: str) -> ComposeServices:
    """The services of a Compose file of a project."""
    reading = _Reading(root)
    services = reading.file(posixpath.normpath(file), 0)
    return ComposeServices(services, tuple(dict.fromkeys(reading.todo)))


class _Reading:
    """One reading of a project's Compose files, each of which is parsed once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._parsed: dict[str, dict[str, Any]] = {}
        self._services: dict[str, dict[str, dict[str, Any]]] = {}
        # File -> its services with those of the files that it includes; None while these are read.
        self._whole: dict[str, dict[str, dict[str, Any]] | None] = {}
        self._left = _MOST_VALUES
        self.todo: list[str] = []

    def file(self, file: str, depth: int) -> dict[str, dict[str, Any]]:
        """The services of a file, those of the files that it includes first."""
        self._whole[file] = None
        found: dict[str, dict[str, Any]] = {}
        for path in _included(self._data(file)):
            at = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
            if why := self._not_read(at, depth):
                self.todo.append(f"it includes {path}, which {why}")
            else:
                known = self._whole.get(at)
                found |= self.file(at, depth + 1) if known is None else known
        found |= {name: self._service(file, name, ()) for name in self._named(file)}
        self._whole[file] = found
        return found

    def _not_read(self, file: str, depth: int) -> str:
        """Why a file can't be included; empty for one that can be."""
        if not self._is_there(file):
            return _NOT_HERE
        if self._whole.get(file, {}) is None:
            return "includes it"
        return "" if self._is_bounded(file, depth) else _BEYOND

    def _service(self, file: str, name: str, extending: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        """A service with what it extends. `extending` are the file and name of the services that extend this one."""
        own = _rebased(self._named(file)[name], posixpath.dirname(file))
        if "extends" not in own:
            return own
        chain = (*extending, (file, name))
        extends = own["extends"]
        base = as_text(extends) or as_text(as_map(extends).get("service"))
        path = as_text(as_map(extends).get("file"))
        at = posixpath.normpath(posixpath.join(posixpath.dirname(file), path)) if path else file
        if why := self._not_taken(at, base, chain):
            named = base or "a service without a name"
            self.todo.append(f"{name} extends {named}{f' of {path}' if path else ''}, which {why}")
            return own
        under = self._service(at, base, chain)
        self._left -= sum(len(value) if isinstance(value, list | dict) else 1 for value in under.values())
        return _merged(under, {key: value for key, value in own.items() if key != "extends"})

    def _not_taken(self, file: str, name: str, chain: tuple[tuple[str, str], ...]) -> str:
        """Why a service can't be extended; empty for one that can be."""
        if not self._is_there(file):
            return _NOT_HERE
        if (file, name) in chain:
            return "extends it"
        if not self._is_bounded(file, len(chain) - 1) or self._left <= 0:
            return _BEYOND
        return "" if name in self._named(file) else _NOT_HERE

    def _is_there(self, file: str) -> bool:
        return is_file(self._root / file) and is_within(self._root / file, self._root)

    def _is_bounded(self, file: str, depth: int) -> bool:
        return depth < _DEEPEST and (file in self._parsed or len(self._parsed) < _MOST_FILES)

    def _named(self, file: str) -> dict[str, dict[str, Any]]:
        if file not in self._services:
            services = as_map(self._data(file).get("services"))
            self._services[file] = {name: own for name, own in services.items() if isinstance(own, dict)}
        return self._services[file]

    def _data(self, file: str) -> dict[str, Any]:
        if file not in self._parsed:
            self._parsed[file] = read_yaml_as_text(self._root / file)
        return self._parsed[file]


def _included(data: Mapping[str, Any]) -> Iterator[str]:
    for item in as_list(data.get("include")):
        path = as_map(item).get("path", item)
        yield from (text for one in (path if isinstance(path, list) else [path]) if (text := as_text(one)))


def _rebased(service: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """A service of a file in a folder of the project, with its paths relative to the project."""
    found = dict(service)
    if not folder:
        return found
    if "build" in found:
        build = _build(found["build"])
        context = as_text(build.get("context")) or "."
        found["build"] = {**build, "context": context if is_elsewhere(context) else posixpath.join(folder, context)}
    if "env_file" in found:
        found["env_file"] = [_rebased_file(item, folder) for item in _list(found["env_file"])]
    return found


def _rebased_file(item: Any, folder: str) -> Any:
    if isinstance(item, dict):
        return {**item, "path": posixpath.join(folder, as_text(item.get("path")))}
    return posixpath.join(folder, as_text(item))


def is_elsewhere(context: str) -> bool:
    """True for a build context that is a URL or a git repository, not a folder."""
    return "://" in context or context.startswith(("git@", "github.com/")) or ".git#" in context


def _merged(under: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A service over the one that it extends."""
    found = dict(under)
    for key, value in own.items():
        before = under.get(key)
        if before is None:
            found[key] = value
        elif key == "environment":
            found[key] = list((_environment(before) | _environment(value)).values())
        elif key == "build":
            found[key] = _merged_build(_build(before), _build(value))
        elif key in _JOINED:
            found[key] = [*_list(before), *_list(value)]
        elif isinstance(before, dict) and isinstance(value, dict):
            found[key] = {**before, **value}
        else:
            found[key] = value
    return found


def _merged_build(under: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    args = _environment(under.get("args")) | _environment(own.get("args"))
    return {**under, **own, **({"args": list(args.values())} if args else {})}


def _environment(value: Any) -> dict[str, str]:
    """Name -> `NAME=VALUE`, or `NAME` for one that has no value in the file."""
    if isinstance(value, dict):
        return {name: name if given is None else f"{name}={as_text(given)}" for name, given in value.items()}
    return {text.partition("=")[0]: text for item in as_list(value) if (text := as_text(item))}


def _build(value: Any) -> dict[str, Any]:
    return {"context": value} if isinstance(value, str) else dict(as_map(value))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
