"""`shipit exec` beside `kubectl exec`: whole processes in pairs, A B A B, so that both see the same load of the machine.

    python -m benchmarks.command [PAIRS]

Both run `true` in a pod of the tests' cluster, which needs root on Linux and the binaries of `python -m tests.servers.install`.
shipit runs in an environment with its own dependencies alone: those for the tests put code of theirs into the start of every program.
Prints medians in seconds of wall and CPU time, and the median of the ratios of the pairs; writes command.json.
"""

from __future__ import annotations

import os
import shlex
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.beside import run, run_in_turn, save
from benchmarks.push import ROOT
from tests.servers.cluster import Cluster
from tests.servers.install import find
from tests.servers.registry import RegistryServer

AT_MOST = 1.3
TEXT = """\
app: measured
image: {host}/measured
targets:
  k8s: {{context: test, workloads: {{web: {{}}}}, settle: 0s}}
"""


def install(folder: Path) -> str:
    """The command of shipit in a new environment, as its users install it."""
    run(f"{shlex.quote(sys.executable)} -m venv {folder}", 0)
    python = f"{folder}/bin/python"
    pip = "-m pip install --quiet --disable-pip-version-check --no-deps"
    run(f"{python} {pip} --require-hashes -r {shlex.quote(str(ROOT))}/requirements/run.txt", 0)
    [packages] = folder.glob("lib/python*/site-packages")
    run(f"{shlex.quote(sys.executable)} {pip} --no-build-isolation --target {packages} {shlex.quote(str(ROOT))}", 0)
    run(f"{python} -m compileall -q {packages}/shipit", 0)
    return f"{python} -m shipit"


def prepare(folder: Path, cluster: Cluster, host: str, shipit: str) -> tuple[str, str]:
    """A pod with a busybox; the commands of shipit and of kubectl."""
    folder.mkdir()
    shutil.copy(find("busybox"), folder / "busybox")
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY busybox /\nCMD ["/busybox", "sleep", "1000000"]\n')
    (folder / "deploy.yml").write_text(TEXT.format(host=host))
    program = (
        f"cd {shlex.quote(str(folder))} && KUBECONFIG={cluster.kubeconfig} SHIPIT_CACHE_DIR={folder}/.cache {shipit}"
    )
    run(f"{program} deploy", 0)
    kubectl = f"{find('kubectl')} --kubeconfig {cluster.kubeconfig} --cache-dir {folder}/.kubectl"
    return f"{program} exec k8s/web -- /busybox true", f"{kubectl} exec deployment/web -- /busybox true"


def measure(shipit: str, kubectl: str, count: int) -> dict[str, float]:
    found = run_in_turn(shipit, kubectl, count)
    rows = {
        "shipit_s": [own.wall_s for own, _ in found],
        "kubectl_s": [other.wall_s for _, other in found],
        "shipit_cpu_s": [own.cpu_s for own, _ in found],
        "kubectl_cpu_s": [other.cpu_s for _, other in found],
        "ratio": [own.wall_s / other.wall_s for own, other in found],
    }
    return {name: round(statistics.median(values), 3) for name, values in rows.items()}


def main() -> None:
    count = int(next((word for word in sys.argv[1:] if word.isdigit()), 15))
    with tempfile.TemporaryDirectory(prefix="shipit-command-") as name:
        work = Path(name)
        (work / "servers").mkdir()
        registry = RegistryServer(work / "registry")
        cluster = Cluster(work / "servers", registry.host)
        try:
            shipit, kubectl = prepare(work / "app", cluster, registry.host, install(work / "installed"))
            load = os.getloadavg()[0]
            found = measure(shipit, kubectl, count)
        finally:
            cluster.stop()
            registry.stop()
    print("\n".join(f"{name:<14}{value:>8}" for name, value in found.items()))
    print(f"at most       {AT_MOST:>8}")
    save("command", load, {"pairs": count, **found, "at_most": AT_MOST})


if __name__ == "__main__":
    main()
