"""Lists that come in pages.

Source: Kubernetes API concepts, "Retrieving large results sets in chunks".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.http.messages import Answer
from shipit.targets.kubernetes.server import Query, parsed

T = TypeVar("T")
# Items of a page, and bytes of a whole list.
PAGE, _MOST_BYTES = 500, 256 * 1024 * 1024


class Listed(NamedTuple, Generic[T]):
    """A list as it was read. `version` is its resourceVersion, from which a watch can begin."""

    items: list[T]
    version: str


def read_pages(
    page: Callable[[str, Query], Answer], path: str, query: Mapping[str, str | int], parse: Callable[[Field], T]
) -> Listed[T]:
    """A list, of all its pages. A list that expired meanwhile is read again, once. `page` sends the request for one."""
    items: list[T] = []
    query, left, has_expired = dict(query), _MOST_BYTES, False
    while True:
        try:
            answer = page(path, query)
        except RemoteError as error:
            if error.status != 410 or has_expired:
                raise
            has_expired, items, left = True, [], _MOST_BYTES
            query.pop("continue", None)
            continue
        left -= len(answer.content)
        if left < 0:
            raise RemoteError("the list is longer than 256 MiB", where=answer.request.shown)
        found = parsed(answer)
        items += map(parse, found["items"].rows())
        token = found["metadata"]["continue"].text()
        if not token:
            return Listed(items, found["metadata"]["resourceVersion"].text())
        query["continue"] = token
