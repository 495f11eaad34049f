"""Many targets, a long history, and runs that are interrupted, as whole processes with stand-ins of this machine.

    python -m benchmarks.many [ROUNDS]

| what | aim |
| --- | --- |
| first deploy to 500 targets in memory | 60 s, 200 MiB; five times as long as to 100 |
| first deploy to 500 apps of Heroku's stand-in, which allows all their requests | 60 s, 200 MiB |
| `history` of 100 releases | 0.5 s |
| Ctrl-C while a target is watched, to the exit | 2 s |
| the lock of a folder is free after `kill -9` | 15 s |

Prints medians and writes many.json with the load of the machine.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.beside import save
from benchmarks.push import ROOT
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.servers.dynos import ScriptedRunner

MANY, FEWER, RELEASES = 500, 100, 100
LIMITS: Mapping[str, float] = {
    "500_targets_s": 60.0,
    "500_targets_mib": 200.0,
    "500_apps_s": 60.0,
    "500_apps_mib": 200.0,
    "history_s": 0.5,
    "interrupt_s": 2.0,
    "lock_s": 15.0,
}


class Ran(NamedTuple):
    wall_s: float
    most_mib: float


class Folder:
    """A project with targets in memory, each of which is a file; with `heroku`, each is an app of it."""

    def __init__(self, folder: Path, host: str, targets: int, heroku: HerokuStandIn | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        keys = "kind: heroku, app: app-{0}" if heroku else "kind: memory, file: t{0}.json"
        rows = "".join(f"  t{number}: {{{keys.format(number)}, settle: '${{SETTLE}}'}}\n" for number in range(targets))
        (folder / "Dockerfile").write_text('FROM scratch\nCOPY Dockerfile /\nCMD ["/serve"]\n')
        (folder / "deploy.yml").write_text(
            f"app: shop\nimage: {host}/{folder.name}\nenv: {{MODE: '${{MODE}}'}}\ntargets:\n{rows}"
        )
        self._env = {
            **os.environ,
            "HOME": str(folder),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests/plugin'}",
            "MODE": "one",
            "SETTLE": "0s",
            **(heroku.variables() if heroku else {}),
        }

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "shipit", *arguments], cwd=self.folder, env={**self._env, **variables}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *arguments: str, **variables: str) -> Ran:
        """A command to its end, which has to be a good one."""
        report = self.folder / "memory"
        began_s = time.perf_counter()
        code = "import json, resource, subprocess, sys; c = subprocess.call(sys.argv[2:]); open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)); sys.exit(c)"
        command = [sys.executable, "-c", code, str(report), sys.executable, "-m", "shipit", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env={**self._env, **variables}, text=True, capture_output=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"shipit {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        unit = 1024 * 1024 if sys.platform == "darwin" else 1024
        return Ran(time.perf_counter() - began_s, int(report.read_text()) / unit)

    def watched(self) -> subprocess.Popen[str]:
        """A deploy that watches its target."""
        file = self.folder / "t0.json"
        file.unlink(missing_ok=True)
        process = self.start("deploy", SETTLE="60s")
        started_s = time.monotonic()
        while not (file.exists() and json.loads(file.read_text())["images"]):
            if process.poll() is not None or time.monotonic() - started_s > 60:
                raise SystemExit(f"the deploy did not begin: {process.communicate()[0] if process.poll() else ''}")
            time.sleep(0.02)
        return process


def on_heroku(folder: Path, host: str) -> tuple[Ran, Ran]:
    """The first deploy to many apps, and one with nothing to change."""
    with HerokuStandIn(token="token", runner=ScriptedRunner()) as heroku:
        for number in range(MANY):
            heroku.create_app(f"app-{number}")
        heroku.remaining = 1_000_000
        apps = Folder(folder, host, MANY, heroku)
        return apps.run("deploy"), apps.run("deploy")


def interrupted_s(folder: Folder) -> float:
    process = folder.watched()
    began_s = time.perf_counter()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    took_s = time.perf_counter() - began_s
    if process.returncode != 130:
        raise SystemExit(f"exit code {process.returncode} after Ctrl-C\n{said}")
    return took_s


def locked_s(folder: Folder) -> float:
    """From `kill -9` until the next deploy has the lock: to its end, without the time that such a deploy takes."""
    alone = folder.run("deploy")
    process = folder.watched()
    began_s = time.perf_counter()
    process.kill()
    process.communicate(timeout=60)
    folder.run("deploy", "--wait", "60s")
    return time.perf_counter() - began_s - alone.wall_s


def measure(work: Path, host: str, rounds: int) -> dict[str, float]:
    first = [
        (Folder(work / f"many{n}", host, MANY).run("deploy"), Folder(work / f"fewer{n}", host, FEWER).run("deploy"))
        for n in range(rounds)
    ]
    apps = [on_heroku(work / f"apps{n}", host) for n in range(rounds)]
    history = Folder(work / "history", host, 1)
    for number in range(RELEASES):
        history.run("deploy", MODE=str(number))
    interrupted = Folder(work / "interrupted", host, 1)
    killed = Folder(work / "killed", host, 1)

    def median(one: Callable[[int], float]) -> float:
        return statistics.median(one(number) for number in range(rounds))

    return {
        "500_targets_s": statistics.median(many.wall_s for many, _ in first),
        "500_targets_mib": statistics.median(many.most_mib for many, _ in first),
        "100_targets_s": statistics.median(fewer.wall_s for _, fewer in first),
        "100_targets_mib": statistics.median(fewer.most_mib for _, fewer in first),
        "one_target_more_ms": statistics.median(
            (many.wall_s - fewer.wall_s) / (MANY - FEWER) * 1000 for many, fewer in first
        ),
        "500_apps_s": statistics.median(new.wall_s for new, _ in apps),
        "500_apps_mib": statistics.median(new.most_mib for new, _ in apps),
        "500_apps_unchanged_s": statistics.median(same.wall_s for _, same in apps),
        "history_s": median(lambda _: history.run("history", "--limit", str(RELEASES)).wall_s),
        "interrupt_s": median(lambda _: interrupted_s(interrupted)),
        "lock_s": median(lambda _: locked_s(killed)),
    }


def main() -> None:
    rounds = int(next((word for word in sys.argv[1:] if word.isdigit()), 5))
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="shipit-many-") as work, EmbeddedRegistry() as registry:
        found = {name: round(value, 3) for name, value in measure(Path(work), registry.host, rounds).items()}
    for name, value in found.items():
        limit = f"at most {LIMITS[name]:g}" if name in LIMITS else ""
        print(f"{name:<22}{value:>10}  {limit}")
    save("many", load, {"rounds": rounds, "medians": found, "at_most": dict(LIMITS)})


if __name__ == "__main__":
    main()
