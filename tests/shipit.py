"""Running the program as its users do: another process, with a home and an environment of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tests.measured import is_new, program_variables
from tests.output_schema import check_output
from tests.warm import Command, WarmProgram

ROOT = Path(__file__).parent.parent
# An image of one Python file, and a file that serves HTTP on $PORT: what Heroku's stand-in can run.
PYTHON_DOCKERFILE = 'FROM scratch\nCOPY app.py /\nCMD ["python", "/app.py"]\n'
CTRL_C = "\x03"
# What is said where a run does not end by itself within a second of a signal, as on a loaded machine.
INTERRUPTED = "interrupted\nhint: run the same command again: it picks up from what is already in place\n"
# Without http.server, whose import takes longer than all else of it.
SERVING_APP = """import os, socket
with socket.create_server(("", int(os.environ["PORT"]))) as server:
    while True:
        client, _ = server.accept()
        with client:
            try:
                client.recv(65536)
                client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
            except OSError:
                pass
"""


def interpreter() -> dict[str, str]:
    """What Python needs to find the program and to write text."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}


class Shipit:
    """`shipit` in a folder. `env` holds what is added to a nearly empty environment.

    The first run of a command in a test module is a program as users start it. `warm` does those after it.
    """

    warm: ClassVar[WarmProgram | None] = None

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        home.mkdir(exist_ok=True)
        self.env = {**interpreter(), "HOME": str(home), "SHIPIT_CACHE_DIR": str(home / "cache")}

    def measured(self, *arguments: str) -> dict[str, str]:
        """The environment of the program, with what measures it where that can tell something new."""
        return {**self.env, **(program_variables() if is_new(arguments) else {})}

    def run(self, *arguments: str, timeout_s: float = 180, input_text: str = "") -> subprocess.CompletedProcess[str]:
        done = self.pipe(*arguments, data=input_text.encode(), timeout_s=timeout_s)
        output, errors = (
            stream.decode().replace("\r\n", "\n").replace("\r", "\n") for stream in (done.stdout, done.stderr)
        )
        check_output(arguments, output)
        return subprocess.CompletedProcess(done.args, done.returncode, output, errors)

    def pipe(self, *arguments: str, data: bytes = b"", timeout_s: float = 180) -> subprocess.CompletedProcess[bytes]:
        """As `run`, with bytes."""
        new = is_new(arguments)
        command = Command(arguments, str(self.folder), self.env)
        if self.warm and not new and self.warm.can_run(command):
            return self.warm.run(command, data, timeout_s)
        return subprocess.run(
            [sys.executable, "-m", "shipit", *arguments],
            cwd=self.folder,
            env={**self.env, **(program_variables() if new else {})},
            capture_output=True,
            timeout=timeout_s,
            check=False,
            input=data,
        )

    def run_program(self, name: str) -> subprocess.CompletedProcess[str]:
        """The installed program of a name, without arguments."""
        program = str(Path(sys.executable).with_name(name))
        return subprocess.run(
            [program], cwd=self.folder, env=self.measured(), capture_output=True, text=True, timeout=60, check=False
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The program in the background."""
        return subprocess.Popen(
            [sys.executable, "-m", "shipit", *arguments],
            cwd=self.folder,
            env=self.measured(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def follow(self, workload: str, texts: Sequence[str], write: Callable[[str], object]) -> None:
        """Follow a log through these lines; `write` makes each but the first when the one before was read."""
        process = self.start("logs", "-f", workload)
        try:
            assert process.stdout
            for text in texts:
                if text != texts[0]:
                    write(f"echo '{text}' > /proc/1/fd/1")
                assert any(text in line for line in iter(process.stdout.readline, "")), text
        finally:
            process.kill()
            process.communicate()

    def events(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        """Exit code and events of a run with --output json."""
        done = self.run(*arguments, "--output", "json")
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def copy(self, example: str) -> None:
        """Put an example app into the folder."""
        shutil.copytree(ROOT / "examples" / example, self.folder, dirs_exist_ok=True)

    def write(self, **files: str) -> None:
        """Write files by name; `__` in a name stands for a dot."""
        for name, text in files.items():
            (self.folder / name.replace("__", ".")).write_text(text)

    def git(self, *words: str) -> str:
        """What git prints in the folder of the project."""
        own = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *own, *words], cwd=self.folder, env=self.env, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def converse(
        self, arguments: Sequence[str], answers: Sequence[tuple[str, str | Callable[[], str]]], timeout_s: float = 180
    ) -> tuple[int, str]:
        """Run at a terminal: wait for each text, then type its answer, which may be made only then.

        Exit code, and all that the terminal showed.
        """
        environment = self.measured(*arguments)
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execve(sys.executable, [sys.executable, "-m", "shipit", *arguments], environment)
        shown, pending, deadline = "", list(answers), time.monotonic() + timeout_s
        try:
            while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
                try:
                    data = os.read(terminal, 65536)
                except OSError:  # What Linux says at the end of a terminal.
                    break
                if not data:
                    break
                shown += data.decode(errors="replace")
                if pending and pending[0][0] in shown:
                    answer = pending.pop(0)[1]
                    text = answer if isinstance(answer, str) else answer()
                    if text == CTRL_C:
                        # A question is shown before its answer is read: nothing tells when that begins.
                        time.sleep(0.3)
                    os.write(terminal, text.encode() if text == CTRL_C else f"{text}\n".encode())
            else:
                os.kill(pid, signal.SIGKILL)
                raise AssertionError(f"no end after {timeout_s} s; shown so far:\n{shown}")
        finally:
            os.close(terminal)
            status = os.waitpid(pid, 0)[1]
        assert not pending, f"never asked {pending[0][0]!r}:\n{shown}"
        return os.waitstatus_to_exitcode(status), shown.replace("\r\n", "\n")


def settled(shown: str) -> str:
    """What a terminal showed above its live view, unwrapped: a frame of the view may come between two lines of a text."""
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown))
    return unwrapped("\n".join(line for line in lines if not re.match(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] ", line)))


def unwrapped(shown: str) -> str:
    """What a terminal showed, without colours and with each run of spaces and line ends as one space."""
    return " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).split())
