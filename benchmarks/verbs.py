"""exec, logs, status, validate and push as whole processes, each in pairs with the program beside it, A B A B, so that both see the same load.

    python -m benchmarks.verbs [PAIRS] [VERB...] [--on KUBECONFIG REGISTRY] [--kubectl PATH]

| verb | shipit | beside |
| --- | --- | --- |
| exec | `exec k8s/web -- true` | `kubectl exec` |
| logs | `logs --tail 1 k8s/web` | `kubectl logs --tail 1` |
| status | three kinds: a registry, Heroku's stand-in, a cluster | the aim in seconds |
| unchanged | a deploy to the same three with nothing to change | the aim in seconds |
| validate | the same deploy.yml | control.py: typer, pydantic and yaml alone |
| push | everything in its cache, an empty repository | `crane push` of the same image |

It starts a cluster and a registry (root on Linux, and the binaries of `python -m tests.servers.install`); `--on` uses those that run, in
a namespace of its own that it creates and deletes. Without a VERB it measures all of them. Prints medians in seconds of wall and CPU time, and the median of the ratios
of the pairs; writes verbs.json with the load of the machine when all are measured. `--kubectl` names another kubectl than that of this machine.
"""

from __future__ import annotations

import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.beside import run, run_in_turn, save
from benchmarks.push import ROOT, SHIPIT
from shipit.rehearsal.heroku import HerokuStandIn
from tests.servers.cluster import Cluster
from tests.servers.dynos import ScriptedRunner
from tests.servers.install import crane as find_crane
from tests.servers.install import find
from tests.servers.registry import RegistryServer

NAMESPACE, TOKEN = f"shipit-verbs-{os.getpid()}", "HRKU-token"
TEXT = """\
app: measured
images: {{measured: {{repository: {host}/measured, tags: [v1]}}}}
env: {{MODE: measured}}
secrets: {{}}
environments: {{}}
targets:
  hub:
  heroku: {{settle: 0s}}
  k8s: {{context: {context}, namespace: {namespace}, workloads: {{web: {{}}}}, settle: 0s}}
"""
PUSHED = "app: pushed\nimage: {{repository: '{host}/pushed/r${{RUN}}', tags: [v1]}}\ntargets: {{hub: }}\n"


class Pair(NamedTuple):
    """Two shell commands, the second one empty where there is none; `limit` is the aim, as text."""

    verb: str
    shipit: str
    beside: str
    limit: str


@contextmanager
def servers(work: Path) -> Iterator[tuple[str, str]]:
    """The kubeconfig of a cluster, and the host of a registry that it pulls from."""
    if "--on" in sys.argv:
        at = sys.argv.index("--on")
        yield sys.argv[at + 1], sys.argv[at + 2]
        return
    registry = RegistryServer(work / "registry")
    cluster = Cluster(work / "cluster", registry.host)
    try:
        yield str(cluster.kubeconfig), registry.host
    finally:
        cluster.stop()
        registry.stop()


def kubectl_path() -> str:
    """The kubectl of this machine, or another one after `--kubectl`: a wrapper that chooses a version takes its time."""
    return sys.argv[sys.argv.index("--kubectl") + 1] if "--kubectl" in sys.argv else find("kubectl")


