"""`shipit logs` given again, beside the way that reads deploy.yml: the same bytes, exit code and requests."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shipit.cli.commands.logs import LogOptions
from shipit.cli.logs_again import keep_for_again
from shipit.clock import Clock
from shipit.rehearsal.server import Response
from shipit.targets.log_query import LogQuery
from shipit.targets.verbs import has_workloads
from tests import runs
from tests.cli.test_start import PRINT_MODULES
from tests.servers.kube_logs import ENDED, LogServer, at, owned, status, text
from tests.shipit import INTERRUPTED, Shipit
from tests.terminal import Terminal
from tests.waits import SOON_S

SECRET = "canary-secret-4711"
PLAN_KEY = "0123456789abcdef0123456789abcdef"
FILE = """\
app: shop
image: registry.example/shop
secrets: {TOKEN: {env: TOKEN}, OTHER: {command: touch started}}
targets: {hub: , k8s: {context: mem, namespace: prod, workloads: {shop: {}, worker: {}}}}
environments: {alone: {targets: {k8s: {workloads: {worker: null}}}}}
"""
# What a log must not do: move the cursor, forge a line, speak to a CI system, or show a secret.
HOSTILE = (
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "a\rb\x00\x08\u2028\u202e",
    "::error::forged",
    f"token={SECRET} {SECRET[:9]}",
    SECRET[9:],
    f"key {PLAN_KEY}",
    "x" * 70_000,
)
ALONE = ("logs", "-e", "alone")
# More than is read at once.
MANY = b"".join(at(number % 60, f"{number} {'x' * 1000}") for number in range(1000))


class Done(NamedTuple):
    """How a command ended. `is_short` is whether it has read no deploy.yml."""

    code: int
    out: bytes
    err: bytes
    is_short: bool


@pytest.fixture
def server() -> Iterator[LogServer]:
    """Two workloads with a pod each, of which one has two containers."""
    with LogServer() as api:
        api.update_or_create(
            "deployments", "worker", owned("Deployment", "worker", selector={"matchLabels": {"app": "shop"}})
        )
        api.add_replica_set("worker-1", owner="worker")
        api.add_pod("one", status("shop", 1, last=ENDED), status("proxy"))
        api.add_pod("two", status("worker"), owner="worker-1")
        api.answers = _lines
        yield api


def _lines(pod: str, query: dict[str, str]) -> Response:
    rows = [at(second + (pod == "two") / 2, line) for second, line in enumerate((*HOSTILE, query["container"]))]
    return text(*rows[-int(query.get("tailLines", "100")) :], b"2026-01-31T12:00:59.000000000Z no end \xff\xfe")


@pytest.fixture
def shop(shipit: Shipit, server: LogServer) -> Shipit:
    kubeconfig = server.kubeconfig(shipit.folder.parent / "kube")
    shipit.env |= {"KUBECONFIG": kubeconfig, "TOKEN": SECRET, "SHIPIT_PLAN_KEY": PLAN_KEY}
    shipit.write(deploy__yml=FILE, Dockerfile='FROM scratch\nCMD ["/shop"]\n')
    return shipit


def entries(shipit: Shipit) -> list[Path]:
    return list(Path(shipit.env["SHIPIT_CACHE_DIR"]).glob("shortcuts/*.json"))


def forget(shipit: Shipit) -> None:
    for file in entries(shipit):
        file.unlink()


def run(shipit: Shipit, *words: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-c", PRINT_MODULES, *words], cwd=shipit.folder, env=shipit.env, capture_output=True, timeout=120
    )  # fmt: skip
    *told, modules = done.stderr.splitlines(keepends=True)
    return Done(done.returncode, done.stdout, b"".join(told), "shipit.config.load" not in json.loads(modules))


def both(shipit: Shipit, server: LogServer, *words: str) -> tuple[Done, Done]:
    """The usual way and the short one. Both ask for the same logs."""
    usual = run(shipit, *words)
    assert not usual.is_short
    assert len(entries(shipit)) == 1
    asked, server.asked = server.asked, []
    again = run(shipit, *words)
    assert sorted(map(str, server.asked)) == sorted(map(str, asked))
    return usual, again


def without_run(output: bytes) -> bytes:
    """JSON lines without the id of the run and the time of the report."""
    return re.sub(rb'"(run|at)": ?"[^"]*"', b"", output)


@pytest.mark.program
@pytest.mark.parametrize(
    "words",
    [
        "logs",
        "logs -e alone k8s --tail 2",
        "logs --since 10m --output plain k8s/worker k8s/shop",
        "logs --previous k8s/shop",
        "logs --output json k8s",
    ],
)
def test_both_ways_print_the_same_bytes(shop: Shipit, server: LogServer, words: str) -> None:
    usual, again = both(shop, server, *words.split())
    assert again.is_short
    assert (again.code, without_run(again.out), again.err) == (usual.code, without_run(usual.out), usual.err)
    assert (usual.code, usual.err) == (0, b"")
    for secret in (SECRET, SECRET[9:], PLAN_KEY):
        assert secret.encode() not in again.out
    assert not (shop.folder / "started").exists()


@pytest.mark.program
@pytest.mark.parametrize("words", [("logs",), ("logs", "--no-color", "k8s")])
def test_both_ways_show_a_terminal_the_same(shop: Shipit, words: tuple[str, ...]) -> None:
    shown = []
    for _ in range(2):
        with Terminal(words, shop.folder, shop.env) as terminal:
            assert terminal.wait() == 0
            shown.append(terminal.shown)
    assert len(entries(shop)) == 1
    assert shown[0] == shown[1] and shown[0]
    assert (b"\x1b[" in shown[0]) == (words == ("logs",))


@pytest.mark.program
def test_a_secret_that_has_another_value_by_now_is_masked(shop: Shipit, server: LogServer) -> None:
    assert not run(shop, *ALONE).is_short
    shop.env["TOKEN"] = "another-value"
    server.answers = lambda pod, query: text(at(1, "token=another-value"))
    again = run(shop, *ALONE)
    assert again.is_short and again.out.endswith(b"| token=[redacted]\n")


@pytest.mark.parametrize(
    ("more", "is_kept"),
    [
        ({}, True),
        ({"workloads": ["k8s/shop"], "since": "10m", "tail": 3, "output": "plain", "no_color": True}, True),
        ({"output": "github"}, False),
        ({"verbose": True}, False),
        ({"follow": True}, False),
        ({"file": "deploy.yml"}, False),
        ({"events": "events.json"}, False),
        ({"untrusted": True}, False),
    ],
)
def test_an_entry_is_kept_where_the_options_need_no_more(
    tmp_path: Path, server: LogServer, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], is_kept: bool
) -> None:
    assert _keeps(tmp_path, server, monkeypatch, FILE, LogOptions(**more)) == is_kept


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # The value of a file would have to be read to be masked, also where only the other target gets it.
        ("{env: TOKEN}", "{file: token}"),
        ("{env: TOKEN}", "{file: token, only: [hub]}"),
        ("namespace: prod", "namespace: prod, impersonate: {user: ann}"),
        ("namespace: prod", "namespace: prod, manifests: [k8s.yml]"),
        ("namespace: prod", 'namespace: "${NAMESPACE_TOKEN:-prod}"'),
        ("hub: ,", "hub: , other: {kind: kubernetes, context: mem, namespace: two, workloads: {more: {}}},"),
        # A login is read before anything else, and masked.
        ("hub: ,", "heroku: {app: shop-prod},"),
    ],
)
def test_nothing_is_kept_of_a_file_that_needs_more(
    tmp_path: Path, server: LogServer, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    assert not _keeps(tmp_path, server, monkeypatch, FILE.replace(before, after), LogOptions())


def _keeps(folder: Path, server: LogServer, monkeypatch: pytest.MonkeyPatch, file: str, options: LogOptions) -> bool:
    (folder / "k8s.yml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n")
    (folder / "token").write_text(SECRET)
    environment = runs.environment(
        folder, KUBECONFIG=server.kubeconfig(folder / "kube"), TOKEN=SECRET, HEROKU_API_KEY="token-of-heroku"
    )
    made = runs.run(runs.project(folder, file, environment), environment, [], clock=Clock())
    chosen = {target.name: tuple(target.workloads()) for target in made.targets if has_workloads(target)}
    monkeypatch.setattr("sys.argv", ["shipit", "logs"])
    keep_for_again(options, made, chosen, LogQuery())
    made.close()
    return bool(list((folder / ".cache").glob("shortcuts/*.json")))


def _waiting(server: LogServer) -> None:
    server.change("one", status("shop", state={"waiting": {"reason": "CrashLoopBackOff"}}), status("proxy"))


def _gone(server: LogServer) -> None:
    del server.objects["deployments", "shop"]


def _refuse(server: LogServer) -> None:
    server.answers = lambda pod, query: text(b'{"message": "not you"}', status=401)


@pytest.mark.program
@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (_waiting, 0, b"k8s: warning: one/shop has not started: CrashLoopBackOff\n"),
        (_gone, 1, b"Deployment/shop is not in the namespace prod\n"),
        (_refuse, 1, b"not you\n"),
    ],
)
def test_a_warning_or_error_before_the_first_line_is_told_once_by_the_usual_way(
    shop: Shipit, server: LogServer, change: Callable[[LogServer], None], code: int, told: bytes
) -> None:
    assert run(shop, *ALONE).code == 0
    change(server)
    again = run(shop, *ALONE)
    assert not again.is_short
    assert again.code == code and again.err.count(told) == 1, again.err
    forget(shop)
    assert run(shop, *ALONE) == again


@pytest.mark.program
def test_a_request_that_fails_once_is_sent_again_by_the_usual_way(shop: Shipit, server: LogServer) -> None:
    usual = run(shop, *ALONE)
    server.refused_lists = 1
    again = run(shop, *ALONE)
    assert (again.code, again.out) == (0, usual.out) and not again.is_short


@pytest.mark.program
def test_an_error_after_the_first_line_is_told_once_and_nothing_is_read_again(shop: Shipit, server: LogServer) -> None:
    assert run(shop, *ALONE).code == 0
    server.answers = lambda pod, query: Response(200, _cut_off(), {"Content-Type": "text/plain"})
    server.asked = []
    again = run(shop, *ALONE)
    assert again.is_short and again.code == 1 and len(server.asked) == 2
    assert again.out.count(b"| 0 ") == 2 and b"hint" in again.err
    forget(shop)
    assert run(shop, *ALONE)[:3] == again[:3]


def _cut_off() -> Iterator[bytes]:
    yield MANY
    raise ConnectionError


@pytest.mark.program
def test_a_kubeconfig_that_leads_nowhere_is_told_by_the_usual_way(shop: Shipit) -> None:
    assert run(shop, *ALONE).code == 0
    shop.env["KUBECONFIG"] = str(shop.folder / "nosuch")
    again = run(shop, *ALONE)
    assert not again.is_short and again.code != 0 and again.out == b""


@pytest.mark.program
@pytest.mark.parametrize("begun", [b"", MANY])
def test_ctrl_c_ends_it_with_130_and_without_a_word(shop: Shipit, server: LogServer, begun: bytes) -> None:
    """Also before the first line: the usual way does not begin after it."""
    assert run(shop, *ALONE).code == 0
    is_asked, goes_on = threading.Event(), threading.Event()

    def held() -> Iterator[bytes]:
        yield begun
        is_asked.set()
        goes_on.wait(SOON_S)

    server.answers = lambda pod, query: Response(200, held(), {"Content-Type": "text/plain"})
    server.asked = []
    with shop.start(*ALONE) as process:
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline() if begun else ""
        assert is_asked.wait(SOON_S)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(SOON_S) == 130
        assert process.stderr.read() in ("", INTERRUPTED)
    goes_on.set()
    assert ("| 0 x" in first) == bool(begun)
    assert len(server.asked) <= 2, "once for each container"


@pytest.mark.program
def test_it_ends_with_1_and_without_a_word_when_the_reader_is_gone(shop: Shipit, server: LogServer) -> None:
    assert run(shop, *ALONE).code == 0
    server.answers = lambda pod, query: text(MANY)
    with shop.start(*ALONE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(SOON_S) == 1
        assert process.stderr.read() == ""


@pytest.mark.program
@pytest.mark.parametrize("command", [["logs"], ["exec", "k8s/shop", "--", "true"]])
def test_a_folder_that_was_removed_is_told(shop: Shipit, command: list[str]) -> None:
    script = f"import os; os.rmdir(os.getcwd())\n{PRINT_MODULES}"
    folder = shop.folder / "gone"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=folder, env=shop.env, capture_output=True, text=True, timeout=120
    )
    assert done.stderr.splitlines()[:-1] == [
        "the working directory is not there any more", "hint: change to another folder"
    ]  # fmt: skip
