"""`shipit logs` on the real cluster, beside kubectl: every kind of workload, restarts, rollouts, broken connections."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_start import imports
from tests.servers.cluster import Cluster, namespace_of
from tests.servers.cut_proxy import CutProxy
from tests.servers.registry import RegistryServer
from tests.shipit import INTERRUPTED, Shipit
from tests.waits import wait_until

pytestmark = [pytest.mark.registry, pytest.mark.cluster]

DOCKERFILE = 'FROM python:3.12-alpine\nCOPY app.py /\nCMD ["python", "-u", "/app.py"]\n'
# Writes lines that count up on both outputs, and a last one when it is told to stop.
COUNT = """\
import itertools, os, signal, time
# One write for each line: a signal may come in the middle of a print.
def end(*_):
    os.write(1, b"last\\n")
    raise SystemExit(0)
signal.signal(signal.SIGTERM, end)
for number in itertools.count():
    os.write(1 + number % 2, b"%d\\n" % number)
    time.sleep(0.005)
"""
HOSTILE = "\x1b[2J\r\x08 ::error::forged"
Write = Callable[..., None]


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    name = namespace_of(request.node, longest=40)
    cluster.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def write(shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, python_base: str, namespace: str) -> Write:
    shipit.env |= {"KUBECONFIG": str(cluster.kubeconfig), "SHIPIT_MIRRORS": f"docker.io={python_base}"}

    def written(target: str, app: str = COUNT) -> None:
        text = f"app: shop\nimage: {registry_server.host}/{namespace}\ntargets:\n  k8s: {{namespace: {namespace}, settle: 0s, {target}}}\n"
        shipit.write(Dockerfile=DOCKERFILE, app__py=app, deploy__yml=text)

    return written


class Follower:
    """`shipit logs -f` in the background; `lines` are the events so far."""

    def __init__(self, shipit: Shipit, *words: str) -> None:
        self.process = shipit.start("logs", "-f", "--output", "json", *words)
        self.lines: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            event = json.loads(text)
            (self.lines if event["event"] == "log_line" else self.told).append(event)

    def by_instance(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for line in list(self.lines):
            found[line["instance"]].append(line["line"])
        return found

    def wait(self, is_over: Callable[[dict[str, list[str]]], bool], within_s: float = 180) -> None:
        ends = time.monotonic() + within_s
        while not is_over(self.by_instance()):
            assert time.monotonic() < ends, {name: rows[-3:] for name, rows in self.by_instance().items()}
            assert self.process.poll() is None, self.end()
            time.sleep(0.1)

    def end(self) -> str:
        """Interrupt it; what it said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        self._reading.join(60)
        assert self.process.stderr is not None and self.process.stdout is not None
        told = self.process.stderr.read()
        self.process.stderr.close()
        self.process.stdout.close()
        assert code == 130, told
        return told


@pytest.fixture
def follow(shipit: Shipit) -> Iterator[Callable[..., Follower]]:
    begun: list[Follower] = []

    def start(*words: str) -> Follower:
        begun.append(Follower(shipit, *words))
        return begun[-1]

    yield start
    for follower in begun:
        if follower.process.poll() is None:
            follower.process.kill()
            follower.process.wait()


def longer_than(count: int) -> Callable[[dict[str, list[str]]], bool]:
    """Whether two instances have more lines than that."""
    return lambda found: len(found) == 2 and all(len(rows) > count for rows in found.values())


def count_up(rows: list[str], start: int | None = None) -> bool:
    """Whether lines count up from a number, each once: the two outputs of a container may be a little out of order.

    Without a number, from the first ones on.
    """
    numbers = [int(row) for row in rows if row != "last"]
    start = max(numbers[:4]) if start is None else start
    return rows.count("last") <= 1 and sorted(n for n in numbers if n >= start) == list(range(start, max(numbers) + 1))


def test_following_through_a_rollout_loses_and_doubles_no_line(
    shipit: Shipit, write: Write, cluster: Cluster, namespace: str, follow: Callable[..., Follower]
) -> None:
    write("replicas: 2")
    assert shipit.run("deploy").returncode == 0
    follower = follow("--tail", "5", "k8s/shop")
    follower.wait(lambda found: len(found) == 2 and all(len(rows) > 20 for rows in found.values()))
    old = set(follower.by_instance())
    (shipit.folder / "app.py").write_text(COUNT + "# another image\n")
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    follower.wait(lambda found: len(found) == 4 and all("last" in found[name] for name in old))
    follower.wait(lambda found: all(len(rows) > 100 for rows in found.values()))
    assert follower.end() in ("", INTERRUPTED)
    found = follower.by_instance()
    for name, rows in found.items():
        assert count_up(rows, None if name in old else 0), (name, rows)
    for name in found.keys() - old:
        pod = name.partition("/")[0]
        kubectl = cluster.kubectl("-n", namespace, "logs", pod, "--timestamps").splitlines()
        told = [f"{line['written_at']} {line['line']}" for line in follower.lines if line["instance"] == name]
        assert told == kubectl[: len(told)]
    assert {line["workload"] for line in follower.lines} == {"shop"}
    assert follower.told == []


