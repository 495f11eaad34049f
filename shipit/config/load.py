"""deploy.yml to a Project: parse, overlay, interpolate, validate; every mistake at once, each at its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shipit.config.check import check_images, check_needs, check_requires, check_secrets
from shipit.config.document import Mapping_, Position, Scalar, Sequence_, Value, parse_document, plain_data
from shipit.config.environment import Environment
from shipit.config.git import Git
from shipit.config.interpolate import InterpolationError, Lookup, interpolate
from shipit.config.model import ProjectFile, TargetConfig
from shipit.config.problems import Source, problems_of
from shipit.config.project import Project
from shipit.errors import ConfigError, ConfigErrors, UsageError

FILE_NAMES = ("deploy.yml", "deploy.yaml")
PRODUCTION = "production"
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
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"can't be read: {error.strerror}", where=str(path), hint="check its permissions") from None
    name = display or _relative(path, environment.cwd)
    tree = parse_document(text, name)
    source = Source(name, text, tree)
    if not isinstance(tree, Mapping_):
        raise ConfigErrors([source.problem((), "the file should be a map of keys such as app: and targets:")])
    overlaid, protected = _overlay(tree, selected, source)
    source = Source(name, text, overlaid)
    git = Git(path.parent.resolve())
    app = tree.items.get("app")
    app_text = app[1].text if app and isinstance(app[1], Scalar) else ""
    resolved, mistakes = _interpolated(overlaid, _lookup(environment, git, app_text, selected or PRODUCTION), source)
    source = Source(name, text, resolved)
    data = plain_data(resolved)
    file, found = problems_of(ProjectFile, data, source, ())
    mistakes += found
    targets: dict[str, TargetConfig] = {}
    for target, raw in _targets(data):
        config, found = _target(target, raw, kinds, source)
        mistakes += found
        if config is not None:
            targets[target] = config
    if file is not None:
        images = file.images if not file.image else {file.app: file.image}
        mistakes += check_requires(file, source)
        every = _names(tree) | {name for name, _ in _targets(data)}
        mistakes += check_needs(targets, every, source)
        mistakes += check_images(file, images, targets, source)
        mistakes += check_secrets(file, every, source)
    if mistakes or file is None:
        raise ConfigErrors(mistakes)
    return Project(
        app=file.app,
        environment=selected or PRODUCTION,
        file=path.resolve(),
        images=images,
        env={key: value for key, value in file.env.items() if value is not None},
        secrets=file.secrets,
        release=file.release,
        targets=targets,
        git=git,
        protected=protected,
        problem=source.problem,
    )


def environments_of(path: Path, environment: Environment) -> tuple[str, ...]:
    """The names of the overlays in a file; empty when it has none or can't be parsed."""
    tree = parse_document(path.read_bytes(), _relative(path, environment.cwd))
    overlays = tree.items.get("environments") if isinstance(tree, Mapping_) else None
    return tuple(overlays[1].items) if overlays and isinstance(overlays[1], Mapping_) else ()


def _relative(path: Path, cwd: Path) -> str:
    try:
        return str(path.resolve().relative_to(cwd.resolve()))
    except ValueError:
        return str(path)


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
        if isinstance(raw, dict) and "kind" in raw:
            return None, [
                source.problem(
                    ("targets", name, "kind"), f"{kind!r} is no kind of target", source.near(str(kind), known)
                )
            ]
        what = f"{name!r} is no kind of target, so it should say kind:"
        return None, [
            source.problem(
                ("targets", name), what, source.near(name, known) or f"kinds: {', '.join(known)}", on_key=True
            )
        ]
    return problems_of(model, raw, source, ("targets", name))


def _lookup(environment: Environment, git: Git, app: str, selected: str) -> Lookup:
    def lookup(name: str) -> str | None:
        if name == "app":
            return app
        if name == "environment":
            return selected
        if name.startswith("git."):
            fact = name.removeprefix("git.")
            return git.lookup(fact) if fact in ("sha", "short", "branch", "tag", "dirty") else None
        return environment.variables.get(name)

    return lookup


def _overlay(tree: Mapping_, selected: str | None, source: Source) -> tuple[Mapping_, bool]:
    """The tree with the chosen overlay merged in, and whether that environment is protected."""
    bare = Mapping_(
        {key: item for key, item in tree.items.items() if key != "environments" or selected is None}, tree.at
    )
    if selected is None:
        return bare, False
    written = tree.items.get("environments")
    overlays = written[1].items if written and isinstance(written[1], Mapping_) else {}
    if selected not in overlays:
        if selected == PRODUCTION:
            return bare, False
        hint = f"environments here: {', '.join(overlays)}" if overlays else "add it under environments:"
        hint = source.near(selected, overlays) or hint
        raise UsageError(f"there is no environment {selected!r}", where=source.name, hint=hint)
    overlay = overlays[selected][1]
    if isinstance(overlay, Scalar) and overlay.is_null:
        overlay = Mapping_({}, overlay.at)
    if not isinstance(overlay, Mapping_):
        raise ConfigErrors([source.problem(("environments", selected), "should be a map of keys to overlay")])
    own = dict(overlay.items)
    inherit, protected = (_flag(own.pop(key, None)) for key in ("inherit", "protected"))
    merged = merge(bare, Mapping_(own, overlay.at))
    assert isinstance(merged, Mapping_)
    if not inherit:
        named = own.get("targets")
        names = set(named[1].items) if named and isinstance(named[1], Mapping_) else set()
        targets = merged.items.get("targets")
        if targets and isinstance(targets[1], Mapping_):
            kept = {key: item for key, item in targets[1].items.items() if key in names}
            merged = Mapping_({**merged.items, "targets": (targets[0], Mapping_(kept, targets[1].at))}, merged.at)
    return merged, protected


def _flag(item: tuple[Position, Value] | None) -> bool:
    return bool(item and isinstance(item[1], Scalar) and item[1].text.lower() == "true")


def merge(base: Value, overlay: Value) -> Value:
    """Overlay one tree on another: maps merge, lists and scalars replace, null removes the key."""
    if not (isinstance(base, Mapping_) and isinstance(overlay, Mapping_)):
        return overlay
    items = dict(base.items)
    for key, (at, value) in overlay.items.items():
        if isinstance(value, Scalar) and value.is_null:
            items.pop(key, None)
        else:
            items[key] = (at, merge(items[key][1], value) if key in items else value)
    return Mapping_(items, overlay.at)


def _interpolated(tree: Mapping_, lookup: Lookup, source: Source) -> tuple[Mapping_, list[ConfigError]]:
    mistakes: list[ConfigError] = []

    def walk(value: Value, keys: tuple[str | int, ...]) -> Value:
        if isinstance(value, Mapping_):
            return Mapping_({k: (at, walk(v, (*keys, k))) for k, (at, v) in value.items.items()}, value.at)
        if isinstance(value, Sequence_):
            return Sequence_(tuple(walk(item, (*keys, i)) for i, item in enumerate(value.items)), value.at)
        if "${" not in value.text:
            return value
        try:
            return Scalar(interpolate(value.text, lookup), False, value.at, value.explicit)
        except InterpolationError as error:
            hint = "set it, or give a default: ${NAME:-default}" if "is not set" in str(error) else ""
            mistakes.append(source.problem(keys, str(error), hint, offset=error.offset + (not value.plain)))
            return Scalar("", False, value.at)

    walked = {
        key: (at, value if key == "environments" else walk(value, (key,))) for key, (at, value) in tree.items.items()
    }
    return Mapping_(walked, tree.at), mistakes
