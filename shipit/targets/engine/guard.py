"""A process that removes what was made for a command, when the shipit that waits for the command ends without doing so, as by SIGKILL."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import shipit
from shipit.clock import Clock
from shipit.docker.address import EngineAddress
from shipit.docker.client import Engine
from shipit.errors import RemoteError, ShipitError
from shipit.record import from_json, to_json

# The package of this process, also one that is not installed. With -P a folder `shipit` of the working directory is none.
_FOLDER = Path(shipit.__file__).absolute().parents[1]
_PROGRAM = """
import sys
if sys.argv[1] not in sys.path:
    sys.path.insert(0, sys.argv[1])
from shipit.targets.engine.guard_program import main
main()
"""
ARGUMENTS = ("-P", "-c", _PROGRAM, str(_FOLDER))
# For so long it tries, in seconds. What was being created as shipit ended is there after less than `_MISSING_S`.
_LONGEST_S, _MISSING_S, _PAUSE_S = 120.0, 15.0, 0.5
_REQUEST_S = 30.0


class Guarded(NamedTuple):
    """A container or service to be removed: the path of its DELETE at an engine. `variables` are those of the process, for ssh."""

    address: EngineAddress
    variables: dict[str, str]
    path: str


class Guard:
    """Within the block such a process runs. Where it can't be started, there is none.

    After the block it removes what is left, unless `remove` did so, or the engine refused to create it.
    """

    def __init__(self, engine: Engine, path: str) -> None:
        self._guarded = Guarded(engine.address, engine.variables, path)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError, ValueError):
            self._start()
        return self

    def _start(self) -> None:
        """It waits for the end of its input. In a session of its own, which no signal of a terminal reaches."""
        process = self._process = subprocess.Popen(
            [sys.executable, *ARGUMENTS],
            env=self._guarded.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        assert process.stdin
        process.stdin.write(json.dumps(to_json(self._guarded)).encode() + b"\n")

    @contextmanager
    def creating(self) -> Iterator[None]:
        """Within the block it is created. It may be there also where the answer is lost, or where a server failed."""
        try:
            yield
        except RemoteError as error:
            if 400 <= error.status < 500:
                self._dismiss()
            raise

    def remove(self, remove: Callable[[], None]) -> None:
        """Remove it. Where this fails, the process tries on."""
        remove()
        self._dismiss()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin
            process.stdin.close()
            # Collects it when it ends, where this process is still there then.
            threading.Thread(target=process.wait, daemon=True, name="end of a guard").start()

    def _dismiss(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdin
            process.stdin.close()


def remove_guarded(text: bytes) -> None:
    """Remove what the text of a `Guarded` names: again until it is gone, or for two minutes."""
    guarded, clock = from_json(Guarded, json.loads(text)), Clock()
    began_s = clock.now()
    while (waited_s := clock.now() - began_s) < _LONGEST_S:
        status = _remove(guarded)
        if status in (200, 204, 409) or (status == 404 and waited_s > _MISSING_S):
            return
        clock.sleep(_PAUSE_S)


def _remove(guarded: Guarded) -> int:
    """The status of the answer; 0 for none."""
    engine = Engine(guarded.address, guarded.variables)
    try:
        if not engine.is_reachable():
            return 0
        query = {"force": "true", "v": "true"}
        return engine.call("DELETE", guarded.path, query=query, timeout_s=_REQUEST_S).status_code
    except ShipitError:
        return 0
    finally:
        engine.close()