def pairs(work: Path, kubeconfig: str, host: str, heroku: HerokuStandIn) -> list[Pair]:
    """A deployed app, and the commands."""
    kubectl = f"{kubectl_path()} --kubeconfig {kubeconfig} --cache-dir {work}/.kubectl"
    context = subprocess.check_output([*shlex.split(kubectl), "config", "current-context"], text=True).strip()
    for name, text in {"app": TEXT, "push": PUSHED}.items():
        folder = work / name
        folder.mkdir()
        shutil.copy(find("busybox"), folder / "busybox")
        (folder / "Dockerfile").write_text(
            'FROM scratch\nCOPY busybox /\nCMD ["/busybox", "sh", "-c", "echo up; sleep 1000000"]\n'
        )
        (folder / "deploy.yml").write_text(text.format(host=host, context=context, namespace=NAMESPACE))
    own_variables = {"KUBECONFIG": kubeconfig, "SHIPIT_CACHE_DIR": f"{work}/.cache", **heroku.variables()}
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in own_variables.items())
    own = f"cd {shlex.quote(str(work / 'app'))} && {variables} {SHIPIT}"
    pushes = f"cd {shlex.quote(str(work / 'push'))} && {variables} {SHIPIT} push"
    crane = find_crane()
    run(f"{own} deploy", 0)
    run(pushes, 0)
    run(f"{crane} pull --insecure --format=oci {host}/pushed/r0:v1 {work}/layout", 0)
    control = f"{sys.executable} {ROOT}/benchmarks/control.py deploy.yml"
    return [
        Pair("exec", f"{own} exec k8s/web -- /busybox true", f"{kubectl} -n {NAMESPACE} exec deployment/web -- /busybox true", "1.3 times"),
        Pair("logs", f"{own} logs --tail 1 k8s/web", f"{kubectl} -n {NAMESPACE} logs deployment/web --tail 1", "0.3 s more"),
        Pair("status", f"{own} status", "", "0.6 s"),
        Pair("unchanged", f"{own} deploy", "", "0.8 s"),
        Pair("validate", f"{own} validate", f"cd {work}/app && {control}", "1.35 times"),
        Pair("push", pushes, f"{crane} push --insecure {work}/layout {host}/crane/r$RUN:v1", "1.3 times"),
    ]  # fmt: skip


def measure(pair: Pair, count: int) -> dict[str, float | str]:
    found = run_in_turn(pair.shipit, pair.beside, count)
    rows: dict[str, list[float]] = {
        "shipit_s": [own.wall_s for own, _ in found],
        "shipit_cpu_s": [own.cpu_s for own, _ in found],
    }
    if pair.beside:
        rows |= {
            "beside_s": [other.wall_s for _, other in found],
            "beside_cpu_s": [other.cpu_s for _, other in found],
            "ratio": [own.wall_s / other.wall_s for own, other in found],
            "more_s": [own.wall_s - other.wall_s for own, other in found],
        }
    return {**{name: round(statistics.median(values), 3) for name, values in rows.items()}, "at_most": pair.limit}


def main() -> None:
    count = int(next((word for word in sys.argv[1:] if word.isdigit()), 15))
    with ExitStack() as exits:
        work = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="shipit-verbs-")))
        kubeconfig, host = exits.enter_context(servers(work))
        heroku = exits.enter_context(HerokuStandIn(token=TOKEN, runner=ScriptedRunner()))
        heroku.create_app("measured")
        kubectl = [kubectl_path(), "--kubeconfig", kubeconfig]
        subprocess.run([*kubectl, "create", "namespace", NAMESPACE], check=True, capture_output=True)
        exits.callback(
            subprocess.run, [*kubectl, "delete", "namespace", NAMESPACE, "--wait=false"], capture_output=True
        )
        every = pairs(work, kubeconfig, host, heroku)
        found = [pair for pair in every if pair.verb in sys.argv[1:]] or every
        load = os.getloadavg()[0]
        verbs = {pair.verb: measure(pair, count) for pair in found}
    columns = ("shipit_s", "beside_s", "ratio", "more_s", "shipit_cpu_s", "beside_cpu_s", "at_most")
    print(f"{'median of ' + str(count) + ' pairs':<20}" + "".join(f"{column:>14}" for column in columns))
    for verb, row in verbs.items():
        print(f"{verb:<20}" + "".join(f"{row.get(column, ''):>14}" for column in columns))
    if found is every:
        save("verbs", load, {"pairs": count, "verbs": verbs})


if __name__ == "__main__":
    main()