def test_following_through_broken_connections_loses_and_doubles_no_line(
    shipit: Shipit, write: Write, cluster: Cluster, follow: Callable[..., Follower], tmp_path: Path
) -> None:
    write("replicas: 2")
    assert shipit.run("deploy").returncode == 0
    proxy = CutProxy(cluster.server.removeprefix("https://"))
    try:
        config = cluster.kubeconfig.read_text().replace(cluster.server, f"https://{proxy.host}")
        (tmp_path / "kubeconfig").write_text(config)
        shipit.env["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        follower = follow("--tail", "5")
        for count in (100, 300, 500):
            follower.wait(longer_than(count))
            wait_until("both are followed again", lambda: proxy.count >= 2)
            proxy.cut()
        follower.wait(lambda found: all(len(rows) > 900 for rows in found.values()))
        follower.end()
    finally:
        proxy.stop()
    for rows in follower.by_instance().values():
        assert count_up(rows), rows
    assert {event["event"] for event in follower.told} == {"retried"}


def test_a_crashed_container_is_followed_into_its_next_run_and_its_previous_run_is_shown(
    shipit: Shipit, write: Write, cluster: Cluster, namespace: str, follow: Callable[..., Follower]
) -> None:
    app = "import time\nfor n in range(300):\n    print(n, flush=True)\ntime.sleep(4)\nprint('crash', flush=True)\nraise SystemExit(1)\n"
    write("restarts_allowed: 9", app)
    shipit.run("deploy")
    follower = follow("k8s/shop", "--tail", "100000")
    follower.wait(lambda found: any(rows.count("crash") >= 2 for rows in found.values()))
    follower.end()
    [rows] = follower.by_instance().values()
    run = [*map(str, range(300)), "crash"]
    assert rows[: 2 * len(run)] == [*run, *run]
    pod = cluster.kubectl("-n", namespace, "get", "pods", "-o", "jsonpath={.items[0].metadata.name}")

    def previous() -> list[str]:
        done = shipit.run("logs", "--previous", "--tail", "1000")
        return [line.partition(" | ")[2] for line in done.stdout.splitlines()]

    # At each start of the next run another one becomes the previous: the kubelet has no log of it for a moment.
    wait_until("shipit has the previous run", previous, lambda rows: rows == run, 120)
    theirs = ("-n", namespace, "logs", pod, "--previous")
    wait_until(
        "kubectl has it, too",
        lambda: cluster.kubectl(*theirs, check=False).splitlines(),
        lambda rows: rows == run,
        120,
    )


KINDS = {
    "deployment": ("apps/v1", "Deployment"),
    "stateful": ("apps/v1", "StatefulSet"),
    "daemon": ("apps/v1", "DaemonSet"),
    "job": ("batch/v1", "Job"),
    "cron": ("batch/v1", "CronJob"),
    "pod": ("v1", "Pod"),
}


def manifest(name: str, image: str) -> dict[str, Any]:
    """An object of a kind whose pod has an init container and two containers, each of which writes its name."""
    version, kind = KINDS[name]

    def container(own: str, then: str) -> dict[str, Any]:
        return {"name": own, "image": image, "command": ["python", "-u", "-c", f"print('{own} of {name}'); {then}"]}

    ends = kind in ("Job", "CronJob")
    then = "pass" if ends else "import time; time.sleep(1000)"
    pod = {
        "restartPolicy": "Never" if ends else "Always",
        "terminationGracePeriodSeconds": 0,
        "initContainers": [container("first", "pass")],
        "containers": [container("web", then), container("sidecar", then)],
    }
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    job = {"template": template, "backoffLimit": 0}
    specs = {"Pod": pod, "Job": job, "CronJob": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}}}
    usual = {"selector": {"matchLabels": labels}, "template": template}
    named = {"serviceName": name} if kind == "StatefulSet" else {}
    return {
        "apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": specs.get(kind, {**usual, **named}),
    }  # fmt: skip


