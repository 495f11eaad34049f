"""The tags of a repository, page by page.

Source: OCI distribution-spec 1.1, "Content Discovery": the Link header leads to the next page.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from shipit.errors import RemoteError
from shipit.http.messages import Answer
from shipit.reference import is_tag
from shipit.registry.wire import RegistryWire

_PAGE = 1000
_MOST_PAGES = 20
_NEXT = re.compile(r'<([^<>]*)>[^,]*;\s*rel="?next"?')
Query = tuple[tuple[str, str], ...]


class TagList(NamedTuple):
    """Tags as a registry lists them. `is_whole` is False where it has more than are read."""

    tags: tuple[str, ...]
    is_whole: bool = True


def read_tags(wire: RegistryWire, repository: str) -> TagList:
    """The tags of a repository; none where it does not exist. Raises: RemoteError."""
    found: dict[str, None] = {}
    query: Query | None = (("n", str(_PAGE)),)
    asked = set[Query]()
    while query and query not in asked and len(asked) < _MOST_PAGES:
        asked.add(query)
        answer = wire.ask("GET", repository, "tags/list", query=query, ok=(200, 404))
        if answer.status == 404:
            break
        found |= dict.fromkeys(_tags(answer))
        query = _next(answer.header("Link"))
    else:
        return TagList(tuple(found), is_whole=not query)
    return TagList(tuple(found))


def _tags(answer: Answer) -> list[str]:
    """The tags of one page; an empty repository has null."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    match body:
        case {"tags": None}:
            return []
        case {"tags": [*tags]} if all(isinstance(tag, str) and is_tag(tag) for tag in tags):
            return tags
    raise RemoteError("the list of tags should be JSON with `tags`", where=answer.request.shown)


def _next(link: str) -> Query | None:
    """The query of the next page. Of the link only its query is used: the address stays the registry's."""
    found = _NEXT.search(link)
    try:
        return tuple(parse_qsl(urlsplit(found[1]).query, max_num_fields=20)) if found else None
    except ValueError:
        return None
