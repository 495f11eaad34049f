"""`shipit logs`: lines at 1 MB/s for a minute, and the first line beside kubectl's.

    python -m benchmarks.logs [SECONDS] [--only flow|first]

`flow`: an API server in memory writes lines of 100 bytes, 1 MB of them a second, to `shipit logs -f`, as text and as JSON, with two
secrets to mask. Its memory must not grow after the first ten seconds; the lag is from when a line was written to when it was read
from stdout. `first`: whole processes from their start to their first line, in turn with `kubectl logs` on the cluster of
the tests (CONTRIBUTING.md).
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.push import ROOT
from shipit.rehearsal.server import Response
from tests.servers.cluster import PAUSE, Cluster
from tests.servers.install import find
from tests.servers.kube_logs import LogServer, status

RATE, LINE, TICK_S = 1_000_000, 100, 0.02
# What its memory may grow by after the first seconds, in MiB, and how much later than kubectl's the first line may come.
MOST_GROWTH_MIB, SETTLES_S, LATER_S = 8.0, 10.0, 0.3
DEPLOY = "app: shop\nimage: registry.example/shop\nsecrets: {ONE: {env: ONE}, TWO: {env: TWO}}\ntargets: {k8s: {context: CONTEXT}}\n"
SECRETS = {"ONE": "canary-secret-4711", "TWO": "another-secret-of-this-app-0815"}


def project(folder: Path, kubeconfig: str, context: str) -> dict[str, str]:
    """Writes deploy.yml; the environment of the program."""
    (folder / "deploy.yml").write_text(DEPLOY.replace("CONTEXT", context))
    own = {"HOME": str(folder), "SHIPIT_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    return {"PATH": os.environ["PATH"], "KUBECONFIG": kubeconfig, **SECRETS, **own}


def shipit(*words: str) -> list[str]:
    return [sys.executable, "-m", "shipit", "logs", *words]


def flowing(seconds: float) -> Iterator[bytes]:
    """Lines with the time at which they are written."""
    began = time.monotonic()
    count = round(RATE * TICK_S / LINE)
    for tick in range(round(seconds / TICK_S)):
        now = time.time()
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1e9):09d}Z"
        text = f"{stamp} GET /items/{tick} 200 " + "x" * LINE
        yield f"{text[: LINE - 1]}\n".encode() * count
        time.sleep(max(0.0, began + (tick + 1) * TICK_S - time.monotonic()))


def rss_mib(pid: int) -> float:
    [line] = [row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def flow(folder: Path, seconds: float, output: str) -> dict[str, Any]:
    """Memory, CPU time and lag of one run."""
    with LogServer() as server:
        server.add_pod("one", status())
        server.answers = lambda pod, query: Response(200, flowing(seconds), {"Content-Type": "text/plain"})
        variables = project(folder, server.kubeconfig(folder), "mem")
        command = shipit("-f", "--output", output)
        with subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            found = read_flow(process, round(RATE / LINE * seconds))
            process.terminate()
    return {**found, "most_growth_mib": MOST_GROWTH_MIB}


def read_flow(process: subprocess.Popen[str], count: int) -> dict[str, Any]:
    began, memory, lags = time.monotonic(), [], []
    first_cpu = cpu_s(process.pid)
    assert process.stdout is not None
    for number in range(count):
        line = process.stdout.readline()
        if number % 2000 == 0:
            at = line.split('"written_at": "')[1] if line.startswith("{") else line
            written = time.mktime(time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone + float(at[19:23])
            lags.append(time.time() - written)
            memory.append((time.monotonic() - began, rss_mib(process.pid)))
    took = time.monotonic() - began
    settled = next((mib for second, mib in memory if second >= SETTLES_S), memory[-1][1])
    return {
        "lines": count,
        "seconds": round(took, 1),
        "cpu_s": round(cpu_s(process.pid) - first_cpu, 1),
        "rss_mib_settled": round(settled, 1),
        "rss_mib_at_the_end": round(memory[-1][1], 1),
        "growth_mib": round(memory[-1][1] - settled, 1),
        "lag_s_median": round(statistics.median(lags), 3),
        "lag_s_most": round(max(lags), 3),
    }


def first_line_s(command: list[str], folder: Path, variables: Mapping[str, str]) -> float:
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=dict(variables), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        took = time.perf_counter() - began
        process.stdout.read()
    assert line.endswith("hello\n"), line
    return took


def first(folder: Path, pairs: int = 9) -> dict[str, Any]:
    """The first line of shipit and of kubectl, in turn; the first pair is not counted."""
    (folder / "cluster").mkdir()
    cluster = Cluster(folder / "cluster", "127.0.0.1:1")
    try:
        shell = "while true; do echo hello; /busybox sleep 1; done"
        container = {
            "name": "shop",
            "image": PAUSE,
            "imagePullPolicy": "Never",
            "command": ["/busybox", "sh", "-c", shell],
        }
        labels = {"app": "shop"}
        spec = {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        }
        made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}, "spec": spec}
        cluster.kubectl("apply", "-f", "-", data=json.dumps(made))
        cluster.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
        variables = project(folder, str(cluster.kubeconfig), "test")
        kubectl = [find("kubectl"), "--kubeconfig", str(cluster.kubeconfig), "logs", "deployment/shop", "--tail=1"]
        found = [
            (first_line_s(shipit("--tail", "1"), folder, variables), first_line_s(kubectl, folder, variables))
            for _ in range(pairs + 1)
        ][1:]
    finally:
        cluster.stop()
    own, other = (statistics.median(values) for values in zip(*found, strict=True))
    later = statistics.median(mine - theirs for mine, theirs in found)
    return {
        "pairs": pairs,
        "shipit_s": round(own, 3),
        "kubectl_s": round(other, 3),
        "later_s": round(later, 3),
        "at_most_s": LATER_S,
    }


def main() -> None:
    seconds = float(next((word for word in sys.argv[1:] if word.isdigit()), 60))
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""
    file = ROOT / "benchmarks/logs.json"
    result: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    result |= {"python": platform.python_version(), "date": time.strftime("%Y-%m-%d", time.gmtime())}
    load = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory(prefix="shipit-logs-") as name:
        if only in ("", "flow"):
            for output in ("plain", "json"):
                result[f"flow, {output}"] = {"load": load, **flow(Path(name), seconds, output)}
        if only in ("", "first"):
            result["first line"] = {"load": load, **first(Path(name))}
    text = json.dumps(result, indent=2)
    print(text)
    file.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
