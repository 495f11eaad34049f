"""Shell completion of names from the deploy.yml that a command would use. Never fails and never prints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from shipit.config.folder import ProjectFolder

# Names without shell syntax that are no option.
_PLAIN = re.compile(r"\w[\w.@%+,:/-]*")


def complete_targets(incomplete: str) -> list[str]:
    return _starting(incomplete, _file().get("targets"))


def complete_workloads(incomplete: str) -> list[str]:
    """Targets, and `TARGET/WORKLOAD` for each workload of a target."""
    file = _file()
    targets = file.get("targets")
    names = dict.fromkeys(_starting(incomplete, targets))
    for target, part in targets.items() if isinstance(targets, Mapping) else ():
        start = f"{target}/"
        if not start.startswith(incomplete) and not incomplete.startswith(start):
            continue
        names |= dict.fromkeys(_starting(incomplete, {f"{target}/{name}": None for name in _workloads(target, part)}))
    return list(names)


def complete_environments(incomplete: str) -> list[str]:
    return _starting(incomplete, _file().get("environments"))


def complete_images(incomplete: str) -> list[str]:
    file = _file()
    return _starting(incomplete, file.get("images") or ({str(file["app"]): None} if file.get("app") else {}))


def complete_stock(incomplete: str) -> list[str]:
    """The arguments of `shipit prune`: targets and images."""
    return list(dict.fromkeys([*complete_targets(incomplete), *complete_images(incomplete)]))


def complete_runs(incomplete: str) -> list[str]:
    """The runs that this machine keeps, the newest first."""
    try:
        from shipit.history.past import run_names

        return [name for name in run_names(_path().parent) if name.startswith(incomplete)]
    except Exception:
        return []


def complete_topics(incomplete: str) -> list[str]:
    from shipit.cli.guide import read_topics

    try:
        return _starting(incomplete, dict.fromkeys(topic.name for topic in read_topics()))
    except Exception:
        return []


def _workloads(target: Any, part: Any) -> list[Any]:
    """The workloads that the part of a target names, by the key that its kind has for them, and those that its files name."""
    from shipit.targets.kinds import find_kind

    keys = part if isinstance(part, Mapping) else {}
    own, found = None, []
    with suppress(Exception):
        kind = find_kind(str(keys.get("kind") or target))
        own = keys.get(kind.workloads_key)
        if others := kind.load_named_workloads():
            found = [*others(_folder(), keys)]
    return [*(own if isinstance(own, Mapping) else ()), *found]


def _starting(incomplete: str, words: Any) -> list[str]:
    names = [str(word) for word in words] if isinstance(words, Mapping) else []
    # A name with shell syntax or control characters is not offered.
    return [name for name in names if name.startswith(incomplete) and _PLAIN.fullmatch(name)]


def _path() -> Path:
    """The deploy.yml that is found without --file. Raises: ShipitError."""
    from shipit.config.find import find_file
    from shipit.config.process_environment import read_process_environment

    return find_file(read_process_environment(), None).path


def _folder() -> ProjectFolder:
    from shipit.config.folder import project_folder
    from shipit.config.process_environment import read_process_environment

    return project_folder(_path().parent, read_process_environment())


def _file() -> Mapping[str, Any]:
    try:
        from shipit.config.document import parse_document, plain_data
        from shipit.files import read_file

        file = _path()
        loaded = plain_data(parse_document(read_file(file), file.name))
    except Exception:
        return {}
    return loaded if isinstance(loaded, Mapping) else {}
