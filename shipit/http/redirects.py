"""Redirects: where an answer may send us, and a wrapper that follows it there.

A redirect never leads from https to http, nor from elsewhere to this machine or its link. Source: RFC 9110, section 15.4.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urljoin, urlsplit

from shipit.errors import RemoteError
from shipit.http.messages import Answer, Request, Send
from shipit.http.reach import reach_of
from shipit.http.urls import origin_of, shown

REDIRECTS = (301, 302, 303, 307, 308)
# After these the method and the body stay as they are, so that a change may be sent again.
_KEEP_METHOD = (307, 308)
MOST_REDIRECTS = 5


def redirected(send: Send, *, accepted: Collection[int] = ()) -> Send:
    """`send`, following redirects. A status in `accepted` is returned as it is.

    The Authorization header is dropped: `send` adds the one for the new origin, if any.
    Raises: RemoteError after five redirects, or for one that is not allowed.
    """

    def follow(request: Request) -> Answer:
        answer = send(request)
        for _ in range(MOST_REDIRECTS):
            if answer.status in accepted or not (location := _location(answer)):
                return answer
            answer = send(answer.request.moved(located(answer, location), answer))
        raise RemoteError("too many redirects", where=answer.request.shown)

    return follow


def _location(answer: Answer) -> str:
    is_read = answer.request.method in ("GET", "HEAD")
    return answer.header("Location") if answer.status in (REDIRECTS if is_read else _KEEP_METHOD) else ""


def located(answer: Answer, location: str) -> str:
    """The URL that an answer names in its Location or elsewhere. Raises: RemoteError where it is not allowed."""
    try:
        return target_of(answer.request.url, location)
    except RemoteError as error:
        error.where = answer.request.shown
        raise


def target_of(asked: str, location: str) -> str:
    """The URL that `location` is, relative to the URL that was asked.

    A server behind a proxy that ends TLS may write its own URLs with http: they stay https.
    Raises: RemoteError where it is not a URL of http or https, or leads where it may not.
    """
    where = shown("GET", asked).removeprefix("GET ")
    try:
        url = urljoin(asked, location)
        own, other = origin_of(asked), origin_of(url)
    except ValueError:
        raise RemoteError(f"redirects to an invalid URL: {location!r}", where=where) from None
    if own[0] == "https" and other[0] == "http":
        if own[1] != other[1] or not _is_same_port(asked, url):
            raise RemoteError(f"redirects from https to http: {_plain(url)}", where=where)
        url = f"https:{url.partition(':')[2]}"
    if not reach_of(own[1]).may_lead_to(reach_of(other[1])):
        raise RemoteError(f"redirects to an address of this machine or its link: {_plain(url)}", where=where)
    return url


def _plain(url: str) -> str:
    """Host and path of a URL, for people: its query may be a signature."""
    return shown("", url).strip()


def _is_same_port(asked: str, url: str) -> bool:
    own, other = urlsplit(asked).port, urlsplit(url).port
    return own == other or (own == 443 and other is None)
