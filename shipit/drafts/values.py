"""Values of other tools' files as the types that a draft needs. A value of another type gives an empty one. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import count
from typing import Any

from shipit.drafts.files import Command


def slug(text: str) -> str:
    """Text as a valid name of deploy.yml: lower-case letters, digits and single `-`, beginning with a letter."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    # A key that begins with x- is ignored by deploy.yml: it is the user's own.
    cleaned = re.sub(r"^x-+", "x", re.sub(r"^[^a-z]+", "", cleaned))[:50].strip("-")
    return cleaned or "app"


def as_map(value: Any) -> dict[str, Any]:
    """A map, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """A list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """Text, or nothing for anything else."""
    return value if isinstance(value, str) else ""


def as_port(value: Any) -> int:
    """The port inside a container that `8080:80/tcp`, `80` or `3000-3005` names; 0 for anything else."""
    match = re.fullmatch(r"(?:.*:)?(\d{1,5})(?:-\d{1,5})?(?:/(?:tcp|http))?", str(value).strip())
    port = int(match[1]) if match else 0
    return port if 0 < port < 65536 else 0


def as_command(value: Any) -> Command:
    """A command: text for a shell, or argv. Empty for anything else."""
    if isinstance(value, list) and value and all(isinstance(word, str | int | float) for word in value):
        return tuple(str(word) for word in value)
    return value.strip() if isinstance(value, str) else ""


def free_name(name: str, taken: Collection[str], longest: int) -> str:
    """A name of lower-case letters, digits and hyphens that is not in `taken`, made from another one; at most `longest` characters and a number."""
    key = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:longest].strip("-") or "worker"
    return next(found for number in count(1) if (found := key if number == 1 else f"{key}-{number}") not in taken)


def listed(names: Iterable[str], word: str = "and") -> str:
    """`a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def not_taken(name: str, part: Iterable[str], taken: Collection[str]) -> Iterator[str]:
    """The keys of a map that are not taken, as one line; nothing without any."""
    if left := [f"{name}.{key}" for key in part if key not in taken]:
        yield listed(left)
