"""The exit code of a container that its engine removes as it ends.

Source: Docker Engine API 1.41: POST /containers/{id}/wait with condition; HostConfig.AutoRemove. Podman looks for `next-exit` in its
events only after it has answered that it waits: it could miss a short command.
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from shipit.docker.answer import message_of, whole_answer
from shipit.errors import BuildError, RemoteError
from shipit.http.fields import Field
from shipit.json_text import parse_json
from shipit.targets.engine.client import HostClient

# Seconds for the engine to answer that it waits, and to tell the exit code of a command whose output has ended.
_ANSWER_S = 30.0
_LONGEST = 64 * 1024


class Ending:
    """Within the block, from before the start of the container, an engine waits for its end. Raises: RemoteError."""

    def __init__(self, client: HostClient, container: str) -> None:
        self._client, self._path = client, f"/containers/{container}/wait"
        self._where = f"POST {self._path} of {client.host}"
        self._stack = ExitStack()
        self._answer: Any = None

    def __enter__(self) -> Self:
        client = self._client
        client.deadline.check(self._where)
        limit_s = max(1.0, min(_ANSWER_S, client.deadline.remaining_s()))
        # The removal of a container with many files may take longer than a command that has ended is waited for.
        condition = {"condition": "removed" if client.engine.is_podman else "next-exit"}
        streamed = client.engine.streamed("POST", self._path, limit_s, params=condition)
        with ExitStack() as stack:
            try:
                answer = self._answer = stack.enter_context(streamed)
                if answer.status_code != 200:
                    raise RemoteError(message_of(answer), where=self._where, status=answer.status_code)
            except BuildError as error:
                raise RemoteError(error.what, where=self._where, hint=error.hint, retryable=error.retryable) from None
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def exit_code(self) -> int:
        """After its output has ended. Raises: RemoteError where it runs on, or the engine does not say it."""
        try:
            # The deadline of the session is for starting the command only.
            self._answer.limit_reads(_ANSWER_S)
            content = whole_answer(self._answer, _LONGEST, _ANSWER_S)
        except BuildError as error:
            what = f"the output of the command has ended, and its exit code is not known: {error.what}"
            raise RemoteError(what, where=self._where, hint=error.hint, retryable=True) from None
        try:
            found = Field(parse_json(content), self._where)
        except ValueError:
            raise RemoteError("the engine does not say how the command ended", where=self._where) from None
        if said := found["Error"]["Message"].text():
            raise RemoteError(said, where=self._where)
        return found["StatusCode"].present().whole()
