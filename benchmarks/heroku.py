"""A deploy to Heroku beside the Heroku CLI, whole processes in turn; medians of several rounds.

Both do the same job with the same folder: the CLI with `container:push` and `container:release`, on a Docker engine of
its own; `--release-only` leaves the push out where no engine can be started. Both reach the stand-in through one TLS proxy
under Heroku's names. Two cases, each without and with 50 ms of latency for every answer: nothing changed, and a changed
file. shipit also verifies in that time that the dynos are up, which the CLI does not.

    python -m benchmarks.heroku [ROUNDS] [--release-only]
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from shipit.rehearsal.heroku import HerokuStandIn
from tests.servers.dynos import ScriptedRunner
from tests.servers.engine import DockerEngine, install_buildx
from tests.servers.install import heroku_cli
from tests.servers.proxy import TlsProxy
from tests.targets.test_heroku_round_trips import in_a_row

ROOT = Path(__file__).parent.parent
TOKEN, APP, CLI_APP, LATENCIES_S, LIMIT = "HRKU-token", "shop-prod", "shop-cli", (0.0, 0.05), 0.25
DEPLOY = f"app: shop\nimage: {{build: .}}\ntargets: {{heroku: {{app: {APP}, settle: 0s}}}}\n"


class Row(NamedTuple):
    """One job: seconds from its start to its end, CPU seconds of its processes, and how many requests it sent in a row."""

    elapsed_s: float
    cpu_s: float
    chain: int


class Place:
    """The stand-in behind its proxy, a project, and what both tools are started with."""

    def __init__(self, work: Path, heroku: HerokuStandIn, exits: ExitStack, *, has_engine: bool) -> None:
        self.heroku = heroku
        self.has_engine = has_engine
        # Each tool has an app: neither finds images of the other.
        self.cli_app = CLI_APP if has_engine else APP
        for name in {APP, self.cli_app}:
            heroku.create_app(name)
        self.proxy = TlsProxy(
            work / "pki", {"api.heroku.com": heroku.host, "registry.heroku.com": heroku.registry.host}
        )
        exits.callback(self.proxy.stop)
        self.folder = work / "project"
        self.folder.mkdir()
        (self.folder / "deploy.yml").write_text(DEPLOY)
        (self.folder / "Dockerfile").write_text('FROM scratch\nCOPY app.txt /\nCMD ["/app"]\n')
        self.variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(work),
            "HEROKU_API_KEY": TOKEN,
            "HTTPS_PROXY": self.proxy.url,
            "SSL_CERT_FILE": str(self.proxy.ca_file),
            "HEROKU_PARTICLEBOARD_URL": self.proxy.url,
            "DISABLE_TELEMETRY": "true",
            "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
            "IS_HEROKU_TEST_ENV": "true",
        }
        self.for_cli = dict(self.variables)
        if has_engine:
            trust = {"HTTPS_PROXY": self.proxy.url, "SSL_CERT_FILE": str(self.proxy.ca_file)}
            engine = DockerEngine(work / "docker", beside=True, variables=trust)
            exits.callback(engine.stop)
            install_buildx(work / ".docker")
            self.for_cli["DOCKER_HOST"] = engine.host
            self.timed((heroku_cli(), "container:login"), variables=self.for_cli)

    def timed(self, *commands: tuple[str, ...], variables: dict[str, str]) -> Row:
        """Commands that run one after the other."""
        servers = (self.heroku, self.heroku.registry)
        for server in servers:
            server.spans.clear()
        before, cpu_before_s = time.perf_counter(), _cpu_s()
        for command in commands:
            done = subprocess.run(
                command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            if done.returncode != 0:
                raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        elapsed_s, cpu_s = time.perf_counter() - before, _cpu_s() - cpu_before_s
        return Row(elapsed_s, cpu_s, in_a_row([span for server in servers for span in server.spans]))

    def ours(self, note: str) -> Row:
        (self.folder / "app.txt").write_text(f"{note}\n")
        return self.timed((str(Path(sys.executable).with_name("shipit")), "deploy"), variables=self.variables)

    def theirs(self, note: str, image: str) -> Row:
        """`container:push` and `container:release`; without an engine, the release of a manifest that was pushed before."""
        (self.folder / "app.txt").write_text(f"{note}\n")
        release = (heroku_cli(), "container:release", "web", "-a", self.cli_app)
        if self.has_engine:
            return self.timed(
                (heroku_cli(), "container:push", "web", "-a", self.cli_app), release, variables=self.for_cli
            )
        self.heroku.registry.tags[f"{APP}/web", "latest"] = image
        return self.timed(release, variables=self.for_cli)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(place: Place, rounds: int) -> dict[str, dict[str, list[Row]]]:
    found: dict[str, dict[str, list[Row]]] = {"nothing changed": {}, "released": {}}
    place.ours("zero")
    images = [place.heroku.registry.tags[f"{APP}/web", "latest"]]
    for turn in range(rounds + 1):
        rows = {
            ("released", "shipit"): place.ours(f"note {turn}"),
            ("nothing changed", "shipit"): place.ours(f"note {turn}"),
        }
        images.append(place.heroku.registry.tags[f"{APP}/web", "latest"])
        rows |= {
            ("released", "heroku"): place.theirs(f"other {turn}", images[-2]),
            ("nothing changed", "heroku"): place.theirs(f"other {turn}", images[-2]),
        }
        for (case, tool), row in rows.items() if turn else ():
            found[case].setdefault(tool, []).append(row)
    return found


def main() -> None:
    rounds = int(next((word for word in sys.argv[1:] if word.isdigit()), 5))
    has_engine = "--release-only" not in sys.argv
    job = "container:push and container:release" if has_engine else "container:release"
    result = []
    print(f"beside heroku {job}; median of {rounds}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<26}{'shipit':>9}{'in a row':>10}{'CPU':>8}{'CLI':>9}{'in a row':>10}{'CPU':>8}{'ratio':>8}")
    for latency_s in LATENCIES_S:
        with (
            tempfile.TemporaryDirectory(prefix="shipit-bench-") as name,
            HerokuStandIn(token=TOKEN, runner=ScriptedRunner()) as heroku,
            ExitStack() as exits,
        ):
            place = Place(Path(name), heroku, exits, has_engine=has_engine)
            heroku.latency_s = heroku.registry.latency_s = latency_s
            found = measure(place, rounds)
        for case, tools in found.items():
            seconds = {tool: round(statistics.median(row.elapsed_s for row in rows), 3) for tool, rows in tools.items()}
            cpu = {tool: round(statistics.median(row.cpu_s for row in rows), 3) for tool, rows in tools.items()}
            # Requests that take no time do not overlap, even where they are sent side by side.
            chains = {tool: max(row.chain for row in rows) if latency_s else 0 for tool, rows in tools.items()}
            ratio = round(seconds["shipit"] / seconds["heroku"], 2)
            title = f"{case}, {latency_s * 1000:.0f} ms"
            cells = (f"{seconds[tool]:>9.3f}{chains[tool]:>10}{cpu[tool]:>8.2f}" for tool in ("shipit", "heroku"))
            print(f"{title:<26}{''.join(cells)}{ratio:>8}")
            row = {"case": title, "seconds": seconds, "cpu_seconds": cpu, "in_a_row": chains}
            result.append({**row, "ratio": ratio, "limit": LIMIT})
    conditions = {"beside": job, "python": platform.python_version(), "rounds": rounds, "load": os.getloadavg()[0]}
    text = json.dumps({**conditions, "cpus": os.cpu_count(), "cases": result}, indent=2)
    (ROOT / "benchmarks/heroku.json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
