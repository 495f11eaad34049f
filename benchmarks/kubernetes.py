"""shipit deploy beside kubectl and kapp: whole processes in turn, on the tests' cluster, so that all see the same load.

    python -m benchmarks.kubernetes [ROUNDS] [--kubectl PATH] [--kapp PATH] [--kubeconfig FILE]

| case | shipit | beside |
| --- | --- | --- |
| first apply, 1,000 objects | until the last object is applied | `kubectl apply --server-side` |
| unchanged, 1,000 objects | the whole deploy | `kapp deploy` |
| unchanged, 10 objects | the whole deploy | `shipit --version` with the imports of a deploy |
| unchanged, 5,000 objects | the whole deploy, with its memory | 3 s and 150 MiB |

One object in ten is a Deployment with no replicas: no pods start, and the cluster is the same for every tool. shipit also plans
every object by a dry run before, and verifies after; the time until its last `step_done` is that of the apply. Without
`--kapp`, a file KAPP in the PATH, that case has no ratio. Prints medians in seconds and writes kubernetes.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.push import ROOT
from tests.servers.cluster import Cluster
from tests.servers.install import find
from tests.servers.registry import RegistryServer

SHARE = 10
IMPORTS = "import shipit.cli.main, shipit.pipeline.flow, shipit.targets.kubernetes.target, yaml, ssl"
CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: c{number:05}, labels: {{tier: config}}}}
data:
  number: "{number}"
  text: |
    one = 1
    two = 2
    three = {number}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: d{number:05}, labels: {{tier: web}}}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: d{number:05}}}}}
  template:
    metadata: {{labels: {{app: d{number:05}}}}}
    spec:
      containers:
      - name: main
        image: registry.example.com/app:1
        env:
        - {{name: A, value: one}}
        - {{name: B, value: two}}
        ports:
        - {{containerPort: 8080}}
        resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
        readinessProbe: {{httpGet: {{path: /, port: 8080}}}}
"""


class Took(NamedTuple):
    """`applied_s` is when the last object was applied, for shipit; `memory_mib` the largest of the process."""

    wall_s: float
    cpu_s: float
    memory_mib: float
    applied_s: float = 0.0


class Bench:
    """Namespaces of a cluster, and the programs."""

    def __init__(self, work: Path, kubeconfig: Path, kubectl: str, kapp: str | None) -> None:
        self.work, self.kubeconfig, self.kubectl, self.kapp = work, kubeconfig, kubectl, kapp
        self.made: list[str] = []
        self.env = {**os.environ, "KUBECONFIG": str(kubeconfig), "SHIPIT_CACHE_DIR": str(work / "cache")}

    def project(self, count: int) -> tuple[Path, str]:
        """A folder with so many objects, and a new namespace for them."""
        namespace = f"bench-{count}-{os.getpid()}-{len(self.made)}"
        self.made.append(namespace)
        folder = self.work / namespace
        folder.mkdir()
        texts = (CONFIG_MAP if number % SHARE else DEPLOYMENT for number in range(count))
        (folder / "objects.yaml").write_text("---\n".join(text.format(number=n) for n, text in enumerate(texts)))
        target = f"{{namespace: {namespace}, settle: 0s, manifests: [objects.yaml]}}"
        (folder / "deploy.yml").write_text(f"app: measured\ntargets: {{k8s: {target}}}\n")
        self.run([self.kubectl, "create", "namespace", namespace], folder)
        return folder, namespace

    def clean(self) -> None:
        for namespace in self.made:
            self.run([self.kubectl, "delete", "namespace", namespace, "--wait=false"], self.work)

    def run(self, command: Sequence[str], folder: Path) -> Took:
        with tempfile.TemporaryFile() as output:
            began_s, wall_s = time.time(), time.perf_counter()
            process = subprocess.Popen(command, cwd=folder, env=self.env, stdout=output, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall_s = time.perf_counter() - wall_s
            output.seek(0)
            text = output.read().decode()
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}\n{text[-2000:]}")
        return Took(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, _applied_s(text, began_s))

    def shipit(self, folder: Path) -> Took:
        return self.run([sys.executable, "-m", "shipit", "deploy", "--output", "json"], folder)

    def applied(self, folder: Path, namespace: str) -> Took:
        command = [self.kubectl, "apply", "--server-side", "-n", namespace, "-f", "objects.yaml"]
        return self.run([*command, "--cache-dir", str(self.work / "discovery")], folder)

    def kapped(self, folder: Path, namespace: str) -> Took:
        assert self.kapp is not None
        return self.run([self.kapp, "deploy", "-y", "-a", "measured", "-n", namespace, "-f", "objects.yaml"], folder)

    def imported(self, folder: Path) -> Took:
        return self.run([sys.executable, "-c", IMPORTS], folder)


