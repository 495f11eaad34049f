"""Ctrl-C and SIGTERM at any moment: 130 within a second, no traceback, nothing left running."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from shipit.rehearsal.registry import EmbeddedRegistry
from tests.sampled import sampled
from tests.shipit import Shipit
from tests.waits import SOON_S, wait_until

# Until Python runs the first line of ours, what a signal does is Python's to say.
BEGIN = "import sys; sys.argv[0] = 'shipit'; import shipit.cli.main as m; print('begun', flush=True); m.main()"


def begun(
    shipit: Shipit, *arguments: str, stdin: int = subprocess.DEVNULL, is_measured: bool = True
) -> subprocess.Popen[str]:
    """The program, once it runs code of ours, in a process group of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN, *arguments],
        cwd=shipit.folder,
        env=shipit.measured(*arguments) if is_measured else shipit.env,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.fixture
def silent() -> Iterator[str]:
    """The host of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def interrupted(process: subprocess.Popen[str], number: int, *, group: bool) -> tuple[int, str, float]:
    """Exit code, everything printed, and how long it took to end."""
    started = time.monotonic()
    (os.killpg if group else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out + err, time.monotonic() - started


@pytest.mark.sampled
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("delay_ms", sampled([0, 2, 5, 10, 20, 40, 60, 80, 100, 130, 160, 200, 250], 6))
def test_an_interruption_while_starting(shipit: Shipit, silent: str, number: signal.Signals, delay_ms: int) -> None:
    shipit.write(deploy__yml=f"app: shop\nimage: {silent}/shop\ntargets: {{hub: }}\n", Dockerfile="FROM scratch\n")
    # A handler that ends the process at once would wait for coverage, which it has interrupted.
    process = begun(shipit, "deploy", is_measured=False)
    time.sleep(delay_ms / 1000)
    code, said, took_s = interrupted(process, number, group=False)
    assert code == 130, said
    assert "Traceback" not in said and "interrupted" in said
    assert took_s < SOON_S


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("command", "group"),
    sampled(list(product(("deploy", "plan", "push", "build", "doctor", "status"), (True, False))), 6),
)
def test_an_interruption_while_a_server_says_nothing(shipit: Shipit, silent: str, command: str, group: bool) -> None:
    shipit.write(
        Dockerfile=f"FROM {silent}/base\nCOPY Dockerfile /\n",
        deploy__yml=f"app: shop\nimage: {silent}/shop\ntargets: {{hub: }}\n",
    )
    process = begun(shipit, command)
    time.sleep(1.0)
    code, said, took_s = interrupted(process, signal.SIGINT, group=group)
    assert code == 130, said
    assert "Traceback" not in said and said.count("interrupted") == 1
    assert took_s < SOON_S


# Its end takes a second, in which the other thread leaves as well.
TWO_LEAVE = """
import os, threading, time
from shipit.cli import signals

