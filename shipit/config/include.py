"""A file and the files that it includes as one tree. The including file is merged over the included ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from shipit.config.document import Mapping_, Scalar, Sequence_, Value, parse_document
from shipit.config.find import DeployFile
from shipit.config.folder import expand_home
from shipit.config.model import ProjectFile
from shipit.config.overlay import merge
from shipit.config.position import Position
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.source import Source, Texts
from shipit.errors import ConfigError, ConfigErrors, UsageError
from shipit.files import Missing, Unreadable, is_quotable, read_file

MAX_FILES = 50
KNOWN_KEYS = frozenset(ProjectFile.model_fields)


class Reader:
    """Reads files once each. `texts`: the name of each in messages -> its bytes; `paths`: the same names -> where it is.

    `within` is a folder that none may leave; None where any may be read.
    """

    def __init__(self, environment: ProcessEnvironment, within: Path | None, expand: Callable[[str], str]) -> None:
        self._cwd = environment.cwd
        self._home = environment.home
        self._within = within
        self._expand = expand
        self.texts = Texts()
        self.paths: dict[str, Path] = {}
        self._trees: dict[Path, Mapping_] = {}

    def read(self, file: DeployFile, name: str) -> Mapping_:
        """The tree of a file and of all that it includes.

        Raises: UsageError when the file can't be read; ConfigErrors for what is no YAML, no map, or includes itself.
        """
        path, data = file.path, file.stream
        try:
            text = read_file(path, within=self._within) if data is None else data
        except Unreadable as error:
            raise UsageError(error.what, where=name, hint=error.hint or "name a deploy.yml with -f") from None
        # Piped input is the user's own.
        return self._tree(path, name, text, (path.resolve(),), is_ours=data is not None or is_quotable(path))

    def _tree(self, path: Path, name: str, text: bytes, above: tuple[Path, ...], *, is_ours: bool) -> Mapping_:
        # Without the text no message can quote a line of it.
        self.texts[name] = text if is_ours else b""
        self.paths[name] = path
        try:
            tree = parse_document(text, name)
            if not is_ours and not _is_deploy_file(tree):
                raise _foreign(name)
        except ConfigErrors as error:
            raise error if is_ours else _foreign(name) from None
        source = Source(name, self.texts, tree)
        if not isinstance(tree, Mapping_):
            raise ConfigErrors([source.problem((), "the file should be a map of keys such as app: and targets:")])
        if "include" not in tree.items:
            return tree
        below: Value = Mapping_({}, tree.at)
        for item in _items(tree.items["include"][1]):
            below = merge(below, self._included(item, path, source, above))
        own = {key: value for key, value in tree.items.items() if key != "include"}
        merged = merge(below, Mapping_(own, tree.at))
        assert isinstance(merged, Mapping_)
        return merged

    def _included(self, item: Value, path: Path, source: Source, above: tuple[Path, ...]) -> Mapping_:
        if not isinstance(item, Scalar) or not item.text:
            raise _problem(source, item.at, "should be a file, or a list of files")
        try:
            resolved = Path(os.path.realpath(path.parent / expand_home(self._expand(item.text), self._home)))
        except ValueError as error:
            # InterpolationError is one; so is what the system says of a null character.
            raise _problem(source, item.at, str(error)) from None
        if "://" in item.text:
            raise _problem(source, item.at, "should be a local file: URLs are not fetched", "copy it beside this file")
        if resolved in above:
            names = " -> ".join(file.name for file in (*above[above.index(resolved) :], resolved))
            raise _problem(source, item.at, f"circular include: {names}", "remove one of them")
        if resolved in self._trees:
            return self._trees[resolved]
        if len(self.texts) >= MAX_FILES:
            raise _problem(source, item.at, f"at most {MAX_FILES} files can be included")
        try:
            text = read_file(resolved, within=self._within)
        except Unreadable as error:
            hint = error.hint or f"paths are relative to {source.name}"
            is_missing = isinstance(error, Missing)
            what = f"there is no file {item.text}" if is_missing else f"{item.text} can't be read: {error.reason}"
            raise _problem(source, item.at, what, hint) from None
        name = relative_name(resolved, self._cwd)
        tree = self._tree(resolved, name, text, (*above, resolved), is_ours=is_quotable(resolved))
        self._trees[resolved] = tree
        return tree


def _is_deploy_file(tree: Value) -> bool:
    """Whether a file that is not named like YAML is a deploy.yml: it has no unknown key."""
    return isinstance(tree, Mapping_) and all(key in KNOWN_KEYS or key.startswith("x-") for key in tree.items)


def _foreign(name: str) -> ConfigErrors:
    what = (
        "should be a deploy.yml; the reason is not shown, since lines are quoted only from files named *.yml or *.yaml"
    )
    return ConfigErrors([ConfigError(what, where=f"{name}:1:1", position=(1, 1))])


def _items(value: Value) -> tuple[Value, ...]:
    return value.items if isinstance(value, Sequence_) else (value,)


def _problem(source: Source, at: Position, what: str, hint: str = "") -> ConfigErrors:
    return ConfigErrors([source.problem_at(at, what, hint, path="include")])


def relative_name(path: Path, cwd: Path) -> str:
    """How messages name a file: relative to the working directory, unless the absolute path is shorter."""
    absolute = os.path.realpath(path)
    return min(os.path.relpath(absolute, os.path.realpath(cwd)), absolute, key=len)
