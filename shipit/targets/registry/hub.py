"""Docker Hub's own API: what a registry does not have, descriptions and the time when a tag was pushed.

Source: docs.docker.com/reference/api/hub: /v2/auth/token, /v2/namespaces/{namespace}/repositories/{repository}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shipit.clock import Deadline
from shipit.errors import RemoteError
from shipit.events import Emit
from shipit.http.authorized import authorized
from shipit.http.fields import Field
from shipit.http.messages import Answer, Request, make_request
from shipit.http.retry import retrying
from shipit.http.statuses import refusal
from shipit.http.transport import Transport
from shipit.http.urls import is_same_origin, shown
from shipit.registry.credentials import Credentials
from shipit.targets.registry.observed import HubTag

API = "https://hub.docker.com"
_TOKEN = f"{API}/v2/auth/token"
_PAGES = 50
_LOGIN = "docker login, with a personal access token that may read, write and delete"


class HubLogin:
    """The token of one account, fetched when a request needs it, and again when it has expired."""

    def __init__(self, http: Transport, credentials: Credentials | None) -> None:
        self.http = http
        self._credentials = credentials
        self._token = ""
        self._is_new = False

    def headers(self, request: Request) -> Mapping[str, str]:
        if not is_same_origin(request.url, API):
            return {}
        self._is_new = not self._token
        self._token = self._token or self._fetched(request.deadline)
        return {"Authorization": f"Bearer {self._token}"}

    def challenged(self, answer: Answer) -> bool:
        if answer.status != 401 or self._is_new:
            return False
        self._token = ""
        return True

    def _fetched(self, deadline: Deadline | None) -> str:
        if self._credentials is None:
            raise RemoteError("nobody is logged in to Docker Hub", where=shown("POST", _TOKEN), hint=_LOGIN, status=401)
        body = {"identifier": self._credentials.username, "secret": self._credentials.password}
        answer = self.http.send("POST", _TOKEN, json=body, deadline=deadline)
        return self.http.environment.redactor.learn(_checked(answer)["access_token"].required())


@dataclass(frozen=True)
class DockerHub:
    """Speaks for one account. Every request may be repeated. `repository` is `namespace/name`.

    Every method raises RemoteError, DeadlinePassed and Interrupted.
    """

    login: HubLogin
    deadline: Deadline
    emit: Emit

    def description(self, repository: str) -> str | None:
        """The text of a repository's page; None when there is no such repository."""
        found = self._maybe("GET", _path(repository))
        return None if found is None else found["full_description"].text()

    def describe(self, repository: str, text: str) -> None:
        self._send("PATCH", _path(repository), {"full_description": text})

    def tags(self, repository: str) -> tuple[HubTag, ...]:
        """Every tag, in no order; none when there is no such repository."""
        tags: list[HubTag] = []
        for page in range(1, _PAGES + 1):
            found = self._maybe("GET", f"{_path(repository)}/tags?page_size=100&page={page}")
            if found is None:
                break
            tags += [
                HubTag(row["name"].required(), row["tag_last_pushed"].text() or row["last_updated"].text())
                for row in found["results"].rows()
            ]
            if not found["next"].text():
                break
        return tuple(tags)

    def delete_tag(self, repository: str, tag: str) -> None:
        """Delete a tag; one that is gone already is fine."""
        self._maybe("DELETE", f"{_path(repository)}/tags/{tag}")

    def _maybe(self, method: str, path: str) -> Field | None:
        try:
            return self._send(method, path)
        except RemoteError as error:
            if error.status == 404:
                return None
            raise

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Field:
        request = make_request(method, f"{API}{path}", json=body, deadline=self.deadline)
        send = authorized(self.login.http.answer, self.login)
        return retrying(lambda: _checked(send(request)), deadline=self.deadline, emit=self.emit)


def _path(repository: str) -> str:
    namespace, _, name = repository.partition("/")
    return f"/v2/namespaces/{namespace}/repositories/{name}"


def _checked(answer: Answer) -> Field:
    """The body of an answer that is a success, empty when it has none. Raises: RemoteError."""
    try:
        body = answer.json() if answer.content else {}
    except ValueError:
        body = None
    if not 200 <= answer.status < 300:
        said = (body.get("message") or body.get("detail") or "") if isinstance(body, dict) else ""
        raise refusal(answer, str(said).rstrip("."), hint=_LOGIN if answer.status in (401, 403) else "")
    if not isinstance(body, dict):
        raise RemoteError("the answer should be JSON", where=answer.request.shown)
    return Field(body, answer.request.shown)
