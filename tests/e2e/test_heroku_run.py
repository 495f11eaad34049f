"""`shipit run` on Heroku's stand-in, and the real Heroku CLI's `heroku run` on the same."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from tests.conftest import started
from tests.sampled import only_deep
from tests.servers.certificates import Authority, server_context
from tests.servers.install import heroku_cli
from tests.servers.proxy import TlsProxy
from tests.shipit import INTERRUPTED, PYTHON_DOCKERFILE, Shipit
from tests.terminal import Terminal

APP = "import time\nprint('serving', flush=True)\ntime.sleep(1000)\n"
TEXT = """\
app: shop
image: {build: .}
env: {GREETING: hi}
targets:
  heroku: {app: shop-prod, settle: 0s, processes: {worker: {quantity: 1, command: python app.py}}}
"""


def deploy(shipit: Shipit) -> None:
    shipit.write(Dockerfile=PYTHON_DOCKERFILE, app__py=APP, deploy__yml=TEXT)
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr


def piped(shipit: Shipit, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return shipit.pipe(*arguments, data=data)


@pytest.fixture
def app(shipit: Shipit, heroku: HerokuStandIn) -> Shipit:
    deploy(shipit)
    return shipit


def one_offs(heroku: HerokuStandIn) -> list[str]:
    return [name for _, name in heroku.one_offs.rows]


def until_gone(heroku: HerokuStandIn) -> None:
    until = time.monotonic() + 60
    while one_offs(heroku):
        assert time.monotonic() < until, "a one-off dyno stays"
        time.sleep(0.1)


def test_a_one_off_dyno_has_config_vars_exit_code_and_input(app: Shipit, heroku: HerokuStandIn) -> None:
    for code in (0, 1, 137):
        done = piped(app, "run", "heroku", "--", "sh", "-c", f"echo $GREETING; exit {code}")
        assert (done.returncode, done.stdout, done.stderr) == (code, b"hi\n", b"")
    data = bytes(byte for byte in range(256) if byte != 4) * 4096
    done = piped(app, "run", "heroku/worker", "--", "cat", data=data)
    assert (done.returncode, done.stdout == data) == (0, True)
    assert ("POST", "/apps/shop-prod/dynos") in heroku.log
    assert heroku.unknown == []
    until_gone(heroku)


def test_a_command_that_is_killed_or_is_not_there(app: Shipit) -> None:
    assert piped(app, "run", "heroku", "--", "sh", "-c", "kill -9 $$").returncode == 137
    done = piped(app, "run", "heroku", "--", "nosuch")
    assert done.returncode == 127
    assert b"not found" in done.stdout


def test_words_reach_the_command_as_they_are(app: Shipit) -> None:
    words = ["a b", "$GREETING", "'", '"', "*", "\\", ";", "é"]
    script = "import json, sys; print(json.dumps(sys.argv[1:]))"
    done = piped(app, "run", "heroku", "--", sys.executable, "-c", script, *words)
    assert json.loads(done.stdout) == words


def test_a_shell_at_a_terminal(app: Shipit, heroku: HerokuStandIn) -> None:
    app.env["TERM"] = "dumb"
    with Terminal(["run", "-it", "heroku", "--", "sh", "-i"], app.folder, app.measured()) as terminal:
        before = terminal.mode()
        terminal.wait_for("# ")
        assert terminal.mode() != before
        terminal.type("stty size; echo $TERM\n")
        terminal.wait_for("24 80\r\ndumb\r\n")
        # One process from the first word on: a key between two of them would be lost.
        terminal.type("sh -c 'echo begun; exec sleep 100'\n")
        terminal.wait_for("begun\r\n")
        terminal.type("\x03")
        terminal.wait_for("# ")
        terminal.type("\x04")
        assert terminal.wait() == 130
        assert terminal.mode() == before
        assert b"heroku-command" not in terminal.shown
    until_gone(heroku)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_when_shipit_is_ended_or_killed(
    app: Shipit, heroku: HerokuStandIn, number: signal.Signals
) -> None:
    running = app.start("run", "heroku", "--", "sh", "-c", "echo begun; sleep 1000")
    assert running.stdout is not None
    assert running.stdout.readline() == "begun\n"
    assert len(one_offs(heroku)) == 1
    running.send_signal(number)
    assert running.wait(60) == (130 if number == signal.SIGTERM else -number)
    _, said = running.communicate()
    until_gone(heroku)
    stopped = [path for method, path in heroku.log if path.endswith("/actions/stop")]
    # On a busy machine the grace after a signal may be over first, which is told.
    assert len(stopped) == (number == signal.SIGTERM) or said.endswith(INTERRUPTED), said


def test_a_detached_dyno_says_how_to_see_its_output(app: Shipit, heroku: HerokuStandIn) -> None:
    done = app.run("run", "--detach", "--size", "standard-2x", "heroku", "--", "echo", "done by itself")
    assert done.returncode == 0, done.stderr
    name = done.stdout.strip()
    assert done.stderr == f"its output: heroku logs --tail -d {name} -a shop-prod\n"
    until_gone(heroku)
    assert any(line.endswith(f" app[{name}]: done by itself") for line in heroku.apps["shop-prod"].log)


def test_heroku_has_no_exec_and_no_forward(app: Shipit) -> None:
    done = app.run("exec", "heroku", "--", "sh")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "heroku is a target of the kind heroku, which has no exec",
        "hint: Heroku has no exec for container images: shipit run starts a one-off dyno of the same release",
    ]
    done = app.run("forward", "heroku", "8080")
    assert done.returncode == 2
    assert done.stderr.endswith(
        "hint: a dyno has no port that can be forwarded: shipit open opens the URL of the app\n"
    )


class WithTls(HerokuStandIn):
    """The streams of one-off dynos are behind TLS, as Heroku's are."""

    def __init__(self, folder: Path) -> None:
        super().__init__(token="token-of-heroku")
        authority = Authority(folder)
        authority.issue("streams", "streams", names=("127.0.0.1", "rendezvous.runtime.heroku.com"))
        self.ca_file = folder / "ca.crt"
        self.rendezvous_tls = server_context(folder, "streams")


