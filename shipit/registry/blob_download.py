"""Downloads a blob, resuming where the connection broke.

Source: OCI distribution-spec 1.1, "Pulling blobs"; RFC 9110, section 14 (range requests).
"""

from __future__ import annotations

from collections.abc import Iterator

from shipit.digest import Digest
from shipit.errors import RemoteError
from shipit.events import Retried
from shipit.http.messages import Answer
from shipit.http.retry import ATTEMPTS, LONGEST_PAUSE_S, backoff_s
from shipit.registry.wire import RegistryWire

_PIECE = 1024 * 1024


def read_blob(wire: RegistryWire, repository: str, digest: Digest) -> Iterator[bytes]:
    """The bytes of a blob, each once. The caller verifies the digest.

    Raises: RemoteError after several failures without progress; DeadlinePassed, Interrupted.
    """
    at, broken = 0, 0
    while True:
        began = at
        try:
            for piece in _pieces(wire, repository, digest, at):
                at += len(piece)
                yield piece
        except RemoteError as error:
            broken = 1 if at - began >= _PIECE else broken + 1
            # A download that broke after some bytes is resumed here; the request before the first byte was retried already.
            if not error.retryable or broken == ATTEMPTS or at == 0:
                raise
            pause_s = backoff_s(broken) if error.retry_after_s is None else error.retry_after_s
            if pause_s > LONGEST_PAUSE_S:
                raise
            wire.emit(Retried(error.where, f"{error.what}; resuming at {at} bytes", round(pause_s, 1)))
            wire.http.deadline.sleep(pause_s, f"the rest of {repository}@{digest}")
            continue
        return


def _pieces(wire: RegistryWire, repository: str, digest: Digest, start: int) -> Iterator[bytes]:
    headers = {"Range": f"bytes={start}-"} if start else {}
    ok, attempts = ((200, 206), 1) if start else ((200,), ATTEMPTS)
    path = f"blobs/{digest}"
    with wire.ask("GET", repository, path, headers=headers, stream=True, ok=ok, attempts=attempts) as answer:
        # A registry that ignores the range answers 200 with the whole blob.
        left_out = start if answer.status == 200 else 0
        if answer.status == 206:
            _check_range(answer, start)
        for piece in answer.pieces(_PIECE):
            wire.http.deadline.clock.check()
            if rest := piece[left_out:]:
                yield rest
            left_out = max(0, left_out - len(piece))


def _check_range(answer: Answer, start: int) -> None:
    """Check that a part of a blob begins at `start`. Raises: RemoteError."""
    if not answer.header("Content-Range").startswith(f"bytes {start}-"):
        raise RemoteError("answered with another range of the blob than requested", where=answer.request.shown)
