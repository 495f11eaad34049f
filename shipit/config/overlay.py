"""Environments: the tree of one merged over the file, and its own settings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shipit.config.document import Mapping_, Scalar, Value, plain_data
from shipit.config.model import EnvironmentConfig
from shipit.config.problems import problems_of
from shipit.config.source import Source
from shipit.errors import ConfigErrors, UsageError

PRODUCTION = "production"


def environment_option(environment: str) -> str:
    """` -e staging`, for a command that is shown; empty for the environment that a command uses without it."""
    return f" -e {environment}" if environment not in ("", PRODUCTION) else ""


def overlay(tree: Mapping_, selected: str | None, source: Source) -> tuple[Mapping_, EnvironmentConfig]:
    """The tree with the selected environment merged in, and the settings of that environment.

    None means production: an overlay of that name applies, and without one the file is as it is written.
    Raises: UsageError where there is no such environment; ConfigErrors where it is no map, or a flag of it is none.
    """
    # Text is a choice, also an empty one, as of a variable that is not set.
    selected = PRODUCTION if selected is None else selected
    overlays = overlays_of(tree)
    if selected not in overlays:
        if selected == PRODUCTION:
            return tree, EnvironmentConfig()
        hint = f"environments here: {', '.join(overlays)}" if overlays else "add it under environments:"
        raise UsageError(
            f"there is no environment {selected!r}", where=source.name, hint=source.near(selected, overlays) or hint
        )
    bare = Mapping_({key: item for key, item in tree.items.items() if key != "environments"}, tree.at)
    chosen = overlays[selected]
    if isinstance(chosen, Scalar) and chosen.is_null:
        chosen = Mapping_({}, chosen.at)
    keys = ("environments", selected)
    if not isinstance(chosen, Mapping_):
        raise ConfigErrors([source.problem(keys, "should be a map of keys", on_value=True)])
    for key in ("environments", "include"):
        if key in chosen.items:
            raise ConfigErrors([source.problem((*keys, key), "belongs at the top level", on_key=True)])
    own = {key: item for key, item in chosen.items.items() if key not in EnvironmentConfig.model_fields}
    flags = Mapping_({key: item for key, item in chosen.items.items() if key not in own}, chosen.at)
    config, mistakes = problems_of(EnvironmentConfig, plain_data(flags), source, keys)
    if config is None:
        raise ConfigErrors(mistakes)
    merged = merge(bare, Mapping_(own, chosen.at))
    assert isinstance(merged, Mapping_)
    return (merged if config.inherit else _only_named(merged, own)), config


def hint_for_no_target(targets: Iterable[str]) -> str:
    """What to write in an environment that selects none of the file's targets."""
    return f"write inherit: true in it, or name its targets there; targets here: {', '.join(targets)}"


def overlays_of(tree: Value) -> dict[str, Value]:
    """Environment -> overlay; empty when the file has none."""
    written = tree.items.get("environments") if isinstance(tree, Mapping_) else None
    if written is None or not isinstance(written[1], Mapping_):
        return {}
    return {name: item for name, (_, item) in written[1].items.items()}


def _only_named(merged: Mapping_, own: Mapping[str, tuple[object, Value]]) -> Mapping_:
    """Without the targets that the overlay does not name."""
    named, targets = own.get("targets"), merged.items.get("targets")
    names = set(named[1].items) if named and isinstance(named[1], Mapping_) else set()
    if targets is None or not isinstance(targets[1], Mapping_):
        return merged
    kept = {key: item for key, item in targets[1].items.items() if key in names}
    return Mapping_({**merged.items, "targets": (targets[0], Mapping_(kept, targets[1].at))}, merged.at)


def merge(base: Value, over: Value) -> Value:
    """Merge one tree over another: maps merge, lists and scalars replace, null removes the key."""
    if not (isinstance(base, Mapping_) and isinstance(over, Mapping_)):
        return over
    items = dict(base.items)
    for key, (at, value) in over.items.items():
        if isinstance(value, Scalar) and value.is_null:
            items.pop(key, None)
        else:
            items[key] = (at, merge(items[key][1], value) if key in items else value)
    return Mapping_(items, over.at)
