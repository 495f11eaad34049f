"""Programs that a command starts: none outlives it, whoever stops it and however."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.leaks import until_empty
from tests.sampled import sampled
from tests.shipit import Shipit
from tests.waits import SOON_S, wait_until

HEAD = "app: hello\nimage: localhost:1/hello\ntargets: {hub: }\n"
# What a program of the tests does: it notes that it runs, and stays, with a child that ignores being asked.
STUBBORN = "trap '' TERM INT HUP; (trap '' TERM INT HUP; sleep {mark}) | cat & echo $$ >> {folder}/started; sleep {mark}; sleep {mark}"


@pytest.fixture
def mark() -> Iterator[str]:
    """A number of seconds that nothing else sleeps."""
    yield f"4{os.getpid()}.{time.monotonic_ns() % 1_000_000}"


def alive(mark: str) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"sleep {mark}" in line and " Z" not in line]


def wait_until_started(folder: Path) -> None:
    wait_until("it starts", (folder / "started").exists)


def program(folder: Path, name: str, mark: str) -> None:
    """A program of that name, which stays."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{STUBBORN.format(mark=mark, folder=folder.parent)}\n")
    (folder / name).chmod(0o755)


def secret_command(shipit: Shipit, mark: str) -> list[str]:
    text = STUBBORN.format(mark=mark, folder=shipit.folder).replace('"', '\\"')
    shipit.write(
        deploy__yml=f'{HEAD}secrets: {{T: {{command: "{text}"}}}}\n', Dockerfile="FROM scratch\nCOPY a /\n", a=""
    )
    return ["plan"]


def credential_helper(shipit: Shipit, mark: str) -> list[str]:
    shipit.write(deploy__yml=HEAD, Dockerfile="FROM scratch\nCOPY a /\n", a="")
    program(shipit.folder / "bin", "docker-credential-slow", mark)
    config = Path(shipit.env["HOME"]) / ".docker"
    config.mkdir()
    (config / "config.json").write_text('{"credsStore": "slow"}')
    return ["plan"]


def ssh_engine(shipit: Shipit, mark: str) -> list[str]:
    shipit.write(deploy__yml=HEAD, Dockerfile="FROM scratch\nRUN x\n")
    program(shipit.folder / "bin", "ssh", mark)
    shipit.env["DOCKER_HOST"] = "ssh://somewhere"
    return ["build"]


def git(shipit: Shipit, mark: str) -> list[str]:
    shipit.write(deploy__yml=HEAD, Dockerfile="FROM scratch\nCOPY a /\n", a="")
    subprocess.run(["git", "init", "-q", str(shipit.folder)], check=True)
    (shipit.folder / ".git/refs/heads/main").write_text("1" * 40 + "\n")
    (shipit.folder / ".git/HEAD").write_text("ref: refs/heads/main\n")
    program(shipit.folder / "bin", "git", mark)
    return ["plan"]


def heroku_cli(shipit: Shipit, mark: str) -> list[str]:
    text = "app: hello\nimage: localhost:1/hello\ntargets: {heroku: {app: hello-prod}}\n"
    shipit.write(deploy__yml=text, Dockerfile="FROM scratch\nCOPY a /\n", a="")
    program(shipit.folder / "bin", "heroku", mark)
    return ["plan"]


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
CHILDREN = {
    "secret command": secret_command,
    "credential helper": credential_helper,
    "ssh": ssh_engine,
    "git": git,
    "heroku": heroku_cli,
}


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("child", "number"), sampled(list(product(["secret command", "credential helper", "ssh"], ENDING)), 5)
)
def test_a_signal_ends_the_run_and_its_programs(shipit: Shipit, child: str, number: signal.Signals, mark: str) -> None:
    """To the process alone, as a CI system sends it."""
    command = CHILDREN[child](shipit, mark)
    shipit.env["PATH"] = f"{shipit.folder}/bin:{shipit.env['PATH']}"
    process = shipit.start(*command)
    wait_until_started(shipit.folder)
    wait_until("what it starts runs", lambda: alive(mark))
    sent = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - sent < SOON_S
    assert process.returncode == 130, said
    assert "Traceback" not in said and "ended with -2" not in said
    assert until_empty(lambda: alive(mark), SOON_S) == []


def test_what_nohup_starts_goes_on_without_its_terminal(shipit: Shipit) -> None:
    shipit.write(
        deploy__yml=f"{HEAD}secrets: {{T: {{command: 'echo x > started; sleep 1; echo {'t' * 9}'}}}}\n",
        Dockerfile="FROM scratch\nCOPY a /\n",
        a="",
    )
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", "shipit", "plan"],
        cwd=shipit.folder,
        env=shipit.measured(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until_started(shipit.folder)
    process.send_signal(signal.SIGHUP)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "connection refused" in said, "it went on, to a registry that is not there"


@pytest.mark.parametrize("child", CHILDREN)
def test_ctrl_c_at_a_terminal_ends_the_run_and_its_programs(shipit: Shipit, child: str, mark: str) -> None:
    """A terminal sends it to the whole foreground group, and so not to them."""
    command = CHILDREN[child](shipit, mark)
    shipit.env["PATH"] = f"{shipit.folder}/bin:{shipit.env['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "shipit", *command],
        cwd=shipit.folder,
        env=shipit.measured(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    wait_until_started(shipit.folder)
    sent = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - sent < SOON_S
    assert process.returncode == 130, said
    assert until_empty(lambda: alive(mark), SOON_S) == []