end = os._exit
os._exit = lambda code: time.sleep(1) or end(code)
threading.Thread(target=signals.leave).start()
signals.leave()
"""


def test_two_threads_that_leave_tell_it_once(shipit: Shipit) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_LEAVE], env=shipit.env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.count("interrupted")) == (130, 1), done.stderr


# Target -> the commands after a deploy, of which each waits for the answer of its place or of its registry.
WAITING = {
    "k8s: {port: 80}": (
        ("images",),
        ("render",),
        ("open",),
        ("destroy", "-e", "production", "--yes"),
        ("prune", "--keep", "1", "--yes"),
        ("logs", "-f"),
        ("exec", "k8s", "--", "true"),
        ("run", "k8s", "--", "true"),
        ("forward", "k8s", "0:80"),
        ("scale", "k8s=2"),
        ("restart",),
        ("rollback",),
        ("history",),
        ("diff", "v1", "v2"),
    ),
    "docker: {hosts: ['tcp://HOST'], port: 80}": (("stop",), ("start",), ("prune", "--yes"), ("unlock", "--yes")),
}


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("target", "words"),
    sampled([(target, words) for target, rows in WAITING.items() for words in rows], 9),
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else value.partition(":")[0],
)
def test_an_interruption_of_a_command_after_the_deploy(shipit: Shipit, target: str, words: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        cluster = {
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://{host}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        shipit.write(
            Dockerfile=f"FROM {host}/base\nCOPY Dockerfile /\n",
            deploy__yml=f"app: shop\nimage: {host}/shop\ntargets: {{{target.replace('HOST', host)}}}\n",
            kubeconfig=json.dumps(cluster),
        )
        shipit.env["KUBECONFIG"] = str(shipit.folder / "kubeconfig")
        process = begun(shipit, *words)
        # It waits for an answer from now on.
        silent.settimeout(60)
        with silent.accept()[0] as connection:
            connection.settimeout(60)
            assert connection.recv(16)
            code, said, took_s = interrupted(process, signal.SIGINT, group=True)
    assert code == 130, said
    # The usual way to end `logs -f`: nothing is said.
    assert "Traceback" not in said and said.count("interrupted") == (0 if words[0] == "logs" else 1)
    assert took_s < SOON_S


def test_a_second_signal_ends_it_at_once(shipit: Shipit, silent: str) -> None:
    shipit.write(deploy__yml=f"app: shop\nimage: {silent}/shop\ntargets: {{hub: }}\n", Dockerfile="FROM scratch\n")
    process = begun(shipit, "deploy")
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.05)
    code, said, took_s = interrupted(process, signal.SIGINT, group=False)
    assert code == 130 and took_s < SOON_S and "Traceback" not in said


def test_an_interruption_while_standard_input_is_waited_for(shipit: Shipit) -> None:
    words = ("login", "127.0.0.1:1", "--username", "me", "--password-stdin")
    process = begun(shipit, *words, stdin=subprocess.PIPE)
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGINT)
    started = time.monotonic()
    assert process.wait(timeout=60) == 130 and time.monotonic() - started < SOON_S
    process.communicate()


@pytest.mark.parametrize("words", [["deploy"], ["init"]])
def test_control_c_at_a_question(shipit: Shipit, registry: EmbeddedRegistry, words: list[str]) -> None:
    if words == ["init"]:
        (shipit.folder / "deploy.yml").unlink()
    else:
        text = (shipit.folder / "deploy.yml").read_text().replace("settle: 0s", "settle: 0s, protected: true")
        shipit.write(deploy__yml=text)
    asked = "Deploy to" if words == ["deploy"] else "Name of the app"
    code, shown = shipit.converse(words, [(asked, "\x03")])
    assert code == 130 and "Traceback" not in shown, (code, shown)
    # The live view of a terminal shows the cursor again first.
    lines = [line.removeprefix("\x1b[?25h") for line in shown.splitlines()]
    assert "interrupted before the question was answered" in lines, "on a line of its own"
    assert "already in place" not in shown, "nothing was begun"


def test_what_waits_for_a_child_is_interrupted_and_the_child_ends(shipit: Shipit, silent: str) -> None:
    pid_file = Path(shipit.folder / "pid")
    shipit.write(
        Dockerfile="FROM scratch\nCOPY Dockerfile /\n",
        deploy__yml=f"app: a\nimage: {silent}/a\nsecrets: {{TOKEN: {{command: 'echo $$ > pid; sleep 60 | cat'}}}}\n"
        "targets: {hub: }\n",
    )
    process = begun(shipit, "deploy")
    wait_until("the command runs", lambda: pid_file.exists() and pid_file.read_text().strip())
    code, said, took_s = interrupted(process, signal.SIGINT, group=False)
    assert code == 130 and "Traceback" not in said, said
    assert took_s < SOON_S
    wait_until("its child ends", lambda: not Path(f"/proc/{pid_file.read_text().strip()}").exists())
