"""Shell completion of names from the deploy.yml that a command would use. Never fails and never prints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Names without shell syntax that are no option.
_PLAIN = re.compile(r"\w[\w.@%+,:/-]*")


def complete_targets(incomplete: str) -> list[str]:
    return _starting(incomplete, _file().get("targets"))


def complete_environments(incomplete: str) -> list[str]:
    return _starting(incomplete, _file().get("environments"))


def complete_images(incomplete: str) -> list[str]:
    file = _file()
    return _starting(incomplete, file.get("images") or ({file["app"]: None} if file.get("app") else {}))


def complete_topics(incomplete: str) -> list[str]:
    from shipit.cli.guide import read_topics

    try:
        return _starting(incomplete, dict.fromkeys(topic.name for topic in read_topics()))
    except Exception:
        return []


def _starting(incomplete: str, words: Any) -> list[str]:
    names = [str(word) for word in words] if isinstance(words, Mapping) else []
    # A name with shell syntax or control characters is not offered.
    return [name for name in names if name.startswith(incomplete) and _PLAIN.fullmatch(name)]


def _file() -> Mapping[str, Any]:
    try:
        from shipit.config.document import parse_document, plain_data
        from shipit.config.find import find_file
        from shipit.config.process_environment import read_process_environment
        from shipit.files import read_file

        file = find_file(read_process_environment(), None).path
        loaded = plain_data(parse_document(read_file(file), file.name))
    except Exception:
        return {}
    return loaded if isinstance(loaded, Mapping) else {}
