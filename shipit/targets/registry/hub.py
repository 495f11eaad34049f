"""The wire to Docker Hub's own API: what a registry does not know, descriptions and when a tag was pushed.

Source: docs.docker.com/reference/api/hub: /v2/auth/token, /v2/namespaces/{namespace}/repositories/{repository}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.events import Emit
from shipit.http.messages import Answer
from shipit.http.retry import retrying
from shipit.http.statuses import refusal
from shipit.http.transport import Transport
from shipit.http.urls import shown
from shipit.registry.credentials import Credentials
from shipit.targets.registry.observed import HubTag

API = "https://hub.docker.com"
_PAGES = 50
_LOGIN = "docker login, with a personal access token that may read, write and delete"


class DockerHub:
    """Speaks for one account. Everything it asks for can be asked for twice."""

    def __init__(
        self, environment: ProcessEnvironment, clock: Clock, emit: Emit, credentials: Credentials | None
    ) -> None:
        self._http = Transport(environment, Deadline(clock))
        self._emit = emit
        self._credentials = credentials
        self._token = ""

    def description(self, repository: str) -> str | None:
        """The text of a repository's page; None when there is no such repository. `repository` is `namespace/name`."""
        found = self._maybe("GET", self._path(repository))
        return None if found is None else str(found.get("full_description") or "")

    def describe(self, repository: str, text: str) -> None:
        self._send("PATCH", self._path(repository), {"full_description": text})

    def tags(self, repository: str) -> tuple[HubTag, ...]:
        """Every tag, in no order; none when there is no such repository."""
        tags: list[HubTag] = []
        for page in range(1, _PAGES + 1):
            found = self._maybe("GET", f"{self._path(repository)}/tags?page_size=100&page={page}") or {}
            rows = found.get("results") or []
            tags += [
                HubTag(str(row["name"]), str(row.get("tag_last_pushed") or row.get("last_updated") or ""))
                for row in rows
            ]
            if not found.get("next"):
                break
        return tuple(tags)

    def delete_tag(self, repository: str, tag: str) -> None:
        """Delete a tag; one that is not there is fine."""
        self._maybe("DELETE", f"{self._path(repository)}/tags/{tag}")

    @staticmethod
    def _path(repository: str) -> str:
        namespace, _, name = repository.partition("/")
        return f"/v2/namespaces/{namespace}/repositories/{name}"

    def _maybe(self, method: str, path: str) -> Mapping[str, Any] | None:
        try:
            return self._send(method, path)
        except RemoteError as error:
            if error.status == 404:
                return None
            raise

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        return retrying(lambda: self._once(method, path, body), deadline=self._http.deadline, emit=self._emit)

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
        url, is_new = f"{API}{path}", not self._token
        answer = self._authorized(method, url, body)
        if answer.status == 401 and not is_new:
            # A token lives for minutes, and a run may be longer.
            self._token = ""
            answer = self._authorized(method, url, body)
        return _checked(answer)

    def _authorized(self, method: str, url: str, body: Mapping[str, Any] | None) -> Answer:
        headers = {"Authorization": f"Bearer {self._token or self._login()}"}
        return self._http.send(method, url, headers=headers, json=body)

    def _login(self) -> str:
        url = f"{API}/v2/auth/token"
        if self._credentials is None:
            raise RemoteError("nobody is logged in to Docker Hub", where=shown("POST", url), hint=_LOGIN, status=401)
        body = {"identifier": self._credentials.username, "secret": self._credentials.password}
        answer = self._http.send("POST", url, json=body)
        self._token = str(_checked(answer).get("access_token") or "")
        return self._token


def _checked(answer: Answer) -> Mapping[str, Any]:
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
    return body
