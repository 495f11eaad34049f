"""A deploy to Heroku beside the Heroku CLI's `container:release`, whole processes in turn; medians of several rounds.

Both reach the stand-in through one TLS proxy under Heroku's names. Two cases, each without and with 50 ms for every
answer: nothing changed, and another image released. shipit builds, looks, pushes and verifies in that time; the CLI's
`container:push` is left out, as it needs an engine.

    python -m benchmarks.heroku [ROUNDS]
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
from pathlib import Path

from shipit.rehearsal.heroku import HerokuStandIn
from tests.servers.dynos import ScriptedRunner
from tests.servers.install import heroku_cli
from tests.servers.proxy import TlsProxy
from tests.targets.test_heroku_round_trips import in_a_row

ROOT = Path(__file__).parent.parent
TOKEN, APP, LATENCIES_S, LIMIT = "HRKU-token", "shop-prod", (0.0, 0.05), 0.25
DEPLOY = f"app: shop\nimage: {{build: .}}\ntargets: {{heroku: {{app: {APP}, settle: 0s}}}}\n"


class Place:
    """The stand-in behind its proxy, a project, and what both tools are started with."""

    def __init__(self, work: Path, heroku: HerokuStandIn) -> None:
        self.heroku = heroku
        heroku.create_app(APP)
        self.proxy = TlsProxy(
            work / "pki", {"api.heroku.com": heroku.host, "registry.heroku.com": heroku.registry.host}
        )
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

    def timed(self, *command: str) -> tuple[float, int]:
        """Seconds of a process, and how many requests it sent in a row."""
        servers = (self.heroku, self.heroku.registry)
        for server in servers:
            server.spans.clear()
        before = time.perf_counter()
        done = subprocess.run(
            command, cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        elapsed = time.perf_counter() - before
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return elapsed, in_a_row([span for server in servers for span in server.spans])

    def ours(self, note: str) -> tuple[float, int]:
        (self.folder / "app.txt").write_text(f"{note}\n")
        return self.timed(str(Path(sys.executable).with_name("shipit")), "deploy")

    def theirs(self, image: str) -> tuple[float, int]:
        """`container:release` of a manifest that was pushed before."""
        self.heroku.registry.tags[f"{APP}/web", "latest"] = image
        return self.timed(heroku_cli(), "container:release", "web", "-a", APP)


def measure(place: Place, rounds: int) -> dict[str, dict[str, list[tuple[float, int]]]]:
    found: dict[str, dict[str, list[tuple[float, int]]]] = {"nothing changed": {}, "released": {}}
    place.ours("zero")
    images = [place.heroku.registry.tags[f"{APP}/web", "latest"]]
    for turn in range(rounds + 1):
        rows = {
            ("released", "shipit"): place.ours(f"note {turn}"),
            ("nothing changed", "shipit"): place.ours(f"note {turn}"),
        }
        images.append(place.heroku.registry.tags[f"{APP}/web", "latest"])
        rows |= {
            ("released", "heroku"): place.theirs(images[-2]),
            ("nothing changed", "heroku"): place.theirs(images[-2]),
        }
        for (case, tool), row in rows.items() if turn else ():
            found[case].setdefault(tool, []).append(row)
    return found


def main() -> None:
    rounds = int(next((word for word in sys.argv[1:] if word.isdigit()), 5))
    result = []
    print(f"{'median of ' + str(rounds):<34}{'shipit':>10}{'in a row':>10}{'CLI':>10}{'in a row':>10}{'ratio':>8}")
    for latency_s in LATENCIES_S:
        with (
            tempfile.TemporaryDirectory(prefix="shipit-bench-") as name,
            HerokuStandIn(token=TOKEN, runner=ScriptedRunner()) as heroku,
        ):
            place = Place(Path(name), heroku)
            heroku.latency_s = heroku.registry.latency_s = latency_s
            found = measure(place, rounds)
            place.proxy.stop()
        for case, tools in found.items():
            seconds = {tool: round(statistics.median(row[0] for row in rows), 3) for tool, rows in tools.items()}
            # Requests that take no time do not overlap, even where they are sent side by side.
            chains = {tool: max(row[1] for row in rows) if latency_s else 0 for tool, rows in tools.items()}
            ratio = round(seconds["shipit"] / seconds["heroku"], 2)
            title = f"{case}, {latency_s * 1000:.0f} ms"
            print(
                f"{title:<34}{seconds['shipit']:>10.3f}{chains['shipit']:>10}{seconds['heroku']:>10.3f}{chains['heroku']:>10}{ratio:>8}"
            )
            result.append({"case": title, "seconds": seconds, "in_a_row": chains, "ratio": ratio, "limit": LIMIT})
    text = json.dumps({"python": platform.python_version(), "rounds": rounds, "cases": result}, indent=2)
    (ROOT / "benchmarks/heroku.json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
