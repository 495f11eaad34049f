"""Docker Hub's own API for one account, strict about its requests."""

from __future__ import annotations

import json
from typing import Any

from shipit.rehearsal.server import Request, Response, StrictServer

_REPOSITORY = r"/v2/namespaces/(?P<namespace>[^/]+)/repositories/(?P<name>[^/]+)"
PAGE = 2


class HubApi(StrictServer):
    """`repositories`: namespace/name -> its description; `tags`: the same -> tag -> when it was pushed, or None.

    A page of tags holds two of them, whatever is asked for. `tokens` counts logins; a token is good for `uses` requests.
    """

    def __init__(self, user: str, password: str, uses: int = 1000) -> None:
        super().__init__()
        self.user, self.password, self.uses = user, password, uses
        self.repositories: dict[str, str] = {}
        self.tags: dict[str, dict[str, str | None]] = {}
        self.tokens = 0
        self.broken: dict[int, Response] = {}
        self._left = 0
        self.route("POST", "/v2/auth/token", self._login)
        self.route("GET", _REPOSITORY, self._checked(self._get))
        self.route("PATCH", _REPOSITORY, self._checked(self._patch))
        self.route("GET", _REPOSITORY + "/tags", self._checked(self._list))
        self.route("DELETE", _REPOSITORY + "/tags/(?P<tag>[^/]+)", self._checked(self._delete))

    def answer(self, request: Request) -> Response:
        """`broken`: the number of a request, from 0 -> what it gets instead of its answer."""
        number = len(self.log)
        answer = super().answer(request)
        return self.broken.pop(number, answer)

    def _login(self, request: Request) -> Response:
        if json.loads(request.body) != {"identifier": self.user, "secret": self.password}:
            return _json(401, {"message": "incorrect authentication credentials"})
        self.tokens += 1
        self._left = self.uses
        return _json(200, {"access_token": f"token-{self.tokens}"})

    def _checked(self, handler: Any) -> Any:
        def checked(request: Request) -> Response:
            self._left -= 1
            if self._left < 0 or request.headers.get("authorization") != f"Bearer token-{self.tokens}":
                return _json(401, {"message": "token expired"})
            repository = f"{request.groups['namespace']}/{request.groups['name']}"
            if repository not in self.repositories:
                return _json(404, {"message": "object not found"})
            answer: Response = handler(repository, request)
            return answer

        return checked

    def _get(self, repository: str, request: Request) -> Response:
        return _json(200, {"name": repository, "full_description": self.repositories[repository]})

    def _patch(self, repository: str, request: Request) -> Response:
        body = json.loads(request.body)
        if set(body) != {"full_description"}:
            return _json(400, {"message": "unknown fields"})
        self.repositories[repository] = body["full_description"]
        return self._get(repository, request)

    def _list(self, repository: str, request: Request) -> Response:
        first = (int(request.query.get("page", "1")) - 1) * PAGE
        rows = [{"name": name, "tag_last_pushed": time} for name, time in self.tags.get(repository, {}).items()]
        more = first + PAGE < len(rows)
        return _json(200, {"count": len(rows), "next": "more" if more else None, "results": rows[first : first + PAGE]})

    def _delete(self, repository: str, request: Request) -> Response:
        if self.tags[repository].pop(request.groups["tag"], "") == "":
            return _json(404, {"message": "tag not found"})
        return Response(204)


def _json(status: int, body: Any) -> Response:
    return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