def test_every_kind_of_workload_with_its_init_container_and_sidecar(
    shipit: Shipit, write: Write, cluster: Cluster, namespace: str, registry_server: RegistryServer
) -> None:
    write("manifests: [k8s.json]")
    items = [manifest(name, f"{registry_server.host}/{namespace}") for name in KINDS]
    (shipit.folder / "k8s.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    cluster.kubectl("-n", namespace, "create", "job", "cron-now", "--from=cronjob/cron")
    cluster.kubectl("-n", namespace, "wait", "--for=condition=complete", "job/cron-now", "--timeout=240s")
    code, lines = shipit.events("logs")
    assert code == 0
    assert {line["event"] for line in lines} == {"log_line"}
    for name in KINDS:
        own = [line for line in lines if line["workload"] == name]
        assert sorted(line["line"] for line in own) == sorted(
            f"{part} of {name}" for part in ("first", "web", "sidecar")
        )
        assert all(line["line"].startswith(f"{line['instance'].rpartition('/')[2]} of ") for line in own)
    assert [line["written_at"] for line in lines] == sorted(line["written_at"] for line in lines)
    refused = shipit.run("logs", "--previous", "k8s/pod")
    assert refused.returncode == 2 and "no container of k8s/pod was restarted" in refused.stderr
    only = shipit.run("logs", "--tail", "1", "k8s/daemon", "k8s/job")
    assert {line.split()[1].partition("-")[0] for line in only.stdout.splitlines()} == {"k8s/daemon", "k8s/job"}


def test_tail_and_since_are_those_of_kubectl(shipit: Shipit, write: Write, cluster: Cluster, namespace: str) -> None:
    write("replicas: 1", "print('old', flush=True)\nimport time\ntime.sleep(7)\n" + COUNT.replace("0.005", "0.5"))
    assert shipit.run("deploy").returncode == 0
    written = ("-n", namespace, "logs", "deployment/shop")
    wait_until("it counts", lambda: cluster.kubectl(*written).splitlines(), lambda lines: len(lines) > 5, 120)
    code, recent = shipit.events("logs", "--since", "2s")
    assert code == 0 and 1 <= len(recent) <= 12 and all(line["line"] != "old" for line in recent)
    code, [last] = shipit.events("logs", "--tail", "1")
    pod = last["instance"].partition("/")[0]
    kubectl = cluster.kubectl("-n", namespace, "logs", pod).splitlines()
    assert last["line"] in kubectl and kubectl[0] == "old"


def test_given_again_it_shows_the_same_lines_of_the_pods_of_now(
    shipit: Shipit, write: Write, cluster: Cluster, namespace: str
) -> None:
    write(
        "replicas: 2, grace: 1s",
        f"import os, time\nfor n in range(3):\n    print(n, {HOSTILE!r})\ntime.sleep(100000)\n",
    )
    assert shipit.run("deploy").returncode == 0

    def pods() -> dict[str, str]:
        """Name -> its log."""
        path = "jsonpath={range .items[*]}{.metadata.name} {end}"
        names = cluster.kubectl("-n", namespace, "get", "pods", "-o", path).split()
        return {name: cluster.kubectl("-n", namespace, "logs", name, check=False) for name in names}

    before = wait_until("both wrote", pods, lambda found: all("\n2 " in log for log in found.values()))
    usual, again = shipit.run("logs"), shipit.run("logs")
    assert (again.returncode, again.stdout, again.stderr) == (usual.returncode, usual.stdout, usual.stderr)
    assert again.returncode == 0 and len(again.stdout.splitlines()) == 6
    assert "typer" not in imports(shipit, "logs")
    cluster.kubectl("-n", namespace, "rollout", "restart", "deployment/shop")
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/shop")
    after = wait_until("only the new ones are left", pods, lambda found: len(found) == 2 and not found.keys() & before)
    shown = wait_until(
        "both wrote", lambda: shipit.run("logs"), lambda done: all(name in done.stdout for name in after)
    )
    assert HOSTILE not in shown.stdout and "\\x1b[2J" in shown.stdout


def test_what_is_not_there_and_what_has_not_started(
    shipit: Shipit, write: Write, cluster: Cluster, namespace: str
) -> None:
    write("replicas: 1")
    missing = shipit.run("logs")
    assert missing.returncode == 1
    assert f"Deployment/shop is not in the namespace {namespace}" in missing.stderr
    assert "hint: shipit deploy creates it" in missing.stderr
    write("replicas: 1, cpu: 99, pending: 2s")
    assert shipit.run("deploy").returncode == 1
    waiting = shipit.run("logs")
    assert waiting.returncode == 0, waiting.stderr
    assert waiting.stdout == ""


def test_the_pipe_to_head_ends_it(shipit: Shipit, write: Write) -> None:
    write("replicas: 1")
    assert shipit.run("deploy").returncode == 0
    command = "python -m shipit logs -f | head -3"
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace("python", __import__("sys").executable)], cwd=shipit.folder, env=shipit.env,
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (0, 3, "")