@pytest.fixture
def secured(shipit: Shipit, tmp_path: Path) -> Iterator[WithTls]:
    """An app that is deployed; the program is not pointed at the stand-in any more."""
    with WithTls(tmp_path / "streams") as stand_in:
        stand_in.create_app("shop-prod")
        shipit.env |= stand_in.variables()
        deploy(shipit)
        for name in stand_in.variables():
            del shipit.env[name]
        yield stand_in


@pytest.fixture
def proxy(secured: WithTls, tmp_path: Path) -> Iterator[TlsProxy]:
    """Heroku's names lead to the stand-in."""
    streams = {"rendezvous.runtime.heroku.com": secured.one_offs.rendezvous.address}
    made = TlsProxy(tmp_path / "pki", {"api.heroku.com": secured.host}, streams)
    yield made
    made.stop()


@pytest.mark.tools
@pytest.mark.sampled
@only_deep
def test_the_heroku_cli_runs_commands_at_the_stand_in(shipit: Shipit, secured: WithTls, proxy: TlsProxy) -> None:
    """Which proves the stand-in: the client is one that nobody here wrote."""
    home = Path(shipit.env["HOME"])
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache-of-cli"),
        "XDG_DATA_HOME": str(home / "data-of-cli"),
        "XDG_CONFIG_HOME": str(home / "config-of-cli"),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "HEROKU_API_KEY": secured.token,
        "HTTPS_PROXY": proxy.url,
        "SSL_CERT_FILE": str(proxy.ca_file),
        "NODE_EXTRA_CA_CERTS": str(secured.ca_file),
        "DISABLE_TELEMETRY": "true",
        "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
        "IS_HEROKU_TEST_ENV": "true",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    words = ["run", "-a", "shop-prod", "--type", "worker", "--exit-code", "--no-tty"]
    done = by_cli(variables, shipit.folder, *words, "--", "cat; echo $GREETING; sh -c 'exit 7'", data="given\n")
    assert done.returncode == 7, done.stderr
    assert done.stdout == "given\nhi\n"
    assert by_cli(variables, shipit.folder, *words, "--", "true").returncode == 0
    detached = by_cli(
        variables, shipit.folder, "run:detached", "-a", "shop-prod", "--type", "worker", "--", "echo seen"
    )
    assert detached.returncode == 0, detached.stderr
    until_gone(secured)
    assert any(line.endswith(": seen") for line in secured.apps["shop-prod"].log)
    code, shown = at_terminal(
        variables,
        shipit.folder,
        "run",
        "-a",
        "shop-prod",
        "--type",
        "worker",
        "--exit-code",
        "--",
        "stty size; sh -c 'exit 3'",
    )
    assert (code, "30 100" in shown) == (3, True), shown
    assert set(secured.unknown) <= {("GET", "/oauth/authorizations")}


