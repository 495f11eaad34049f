"""Targets that are written once for several places. Pure.

`k8s: {contexts: [eu, us]}` means the targets k8s-eu and k8s-us, which have the same keys and one context each. Each needs
those before it; a list in the list is a wave, whose targets start side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from shipit.config.document import Mapping_, Scalar, Sequence_, Value
from shipit.config.position import Position
from shipit.config.targets import Kinds
from shipit.errors import ConfigError

# Name in the file -> names of the targets that it means, in their order.
Groups = Mapping[str, tuple[str, ...]]
Items = dict[str, tuple[Position, Value]]


class _Spread(NamedTuple):
    """The targets that one means, and the names of those that no other one of them needs."""

    targets: Items
    last: tuple[str, ...]


def spread(tree: Mapping_, kinds: Kinds) -> tuple[Mapping_, Groups]:
    """The tree with a target for each place, each value at its position in the file; and their names.

    `needs` and `only` that name a target mean all that it means. What is not well-formed stays, for the model to tell.
    """
    targets = tree.items.get("targets")
    if targets is None or not isinstance(targets[1], Mapping_):
        return tree, {}
    found: dict[str, _Spread] = {}
    for name, (at, value) in targets[1].items.items():
        if one := _spread(name, at, value, kinds, targets[1].items):
            found[name] = one
    if not found:
        return tree, {}
    groups = {name: tuple(one.targets) for name, one in found.items()}
    last = {name: one.last for name, one in found.items()}
    items: Items = {}
    for name, item in targets[1].items.items():
        items |= found[name].targets if name in found else {name: item}
    items = {name: (at, _renamed(value, "needs", last)) for name, (at, value) in items.items()}
    whole = {**tree.items, "targets": (targets[0], Mapping_(items, targets[1].at))}
    if "secrets" in whole and isinstance(whole["secrets"][1], Mapping_):
        at, secrets = whole["secrets"]
        assert isinstance(secrets, Mapping_)
        own = {name: (key_at, _renamed(value, "only", groups)) for name, (key_at, value) in secrets.items.items()}
        whole["secrets"] = (at, Mapping_(own, secrets.at))
    return Mapping_(whole, tree.at), groups


def as_written(mistakes: Iterable[ConfigError], groups: Groups) -> list[ConfigError]:
    """The mistakes under the names of the file, each once; without groups, as they are."""
    if not groups:
        return list(mistakes)
    names = {f"targets.{member}": f"targets.{name}" for name, members in groups.items() for member in members}
    found: dict[tuple[str, str, str], ConfigError] = {}
    for mistake in mistakes:
        head = ".".join(mistake.path.split(".")[:2])
        if head in names:
            mistake.path = names[head] + mistake.path.removeprefix(head)
        found.setdefault((mistake.where, mistake.path, mistake.what), mistake)
    return list(found.values())


def _spread(name: str, at: Position, value: Value, kinds: Kinds, others: Iterable[str]) -> _Spread | None:
    """The targets that one stands for; None for one with a single place, or with a mistake in its list."""
    if not isinstance(value, Mapping_):
        return None
    kind = value.items["kind"][1] if "kind" in value.items else Scalar(name, True, at)
    model = kinds.get(kind.text) if isinstance(kind, Scalar) else None
    if model is None or model.several is None:
        return None
    many, one = model.several
    waves = list(_waves(name, value.items.get(many, (at, None))[1]))
    names = [member for wave in waves for member, _ in wave]
    if not names or one in value.items or len({*names, *others}) < len(names) + len(list(others)):
        return None
    shared = {key: item for key, item in value.items.items() if key != many}
    shared.setdefault("kind", (at, kind))
    targets: Items = {}
    before: tuple[Scalar, ...] = ()
    for wave in waves:
        for member, item in wave:
            own = {**shared, one: (item.at, item), **_needs(shared, before, item.at)}
            targets[member] = (at, Mapping_(own, value.at))
        before = tuple(Scalar(member, False, item.at) for member, item in wave)
    return _Spread(targets, tuple(item.text for item in before))


def _waves(name: str, value: Value | None) -> Iterator[tuple[tuple[str, Scalar], ...]]:
    """The places that start side by side, each after the name of its target; nothing where the list is not well-formed."""
    found = []
    for item in value.items if isinstance(value, Sequence_) else ():
        wave = item.items if isinstance(item, Sequence_) else (item,)
        if not wave or not all(isinstance(one, Scalar) and _word(one.text) for one in wave):
            return
        found.append(tuple((f"{name}-{_word(one.text)}", one) for one in wave if isinstance(one, Scalar)))
    yield from found


def _needs(shared: Items, before: tuple[Scalar, ...], at: Position) -> Items:
    """`needs` with the targets of the wave before."""
    key_at, own = shared.get("needs", (at, Sequence_((), at)))
    if not before or not isinstance(own, Sequence_):
        return {}
    return {"needs": (key_at, Sequence_((*own.items, *before), own.at))}


def _renamed(value: Value, key: str, names: Mapping[str, tuple[str, ...]]) -> Value:
    """A map whose list under a key has the names that others stand for."""
    if not isinstance(value, Mapping_) or key not in value.items or not isinstance(value.items[key][1], Sequence_):
        return value
    at, own = value.items[key]
    assert isinstance(own, Sequence_)
    items: list[Value] = []
    for item in own.items:
        meant = names.get(item.text) if isinstance(item, Scalar) else None
        items += [item] if meant is None else [Scalar(name, False, item.at) for name in meant]
    return Mapping_({**value.items, key: (at, Sequence_(tuple(items), own.at))}, value.at)


def _word(text: str) -> str:
    """A place as a part of a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
