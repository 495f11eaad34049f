"""Running programs: bounded in time and output, ended with all that they started, and never asking."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.cli.signals import on_signal
from shipit.clock import Clock
from shipit.errors import Interrupted
from shipit.process import Finished, ProgramFailed, end_programs, run_program, started_program
from tests.waits import SOON_S

VARIABLES = {"PATH": os.environ["PATH"]}


def shell(text: str, timeout_s: float = 20, **more: object) -> Finished:
    return run_program(["sh", "-c", text], variables=VARIABLES, timeout_s=timeout_s, **more)  # type: ignore[arg-type]


@pytest.fixture
def mark() -> Iterator[str]:
    """A number of seconds to sleep that nothing else sleeps, to find those that do."""
    yield f"3{os.getpid()}.{time.monotonic_ns() % 1_000_000}"


def sleepers(mark: str) -> list[str]:
    """Processes of the machine that have a mark among their words."""
    listed = subprocess.run(["ps", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if mark in line and " Z" not in line and "ps -eo" not in line]


def none_left(mark: str) -> bool:
    deadline = time.monotonic() + SOON_S
    while sleepers(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not sleepers(mark)


def test_what_it_prints_says_and_how_it_ends() -> None:
    assert shell("cat; echo said >&2; exit 3", given=b"given\n") == Finished(3, b"given\n", b"said\n")
    assert shell("exit 0").how == "ended with 0"
    assert shell("kill -KILL $$").how == "was ended by SIGKILL"


def test_much_goes_in_and_out() -> None:
    given = os.urandom(500_000)
    assert shell("cat", given=given).output == given
    assert shell("exit 4", given=given).code == 4


def test_it_has_the_variables_given_and_no_others(tmp_path: Path) -> None:
    done = run_program(["env"], variables={**VARIABLES, "A": "b"}, timeout_s=10, folder=tmp_path)
    assert sorted(line.partition(b"=")[0] for line in done.output.splitlines()) == [b"A", b"PATH"]
    assert run_program(["pwd"], variables=VARIABLES, timeout_s=10, folder=tmp_path).output.decode().strip() == str(
        tmp_path
    )


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["no-such-program"], "can't be run: No such file or directory"),
        (["/"], "can't be run: Permission denied"),
        (["echo", "a\0b"], "can't be run: embedded null byte"),
    ],
)
def test_what_can_not_be_run_is_told(command: list[str], reason: str) -> None:
    with pytest.raises(ProgramFailed) as caught:
        run_program(command, variables=VARIABLES, timeout_s=10)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "command",
    [
        "sleep {mark}",
        "sleep {mark} | cat",
        "sleep {mark} & sleep {mark} & wait",
        "trap '' TERM; sleep {mark}; sleep {mark}",
        "(trap '' TERM; sleep {mark}) | (trap '' TERM; cat)",
        "exec >&- 2>&-; sleep {mark}",
    ],
)
def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(command: str, mark: str) -> None:
    started = time.monotonic()
    with pytest.raises(ProgramFailed, match=r"did not end within 0.5 s"):
        shell(command.format(mark=mark), timeout_s=0.5)
    assert time.monotonic() - started < SOON_S
    assert none_left(mark)


def test_a_cancelled_run_ends_it_within_a_second(mark: str) -> None:
    clock = Clock()
    threading.Timer(0.3, clock.cancel.set).start()
    started = time.monotonic()
    with pytest.raises(Interrupted):
        shell(f"trap '' TERM; sleep {mark} | cat", clock=clock)
    assert time.monotonic() - started < SOON_S
    assert none_left(mark)


def test_what_it_leaves_behind_neither_holds_us_up_nor_lives_on(mark: str) -> None:
    started = time.monotonic()
    assert shell(f"sleep {mark} & echo done").output == b"done\n"
    assert time.monotonic() - started < SOON_S
    assert none_left(mark)


@pytest.mark.parametrize("command", ["yes", "cat /dev/zero", "while :; do echo more; done"])
def test_what_prints_without_end_is_ended(command: str) -> None:
    with pytest.raises(ProgramFailed, match="printed more than 1,048,576 bytes"):
        shell(command)


def test_what_it_says_on_standard_error_is_bounded() -> None:
    assert len(shell("yes | head -c 3000000 >&2; echo end >&2").errors) == 64 * 1024


def test_what_is_handed_on_as_it_comes_is_not_kept() -> None:
    seen: list[bytes] = []
    done = shell("echo out; echo err >&2; yes | head -c 3000000", on_output=seen.append)
    assert (done.code, done.output) == (0, b"")
    assert b"".join(seen).startswith(b"out\nerr\n") and sum(map(len, seen)) == 3_000_008


def test_one_that_prints_nothing_any_more_is_ended(mark: str) -> None:
    seen: list[bytes] = []
    with pytest.raises(ProgramFailed, match=r"printed nothing for 0\.5 s"):
        shell(f"echo begun; sleep {mark}", silent_s=0.5, on_output=seen.append)
    assert none_left(mark) and b"".join(seen) in (b"begun\n", b"")


def test_it_has_no_terminal_to_ask_at() -> None:
    done = shell("if (exec < /dev/tty); then echo asked; else echo none; fi 2>/dev/null")
    assert done.output == b"none\n"


def test_a_block_that_is_left_ends_its_program(mark: str) -> None:
    with started_program(["sh", "-c", f"sleep {mark} | cat"], variables=VARIABLES) as process:
        assert process.poll() is None
    assert none_left(mark)


def test_all_that_run_can_be_ended_at_once(mark: str) -> None:
    """For a process that ends without unwinding its threads."""
    program = (
        "import os, sys, threading, time\n"
        "from shipit.process import end_programs, run_program\n"
        "def run(): run_program(['sh', '-c', 'sleep ' + sys.argv[1] + ' | cat'], variables=dict(os.environ), timeout_s=99)\n"
        "for _ in range(3): threading.Thread(target=run, daemon=True).start()\n"
        "time.sleep(1)\nend_programs()\nos._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, mark], check=True, timeout=30, env=os.environ)
    assert none_left(mark)
    end_programs()


def test_a_signal_during_the_start_of_a_program_is_handled_when_the_program_is_known(
    monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    """Its handler ends the process, and with it the programs that are known."""
    start, seen = subprocess.Popen, list[str]()

    def interrupted(*words: object, **more: object) -> object:
        process = start(*words, **more)  # type: ignore[call-overload]
        signal.raise_signal(signal.SIGINT)
        seen.append("started")
        return process

    def end() -> None:
        seen.append("handled")
        end_programs()

    monkeypatch.setattr("shipit.process.subprocess.Popen", interrupted)
    with on_signal(end), started_program(["sleep", mark], variables=VARIABLES) as process:
        assert seen == ["started", "handled"]
        assert process.wait(SOON_S) == -signal.SIGKILL
    monkeypatch.undo()
    assert none_left(mark)


def test_a_signal_during_the_start_of_a_program_that_is_missing_is_handled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def interrupted(*words: object, **more: object) -> object:
        signal.raise_signal(signal.SIGINT)
        seen.append("not started")
        raise FileNotFoundError(2, "No such file or directory", "sleep")

    monkeypatch.setattr("shipit.process.subprocess.Popen", interrupted)
    with (
        on_signal(lambda: seen.append("handled")),
        pytest.raises(ProgramFailed),
        started_program(["sleep", "1"], variables=VARIABLES),
    ):
        pass
    assert seen == ["not started", "handled"]
