"""Runs of the program in forks of a process that has imported all of it: without the start of an interpreter each time.

What is the same: a process of its own with its arguments, environment, folder and streams, and how it ends. What is not:
/proc/PID/cmdline and environ are those of the process that forks. `python -m tests.warm FD` is that process.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

import shipit
from shipit.config.process_environment import forbid_plugins

_LENGTH_BYTES = 8
_PIPE_BYTES = 65536


class Command(NamedTuple):
    """What to run, and where."""

    arguments: Sequence[str]
    folder: str
    variables: Mapping[str, str]


class WarmProgram:
    """The process that forks, from its start until `close`. Linux only."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._interpreter = _for_interpreters(variables)
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=variables,
                # Ctrl-C is for the tests; it ends when they are gone.
                start_new_session=True,
            )
        self._sending = threading.Lock()

    def can_run(self, command: Command) -> bool:
        """Whether an interpreter that starts for it would be the same."""
        return _for_interpreters(command.variables) == self._interpreter

    def run(self, command: Command, data: bytes, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
        """Run to the end, with its input. Raises: TimeoutExpired."""
        stdin, write_stdin = os.pipe()
        read_ends, write_ends = zip(*(os.pipe() for _ in range(3)), strict=True)
        try:
            self._send(json.dumps(command).encode(), [stdin, *write_ends])
        finally:
            for end in (stdin, *write_ends):
                os.close(end)
        output, errors, ended = _Pipes(read_ends, write_stdin, data).exchange(command, timeout_s)
        code = os.waitstatus_to_exitcode(int(ended.split()[1]))
        return subprocess.CompletedProcess(command.arguments, code, output, errors)

    def close(self) -> None:
        self._requests.close()
        self._process.wait(30)

    def _send(self, request: bytes, streams: Sequence[int]) -> None:
        with self._sending:
            socket.send_fds(self._requests, [len(request).to_bytes(_LENGTH_BYTES)], streams)
            self._requests.sendall(request)


def _for_interpreters(variables: Mapping[str, str]) -> dict[str, str]:
    """Those that Python reads when it starts."""
    return {name: value for name, value in variables.items() if name.startswith(("PYTHON", "LANG", "LC_"))}


class _Pipes:
    """Our ends of the pipes of a program: those to read, the last of which tells its number first, and its input."""

    def __init__(self, read_ends: Sequence[int], write_end: int, data: bytes) -> None:
        self._read = dict.fromkeys(read_ends, b"")
        self._write_end = write_end
        self._data = memoryview(data)
        os.set_blocking(write_end, False)

    def exchange(self, command: Command, timeout_s: float) -> list[bytes]:
        """Write the input, and read until all of them are closed: what each has said."""
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            for end in self._read:
                selector.register(end, selectors.EVENT_READ)
            selector.register(self._write_end, selectors.EVENT_WRITE)
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    self._kill(command, timeout_s)
                for key, _ in ready:
                    if not (self._write() if key.fd == self._write_end else self._read_from(key.fd)):
                        selector.unregister(key.fd)
                        os.close(key.fd)
        return list(self._read.values())

    def _write(self) -> bool:
        """Write some. Whether there is more, and somebody who reads it."""
        with contextlib.suppress(BrokenPipeError):
            self._data = self._data[os.write(self._write_end, self._data[:_PIPE_BYTES]) :]
            return bool(self._data)
        return False

    def _read_from(self, end: int) -> bool:
        """Read some. Whether there may be more."""
        data = os.read(end, _PIPE_BYTES)
        self._read[end] += data
        return bool(data)

    def _kill(self, command: Command, timeout_s: float) -> NoReturn:
        output, errors, ended = self._read.values()
        os.kill(int(ended.split()[0]), signal.SIGKILL)
        raise subprocess.TimeoutExpired(list(command.arguments), timeout_s, output, errors)


class _Request(NamedTuple):
    command: Command
    stdin: int
    stdout: int
    stderr: int
    # Where its number is written when it starts, and its wait status when it has ended.
    ended: int


def _serve(requests: socket.socket) -> _Request | None:
    """Fork for each request until the tests are gone. In a fork: the request that it runs."""
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not requests:
                    selector.unregister(key.fd)
                    _tell_the_end(key.fd, *key.data)
                    continue
                request = _receive(requests)
                if request is None:
                    return None
                pid = os.fork()
                if pid == 0:
                    requests.detach()
                    return request
                os.write(request.ended, b"%d " % pid)
                for end in (request.stdin, request.stdout, request.stderr):
                    os.close(end)
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, request.ended))


def _receive(requests: socket.socket) -> _Request | None:
    data, streams, _, _ = socket.recv_fds(requests, _LENGTH_BYTES, 4)
    if not data:
        return None
    missing = int.from_bytes(data)
    text = b""
    while len(text) < missing:
        text += requests.recv(missing - len(text))
    return _Request(Command(*json.loads(text)), *streams)


def _tell_the_end(pid_fd: int, pid: int, ended: int) -> None:
    os.close(pid_fd)
    os.write(ended, b"%d" % os.waitpid(pid, 0)[1])
    os.close(ended)


def _become(request: _Request) -> None:
    """What the start of a program does."""
    for number, end in enumerate((request.stdin, request.stdout, request.stderr)):
        os.dup2(end, number)
    # Those of other programs that run now, too: each is read until nobody has it.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(request.command.folder)
    os.environ.clear()
    os.environ.update(request.command.variables)
    sys.argv[1:] = request.command.arguments
    sys.path[0] = request.command.folder


def _import_all() -> None:
    """Import what a run could."""
    for module in pkgutil.walk_packages(shipit.__path__, "shipit."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        # Many sessions of tests never ask.
        selector.select()
    forbid_plugins()
    _import_all()
    if request := _serve(requests):
        _become(request)
        runpy.run_module("shipit", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
