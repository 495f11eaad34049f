"""The targets of a file as models of their kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipit.config.document import Mapping_
from shipit.config.model import TargetConfig
from shipit.config.other_words import hint_for_target
from shipit.config.problems import problems_of
from shipit.config.source import Source
from shipit.errors import ConfigError

# Kind or alias -> model.
Kinds = Mapping[str, type[TargetConfig]]


def read_targets(data: Any, kinds: Kinds, source: Source) -> tuple[dict[str, TargetConfig], list[ConfigError]]:
    """Target -> model, for those that are valid; and every mistake of the others."""
    targets: dict[str, TargetConfig] = {}
    mistakes: list[ConfigError] = []
    for target, raw in _raw_targets(data):
        config, found = _target(target, raw, kinds, source)
        mistakes += found
        if config is not None:
            targets[target] = config
    return targets, mistakes


def target_names(tree: Mapping_, data: Any) -> frozenset[str]:
    """The names of every target: in the file as written, whichever the environment selects, and in what was selected."""
    targets = tree.items.get("targets")
    written = targets[1].items if targets and isinstance(targets[1], Mapping_) else {}
    return frozenset(written) | {name for name, _ in _raw_targets(data)}


def _raw_targets(data: Any) -> list[tuple[str, Any]]:
    targets = data.get("targets") if isinstance(data, dict) else None
    return [(str(name), raw) for name, raw in targets.items()] if isinstance(targets, dict) else []


def _target(name: str, raw: Any, kinds: Kinds, source: Source) -> tuple[TargetConfig | None, list[ConfigError]]:
    kind = raw.get("kind", name) if isinstance(raw, dict) else name
    model = kinds.get(kind) if isinstance(kind, str) else None
    if model is not None:
        return problems_of(model, raw, source, ("targets", name))
    known = sorted(set(kinds))
    kinds_here = f"kind: one of {', '.join(known)}"
    if isinstance(raw, dict) and "kind" in raw:
        what = "is not a kind of target" if isinstance(kind, str) else "should be the name of a kind"
        hint = _of_workload(kind, kinds) or source.near(str(kind), known) or kinds_here
        return None, [source.problem(("targets", name, "kind"), what, hint, on_value=True)]
    what = "is not a kind of target, so it needs kind:"
    hint = hint_for_target(name) or source.near(name, known) or kinds_here
    return None, [source.problem(("targets", name), what, hint, on_key=True)]


def _of_workload(kind: Any, kinds: Kinds) -> str:
    """Where to write the kind of a workload, which is not one of a target."""
    for model in kinds.values():
        field = model.inline.model_fields.get("kind") if model.inline else None
        if field is not None and kind in getattr(field.annotation, "__args__", ()):
            return f"that is the kind of a workload: write workloads: {{NAME: {{kind: {kind}, ...}}}}"
    return ""
