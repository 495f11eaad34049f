"""The time that shipit takes from a failure in the cluster to its exit: between a watch of the failed objects and the verdict.

    python -m benchmarks.verdicts [ROUNDS] [--cases NAME,...] [--kubectl PATH] [--kubeconfig FILE] [--registry HOST:PORT]

The cases are those of tests/e2e/test_cluster_verdicts.py, one at a time. A watch by kubectl tells when the pod, Job or event that decides the
verdict is in the cluster; what the kubelet and the controllers take before that is not counted. At most 3 s. Prints medians in
seconds and writes verdicts.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.kubernetes import cluster_of
from benchmarks.push import ROOT
from tests import runs
from tests.e2e.test_cluster_verdicts import Deployer, Refusing
from tests.servers.cluster import Cluster
from tests.servers.install import find
from tests.servers.registry import RegistryServer

AT_MOST_S, _PATIENCE_S = 3.0, 30.0
PATHS = ("api/v1/namespaces/{}/pods", "api/v1/namespaces/{}/events", "apis/batch/v1/namespaces/{}/jobs")
# Case -> what the line of a watch has when the failure is in the cluster.
_PULL, _UNSCHEDULED, _NOT_CREATED = (
    r'"reason":"(ErrImagePull|ImagePullBackOff)"',
    r'"reason":"(FailedScheduling|Unschedulable)"',
    r'"reason":"FailedCreate"',
)
FAILED: Mapping[str, str] = {
    "crash": r'"terminated":\{"exitCode":3,',
    "sidecar": r'"terminated":\{"exitCode":6,',
    "pod": r'"terminated":\{"exitCode":7,',
    "memory": r'"terminated":\{"exitCode":137,',
    "init": r'"terminated":\{"exitCode":5,',
    "job": r'"terminated":\{"exitCode":5,',
    "job-that-restarts": r'"type":"(Failed|FailureTarget)"',
    "job-that-is-late": r'"reason":"DeadlineExceeded"',
    "command": r'"reason":"(RunContainerError|CreateContainerError|StartError)"',
    "secret-of-env": r'"reason":"CreateContainerConfigError"',
    "secret-of-volume": r'"reason":"FailedMount",.*"count":2',
    "map-of-volume": r'"reason":"FailedMount",.*"count":2',
    "ends-with-0": r'"terminated":\{"exitCode":0,.*"lastState":\{"terminated":\{"exitCode":0,|"reason":"CrashLoopBackOff"',
    "startup-probe": r'"reason":"Killing"',
    "liveness-probe": r'"reason":"Killing"',
    "image-gone": _PULL,
    "image-401": _PULL,
    "image-403": _PULL,
    "image-name": r'"reason":"InvalidImageName"',
    # Other causes, and volumes, are a failure at the second try.
    "image-refused": r'"reason":"Failed",.*"count":2',
    "claim-gone": _UNSCHEDULED,
    "claim-without-class": r'"reason":"FailedBinding"',
    "claim-of-unknown-class": r'"reason":"ProvisioningFailed"',
    "claims-of-a-set": r'"reason":"FailedBinding"',
    "host-port": _UNSCHEDULED,
    "account": _NOT_CREATED,
    "account-of-a-job": _NOT_CREATED,
    "quota": _NOT_CREATED,
    "webhook": _NOT_CREATED,
}


class Attached(Cluster):
    """A cluster that runs already."""

    def __init__(self, kubeconfig: Path) -> None:
        self.folder, self.kubeconfig = kubeconfig.parent, kubeconfig


class Watcher:
    """Follows the objects of a namespace, and notes when a line first has a failure."""

    def __init__(self, kubectl: str, kubeconfig: Path, namespace: str, failed: str) -> None:
        self._failed = re.compile(failed)
        self._since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.at_s, self._seen = 0.0, threading.Event()
        self._is_over, self._running = threading.Event(), dict[str, subprocess.Popen[str]]()
        self._command = [kubectl, "--kubeconfig", str(kubeconfig), "get", "--raw"]
        self._threads = [threading.Thread(target=self._follow, args=(path.format(namespace),)) for path in PATHS]
        for thread in self._threads:
            thread.start()

    def _follow(self, path: str) -> None:
        # The server ends a watch when it likes.
        while not self._is_over.is_set():
            command = [*self._command, f"/{path}?watch=1&timeoutSeconds=20"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
                self._running[path] = process
                assert process.stdout is not None
                for line in process.stdout:
                    if not self._seen.is_set() and self._failed.search(line) and self._is_new(line):
                        self.at_s = time.monotonic()
                        self._seen.set()

    def _is_new(self, line: str) -> bool:
        """Not of the round before: a watch may begin with objects that are gone."""
        made = json.loads(line)["object"]["metadata"].get("creationTimestamp", "")
        return str(made) >= self._since

    def has_seen(self) -> bool:
        """Waits for it: shipit may have seen it before."""
        return self._seen.wait(_PATIENCE_S)

    def stop(self) -> None:
        self._is_over.set()
        for process in self._running.values():
            process.kill()
        for thread in self._threads:
            thread.join()


def measure(case: str, cluster: Cluster, registry: str, refusing: str, kubectl: str) -> float:
    """Seconds from the failure in the cluster to the verdict; negative where shipit saw it before the watch."""
    namespace = f"verdict-{case}"
    cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", check=False)
    watcher = Watcher(kubectl, cluster.kubeconfig, namespace, FAILED[case])
    try:
        with tempfile.TemporaryDirectory(prefix="shipit-verdict-") as folder:
            outcome = Deployer(Path(folder), cluster, registry, refusing).outcome(case)
            ended_s = time.monotonic()
            runs.close_all()
        if outcome.code != 1 or not watcher.has_seen():
            raise SystemExit(f"{case}: no failure was seen: {outcome.finished}")
        return ended_s - watcher.at_s
    finally:
        watcher.stop()
        cluster.kubectl("delete", "namespace", namespace, "--wait=false", check=False)
        if case == "webhook":
            cluster.kubectl("delete", "validatingwebhookconfiguration", "verdicts.shipit.test", check=False)


@contextmanager
def servers(kubeconfig: str | None, registry: str | None) -> Iterator[tuple[Cluster, str, str]]:
    """The cluster, the registry, and one that refuses every pull."""
    with ExitStack() as exits:
        work = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="shipit-verdicts-")))
        if registry is None:
            server = RegistryServer(work / "images")
            exits.callback(server.stop)
            registry = server.host
        refusing = exits.enter_context(Refusing()).host
        yield Attached(exits.enter_context(cluster_of(kubeconfig, work))), registry, refusing


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(FAILED))
    parser.add_argument("--kubectl", default=None)
    parser.add_argument("--kubeconfig")
    parser.add_argument("--registry")
    options = parser.parse_args()
    result: dict[str, object] = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "rounds": options.rounds,
        "load": round(os.getloadavg()[0], 1),
        "at_most_s": AT_MOST_S,
    }
    with servers(options.kubeconfig, options.registry) as (cluster, registry, refusing):
        for case in options.cases:
            kubectl = options.kubectl or find("kubectl")
            took = [measure(case, cluster, registry, refusing, kubectl) for _ in range(options.rounds)]
            result[case] = {"median_s": round(statistics.median(took), 2), "longest_s": round(max(took), 2)}
            print(case, json.dumps(result[case]), flush=True)
    result["load at the end"] = round(os.getloadavg()[0], 1)
    (ROOT / "benchmarks/verdicts.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