def test_the_streams_are_reached_through_a_proxy_and_their_certificate_is_checked(
    shipit: Shipit, secured: WithTls, proxy: TlsProxy, tmp_path: Path
) -> None:
    secured.one_offs.rendezvous.address = "rendezvous.runtime.heroku.com:5000"
    shipit.env |= {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(proxy.ca_file), "HEROKU_API_KEY": secured.token}
    done = piped(shipit, "run", "heroku", "--", "echo", "hi")
    assert done.returncode == 125
    assert b"the certificate of rendezvous.runtime.heroku.com can't be trusted" in done.stderr
    both = tmp_path / "both.pem"
    both.write_text(proxy.ca_file.read_text() + secured.ca_file.read_text())
    shipit.env["SSL_CERT_FILE"] = str(both)
    done = piped(shipit, "run", "heroku", "--", "echo", "hi")
    assert (done.returncode, done.stdout) == (0, b"hi\n"), done.stderr
    # The API is at heroku.com: it leads to no address of this machine.
    secured.one_offs.rendezvous.address = "127.0.0.1:5000"
    done = piped(shipit, "run", "heroku", "--", "echo", "hi")
    assert done.returncode == 125
    assert b"attach_url should be a rendezvous:// URL of a public host" in done.stderr


def by_cli(variables: Mapping[str, str], folder: Path, *words: str, data: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [started(heroku_cli), *words],
        cwd=folder,
        env=dict(variables),
        input=data,
        capture_output=True,
        text=True,
        timeout=120,
    )


def at_terminal(variables: Mapping[str, str], folder: Path, *words: str) -> tuple[int, str]:
    """The Heroku CLI at a terminal of 100 by 30; its exit code, and what it showed."""
    program = started(heroku_cli)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.system("stty cols 100 rows 30")
        os.execve(program, [program, *words], dict(variables))
    shown = b""
    while select.select([terminal], [], [], 120)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        shown += data
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(errors="replace")


def test_events_have_the_exit_code_and_with_output_json_also_the_lines(app: Shipit) -> None:
    file = app.folder / "events.jsonl"
    done = app.run("run", "--events", str(file), "heroku", "--", "sh", "-c", "echo one; exit 3")
    assert (done.returncode, done.stdout) == (3, "one\n")
    [event] = [json.loads(line) for line in file.read_text().splitlines()]
    assert (event["event"], event["target"], event["exit_code"]) == ("command_ended", "heroku", 3)
    assert event["where"].startswith("run.")
    done = app.run("run", "--output", "json", "heroku", "--", "sh", "-c", "printf 'one\\ntwo'; exit 4")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 4
    assert [row.get("line") or row["exit_code"] for row in events] == ["one", "two", 4]
