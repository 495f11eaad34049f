"""A file after includes, environment, defaults and variables, and the origin of each value. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from shipit.config.document import Mapping_, Scalar, Sequence_, Value
from shipit.config.held import held_values
from shipit.config.hooks import HooksConfig
from shipit.config.image import BuildConfig, ImageConfig
from shipit.config.local_command import is_local_command
from shipit.config.position import Keys, Position
from shipit.config.project import Project
from shipit.config.yaml_text import is_other_word, quoted
from shipit.redact import Redactor

# Keys whose value may be written as text in the place of their map.
SHORTHAND_KEYS = ("repository", "command", "context", "file", "path")


def render_resolved(project: Project, *, with_origin: bool = False) -> str:
    """The whole file as YAML that `validate` accepts again. `with_origin` adds where each value came from, as a comment.

    Values of the variables that secrets are read from are masked wherever they stand.
    """
    redactor = Redactor(held_values(project.source.tree, project.variables))
    shown: list[tuple[str, str]] = []
    for key, value in _data(project).items():
        shown += _lines(key, _masked(value, redactor), (key,), 0, project)
    if not with_origin:
        return "".join(f"{text}\n" for text, _ in shown)
    width = min(60, max(len(text) for text, _ in shown))
    return "".join(f"{text:<{width}}  # {origin}\n" if origin else f"{text}\n" for text, origin in shown)


def _data(project: Project) -> dict[str, Any]:
    images = {name: _dump(_decided(name, project)) for name in project.images}
    targets = {name: _dump(target) for name, target in project.targets.items()}
    for target in targets.values():
        target["needs"] = [name for name in target["needs"] if name in targets]
        # The workload that keys right under a target make is named after the app.
        if "" in (workloads := target.get("workloads", {})):
            target["workloads"] = {project.app: workloads[""]}
    data: dict[str, Any] = {"version": 1, "app": project.app, "images": images, "env": dict(project.env)}
    data["secrets"] = secrets = {name: _dump(secret) for name, secret in project.secrets.items()}
    for secret in secrets.values():
        if "only" in secret:
            secret["only"] = [name for name in secret["only"] if name in targets]
    if project.release:
        data["release"] = _dump(project.release)
    data["max_parallel"] = project.max_parallel
    data["freeze"] = [_dump(window) for window in project.freeze] or None
    if project.hooks != HooksConfig():
        data["hooks"] = _dump(project.hooks)
    data["targets"] = targets
    return {key: value for key, value in data.items() if value not in ({}, None)}


def _masked(value: Any, redactor: Redactor) -> Any:
    """A value with secrets masked in its text; keys are structure, and stay."""
    if isinstance(value, Mapping):
        return {key: _masked(item, redactor) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, redactor) for item in value]
    return redactor.text(value) if isinstance(value, str) else value


def _decided(name: str, project: Project) -> ImageConfig:
    """An image with its defaults filled in."""
    image = project.images[name]
    if image.repository is None:
        return image
    return image.model_copy(update={"tags": project.tags(name), "build": image.build or BuildConfig()})


def _dump(model: BaseModel) -> dict[str, Any]:
    """The keys of a model without empty values."""
    dumped = model.model_dump(mode="json")
    pruned = _pruned(dumped)
    if "hooks" in pruned and not any(pruned["hooks"].values()):
        del pruned["hooks"]
    return {key: value for key, value in pruned.items() if not (key == "kind" and value == "")}


def _pruned(value: Any) -> Any:
    """Without what is null or empty. Null has a meaning in `env` and `patch`: it removes a variable or a field."""
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: item for key, item in value.items() if item is not None and item != {}}
    if isinstance(kept.get("args"), dict) and not any(item is not None for item in kept["args"].values()):
        del kept["args"]
    return {key: item if key in ("env", "patch") else _pruned(item) for key, item in kept.items()}


def _lines(key: str, value: Any, keys: Keys, depth: int, project: Project) -> Iterator[tuple[str, str]]:
    indent = "  " * depth
    name = key if _is_bare(key) else quoted(key)
    if isinstance(value, Mapping) and value:
        yield f"{indent}{name}:", ""
        for inner, item in value.items():
            yield from _lines(str(inner), item, (*keys, inner), depth + 1, project)
        return
    # A local command is shown as written, its variables included.
    shown = _inline(value, quoted) if is_local_command(keys) else _inline(value)
    yield f"{indent}{name}: {shown}", origin_of(project, keys)


def _literal(text: str) -> str:
    return quoted(text.replace("${", "$${"))


def _inline(value: Any, literal: Callable[[str], str] = _literal) -> str:
    """A value in one line; text in quotes is never taken for something else. `literal` writes text as the file has it."""
    if isinstance(value, list):
        return f"[{', '.join(literal(item) if isinstance(item, str) else _inline(item, literal) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{quoted(str(key))}: {_inline(item, literal)}' for key, item in value.items())}}}"
    if not isinstance(value, str):
        return json.dumps(value)
    return value if _is_bare(value) else literal(value)


def _is_bare(text: str) -> bool:
    """Whether text means itself in YAML without quotes."""
    safe = text.replace("-", "").replace("_", "").replace("/", "").replace(".", "")
    return safe.isascii() and safe.isalnum() and text[0].isalpha() and not is_other_word(text)


def origin_of(project: Project, keys: Keys) -> str:
    """`deploy.yml:4:9`, with the variable that gave it; `default` for what nobody wrote."""
    value: Value = project.source.tree
    at: Position | None = None
    for key in _written(keys, value, project.app):
        if isinstance(value, Mapping_) and str(key) in value.items:
            at, value = value.items[str(key)]
        elif isinstance(value, Sequence_) and isinstance(key, int) and key < len(value.items):
            value = value.items[key]
            at = value.at
        elif isinstance(value, Scalar) and not value.is_null and key in SHORTHAND_KEYS:
            break
        else:
            return "default"
    if at is None:
        return "default"
    if isinstance(value, Scalar):
        return f"{value.at.where} from {value.origin}" if value.origin else value.at.where
    return at.where


def _written(keys: Keys, tree: Value, app: str) -> Keys:
    """The same keys as they may be written: `image` for the only image, and a workload's keys right under its target."""
    if isinstance(tree, Mapping_) and keys[:2] == ("images", app) and "image" in tree.items:
        return ("image", *keys[2:])
    if len(keys) > 3 and keys[0] == "targets" and keys[2] == "workloads" and isinstance(tree, Mapping_):
        targets = tree.items.get("targets")
        target = targets[1].items.get(str(keys[1])) if targets and isinstance(targets[1], Mapping_) else None
        if target and isinstance(target[1], Mapping_) and "workloads" not in target[1].items:
            return (*keys[:2], *keys[4:])
    return keys
