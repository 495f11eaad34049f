"""Whether a run may push to its repositories, asked while places are read, so that a missing login is told before a build."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future

from shipit.errors import RemoteError
from shipit.parallel import Failures
from shipit.reference import ImageRef, parse_reference
from shipit.registry.registries import Registries
from shipit.threads import Workers, result_of

_PARALLEL = 4


class PushAccess:
    """Asks registries for which there are no credentials; nothing is asked where there are some. Safe to use from several threads."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._asked: dict[str, Future[RemoteError | None]] = {}
        self._workers = Workers("push access", _PARALLEL)
        self._lock = threading.Lock()

    def close(self) -> None:
        self._workers.close()

    def begin(self, repositories: Iterable[str]) -> None:
        """Begin to ask for repositories that the run may push to."""
        with self._lock:
            for ref in map(parse_reference, repositories):
                if ref.name not in self._asked:
                    self._asked[ref.name] = self._workers.submit(self._refusal, ref)

    def require(self, repositories: Iterable[str] | None = None) -> None:
        """Wait for the answers of these repositories, or of all; those that `begin` was not called for are not asked.

        Raises: RemoteError, or Failures, where a login is needed and there is none.
        """
        names = None if repositories is None else {parse_reference(name).name for name in repositories}
        with self._lock:
            asked = [future for name, future in self._asked.items() if names is None or name in names]
        deadline = self._registries.deadline
        answers = [result_of(future, deadline, "registries to say whether a login is needed") for future in asked]
        errors = tuple({error.what: error for error in answers if error}.values())
        if errors:
            raise errors[0] if len(errors) == 1 else Failures(errors)

    def _refusal(self, ref: ImageRef) -> RemoteError | None:
        """The error for a registry that takes no push without a login; None where it may take one, or can't be asked now."""
        try:
            if self._registries.credentials(ref) or self._registries.client(ref).takes_anonymous_push(ref.repository):
                return None
        except RemoteError:
            # Whatever reads from the registry next tells it better.
            return None
        return RemoteError(
            f"a push needs a login to {ref.registry}, and there are no credentials for it",
            where=ref.name,
            hint=f"shipit login {ref.registry}, or docker login {ref.registry}",
            status=401,
        )
