"""Readers of project files. A missing, too large or invalid file counts as empty."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import yaml

from shipit.config.yaml_text import check_bounds, load_documents
from shipit.drafts.files import Build, FileFacts
from shipit.drafts.values import as_map
from shipit.files import Unreadable, is_within, read_file

MAX_BYTES = 1024 * 1024
# The most values of a file, aliases counted.
_MOST_VALUES = 100_000


class _TextLoader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]
    """Every scalar as text, and None for a value that is null: without quotes, `~`, or nothing at all."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found | {self.construct_object(key): None for key, value in node.value if _is_null(value)}

    def construct_sequence(self, node: Any, deep: bool = False) -> list[Any]:
        found: list[Any] = super().construct_sequence(node, deep=deep)
        return [None if _is_null(item) else value for item, value in zip(node.value, found, strict=True)]


def _is_null(node: yaml.Node) -> bool:
    """Source: YAML 1.2.2, core schema."""
    return isinstance(node, yaml.ScalarNode) and not node.style and node.value in ("", "~", "null", "Null", "NULL")


def read_text(path: Path) -> str:
    """The text of a regular file of at most 1 MiB; empty for anything else."""
    try:
        return read_file(path, max_bytes=MAX_BYTES).decode("utf-8-sig").replace("\0", "")
    except (Unreadable, UnicodeDecodeError):
        return ""


def has_dockerfile(root: Path, build: Build) -> bool:
    """Whether the Dockerfile of a build is there, and its context and its folder are in the project, links followed."""
    folders = (root / build.context, (root / build.file).parent)
    return is_file(root / build.file) and all(is_within(folder, root) for folder in folders)


def is_file(path: Path) -> bool:
    """Whether a path leads to a file. A name that is too long leads to none."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder. A name that is too long leads to none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """Whether a path leads to a file or a folder."""
    return is_file(path) or is_folder(path)


def read_yaml(path: Path) -> dict[str, Any]:
    """The map that a file of one YAML document holds."""
    try:
        documents = load_documents(read_text(path))
        return as_map(_without_nulls(documents[0])) if len(documents) == 1 else {}
    # An alias may stand within what it names.
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}


def read_yaml_as_text(path: Path) -> dict[str, Any]:
    """The map of a YAML file with every scalar as text, so that `1.10` and `22:22` stay; null is None. Merge keys are merged."""
    documents = parse_yaml_as_text(read_text(path))
    return documents[0] if len(documents) == 1 else {}


def parse_yaml_as_text(text: str) -> list[dict[str, Any]]:
    """The maps of a text of YAML documents, as `read_yaml_as_text` gives them; none for an invalid text."""
    try:
        check_bounds(text, max_nodes=_MOST_VALUES)
        documents = list(yaml.load_all(text, Loader=_TextLoader))
    except (yaml.YAMLError, ValueError, TypeError):
        return []
    return [as_map(_without_nulls(_merged(document, 0))) for document in documents]


def unreadable(file: str, path: Path) -> FileFacts:
    """The facts of a file that gave none: a TODO when it is there with something in it."""
    if not is_file(path):
        return FileFacts()
    text = read_text(path)
    # Such as one that is too large: it has no text here.
    is_odd = not text and path.stat().st_size > 0
    if is_odd or any(line.strip()[:1] not in ("", "#") for line in text.splitlines()):
        return FileFacts(file, todo=("not read: it is not valid, or not what its tool expects",))
    return FileFacts()


def read_json(path: Path) -> dict[str, Any]:
    """The map that a file of JSON holds."""
    try:
        return as_map(_without_nulls(json.loads(read_text(path) or "{}")))
    except (ValueError, RecursionError):
        return {}


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file of TOML."""
    try:
        return as_map(_without_nulls(tomllib.loads(read_text(path))))
    except (ValueError, RecursionError):
        return {}


def _without_nulls(value: Any) -> Any:
    """A tree without null characters, which an escape can contain and deploy.yml does not accept. Raises: RecursionError."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {_without_nulls(key): _without_nulls(item) for key, item in value.items()}
    return value


def _merged(value: Any, depth: int) -> Any:
    """A tree with its merge keys (`<<`) applied. Source: YAML's merge type."""
    if depth > 64:
        return None
    if isinstance(value, list):
        return [_merged(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    under: dict[str, Any] = {}
    sources = value.get("<<", [])
    for source in sources if isinstance(sources, list) else [sources]:
        under = {**as_map(_merged(source, depth + 1)), **under}
    own = {str(key): _merged(item, depth + 1) for key, item in value.items() if key != "<<"}
    return {**under, **own}
