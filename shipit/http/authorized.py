"""A wrapper that adds an Authorization header, and sends a request once more when the server asks for another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from shipit.http.messages import Answer, Request, Send
from shipit.http.urls import is_same_origin


class Auth(Protocol):
    """How one server is logged in to."""

    def headers(self, request: Request) -> Mapping[str, str]:
        """The headers to add to a request; none where its URL is not this server's. May fetch a token."""

    def challenged(self, answer: Answer) -> bool:
        """Look at an answer, whatever its status; whether sending the request again with new `headers` may succeed."""


def authorized(send: Send, auth: Auth) -> Send:
    """`send`, with the headers of `auth`; a request that is challenged is sent again, once."""

    def ask(request: Request) -> Answer:
        answer = send(request.adding(auth.headers(request)))
        if auth.challenged(answer):
            request = request.rewound()
            answer = send(request.adding(auth.headers(request)))
        return answer

    return ask


class FixedAuth(NamedTuple):
    """The same headers for every request to the origin of a URL, and none for any other."""

    url: str
    fixed: Mapping[str, str]

    def headers(self, request: Request) -> Mapping[str, str]:
        return self.fixed if is_same_origin(request.url, self.url) else {}

    def challenged(self, answer: Answer) -> bool:
        return False