def _applied_s(text: str, began_s: float) -> float:
    """Seconds from the start until the last step was done; 0 for other programs."""
    last = 0.0
    for line in text.splitlines():
        if '"event": "step_done"' in line:
            last = datetime.fromisoformat(json.loads(line)["at"]).timestamp() - began_s
    return round(last, 3)


def measure(bench: Bench, rounds: int) -> Iterator[tuple[str, Mapping[str, list[Took]]]]:
    """Case -> program -> its runs."""
    first: dict[str, list[Took]] = {"shipit": [], "kubectl": []}
    for turn in range(rounds):
        own, other = bench.project(1000), bench.project(1000)
        for name in ("shipit", "kubectl") if turn % 2 == 0 else ("kubectl", "shipit"):
            first[name].append(bench.shipit(own[0]) if name == "shipit" else bench.applied(*other))
    yield "first apply, 1,000 objects", first
    unchanged: dict[str, list[Took]] = {"shipit": []}
    if bench.kapp:
        unchanged["kapp"] = []
        # kapp adds to the selectors of Deployments, which can't be changed: it needs objects of its own.
        other = bench.project(1000)
        bench.kapped(*other)
    for _ in range(rounds):
        unchanged["shipit"].append(bench.shipit(own[0]))
        if bench.kapp:
            unchanged["kapp"].append(bench.kapped(*other))
    yield "unchanged, 1,000 objects", unchanged
    few, _ = bench.project(10)
    bench.shipit(few)
    small: dict[str, list[Took]] = {"shipit": [], "imports": []}
    for _ in range(rounds):
        small["shipit"].append(bench.shipit(few))
        small["imports"].append(bench.imported(few))
    yield "unchanged, 10 objects", small
    many, _ = bench.project(5000)
    bench.shipit(many)
    yield "unchanged, 5,000 objects", {"shipit": [bench.shipit(many) for _ in range(rounds)]}


def judged(case: str, medians: Mapping[str, Mapping[str, float]]) -> dict[str, object]:
    """The figure of a case beside its limit."""
    own = medians["shipit"]
    if case.startswith("first"):
        other = medians["kubectl"]["wall_s"]
        return {"ratio": round(own["applied_s"] / other, 2), "whole": round(own["wall_s"] / other, 2), "at_most": 0.9}
    if "10 objects" in case:
        return {"over_imports_s": round(own["wall_s"] - medians["imports"]["wall_s"], 3), "at_most": 0.25}
    if "5,000" in case:
        return {"seconds": own["wall_s"], "at_most": 3.0, "memory_mib": own["memory_mib"], "at_most_mib": 150}
    ratio = round(own["wall_s"] / medians["kapp"]["wall_s"], 2) if "kapp" in medians else None
    return {"ratio": ratio, "at_most": 0.5}


@contextmanager
def cluster_of(kubeconfig: str | None, work: Path) -> Iterator[Path]:
    """The cluster of a kubeconfig, or one of the tests'."""
    with ExitStack() as exits:
        if kubeconfig:
            yield Path(kubeconfig)
            return
        registry = RegistryServer(work / "registry")
        exits.callback(registry.stop)
        (work / "servers").mkdir()
        cluster = Cluster(work / "servers", registry.host)
        exits.callback(cluster.stop)
        yield cluster.kubeconfig


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("--kubectl", default=None)
    parser.add_argument("--kapp", default=shutil.which("kapp"))
    parser.add_argument("--kubeconfig")
    options = parser.parse_args()
    result: dict[str, object] = {
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "rounds": options.rounds,
        "load": round(os.getloadavg()[0], 1),
    }
    with (
        tempfile.TemporaryDirectory(prefix="shipit-kubernetes-") as name,
        cluster_of(options.kubeconfig, Path(name)) as file,
    ):
        bench = Bench(Path(name), file, options.kubectl or find("kubectl"), options.kapp)
        try:
            for case, tools in measure(bench, options.rounds):
                medians = {
                    tool: {
                        field: round(statistics.median(getattr(row, field) for row in rows), 3)
                        for field in Took._fields
                    }
                    for tool, rows in tools.items()
                }
                figure = judged(case, medians)
                print(case, json.dumps(figure), json.dumps(medians), flush=True)
                result[case] = {**figure, "medians": medians}
        finally:
            bench.clean()
    result["load at the end"] = round(os.getloadavg()[0], 1)
    (ROOT / "benchmarks/kubernetes.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
