"""shipit push beside crane and buildctl: whole processes in pairs, A B A B, so that both see the same load of the machine.

    python -m benchmarks.beside [PAIRS] [--hold]

| case | shipit | beside |
| --- | --- | --- |
| pure push | every layer in its cache, an empty repository | `crane push` of the same image as an OCI layout |
| nothing changed | the image is there already | `buildctl build` with `push=true`, its cache warm |
| one file | one file of the 0.5 MB layer changed, built and pushed | the same |

The image of the pure push has no base, since crane would upload it where shipit mounts it. Prints medians in seconds of wall
and CPU time, and the median of the ratios of the pairs. `--hold` starts the servers, prints the commands, and waits for
Enter, for any other program that measures. Needs crane and the BuildKit of the tests (CONTRIBUTING.md).
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.push import ROOT, SHIPIT, write_base, write_context
from tests.servers.buildkit import BuildKit
from tests.servers.install import buildkit_folder
from tests.servers.install import crane as find_crane
from tests.servers.registry import RegistryServer

# case -> what shipit's wall time may be, as a part of the other program's
LIMITS = {"pure push": 1.3, "nothing changed": 1.0, "one file": 1.0}


class Pair(NamedTuple):
    """Two shell commands that do the same; each run of one has a new value of $RUN."""

    case: str
    shipit: str
    other_name: str
    other: str


class Took(NamedTuple):
    wall_s: float
    cpu_s: float


def run(command: str, number: int) -> Took:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        ["/bin/sh", "-c", command], env={**os.environ, "RUN": str(number)}, capture_output=True, check=False
    )
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{command}\n{done.stderr.decode()}{done.stdout.decode()}")
    return Took(wall_s, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def run_in_turn(shipit: str, other: str, count: int) -> list[tuple[Took, Took]]:
    """`count` pairs after one that is not counted. The second one of each is 0 where there is no other command."""
    found: list[tuple[Took, Took]] = []
    for number in range(count + 1):
        stamp = time.time_ns() + number
        took = run(shipit, stamp), run(other, stamp) if other else Took(0.0, 0.0)
        if number:
            found.append(took)
    return found


def prepared(folder: Path, host: str, base: str, repository: str) -> Path:
    """A context of five layers with a deploy.yml, its cache beside it."""
    write_context(folder, host)
    file = folder / "Dockerfile"
    file.write_text(file.read_text().replace(f"FROM {host}/base:v1", f"FROM {base}"))
    (folder / "deploy.yml").write_text(
        f"app: measured\nimage: {{repository: '{host}/{repository}', tags: [v1]}}\ntargets: {{hub: }}\n"
    )
    return folder


def shipit(folder: Path) -> str:
    cache = folder.with_name(f"{folder.name}-cache")
    return f"cd {shlex.quote(str(folder))} && SHIPIT_CACHE_DIR={shlex.quote(str(cache))} {SHIPIT} push"


def buildctl(folder: Path, address: str, host: str) -> str:
    output = f"type=image,name={host}/buildctl:v1,push=true,registry.insecure=true"
    words = [str(buildkit_folder() / "buildctl"), "--addr", address, "build", "--progress", "plain"]
    words += ["--frontend", "dockerfile.v0", "--local", f"context={folder}", "--local", f"dockerfile={folder}"]
    return shlex.join([*words, "--output", output])


@contextmanager
def pairs(work: Path) -> Iterator[list[Pair]]:
    """The servers and folders of a measurement."""
    crane = find_crane()
    registry, kit = RegistryServer(work / "registry"), None
    try:
        kit = BuildKit(work / "buildkit")
        host = registry.host
        write_base(work / "base")
        (work / "base/deploy.yml").write_text(
            f"app: base\nimage: {{repository: {host}/base, tags: [v1]}}\ntargets: {{hub: }}\n"
        )
        run(shipit(work / "base"), 0)
        pure = prepared(work / "pure", host, "scratch", "pure/r${RUN}")
        run(shipit(pure), 0)
        run(f"{crane} pull --insecure --format=oci {host}/pure/r0:v1 {work}/layout", 0)
        mine, theirs = (prepared(work / name, host, f"{host}/base:v1", name) for name in ("mine", "theirs"))
        change = 'echo "changed = $RUN" > {}/app/7.py && '
        build = buildctl(theirs, kit.address, host)
        yield [
            Pair("pure push", shipit(pure), "crane", f"{crane} push --insecure {work}/layout {host}/crane/r$RUN:v1"),
            Pair("nothing changed", shipit(mine), "buildctl", build),
            Pair("one file", change.format(mine) + shipit(mine), "buildctl", change.format(theirs) + build),
        ]
    finally:
        if kit is not None:
            kit.stop()
        registry.stop()


def measure(pair: Pair, count: int) -> dict[str, object]:
    found = run_in_turn(pair.shipit, pair.other, count)
    return {
        "beside": pair.other_name,
        "shipit_s": _median([own.wall_s for own, _ in found]),
        "other_s": _median([other.wall_s for _, other in found]),
        "shipit_cpu_s": _median([own.cpu_s for own, _ in found]),
        "ratio": _median([own.wall_s / other.wall_s for own, other in found]),
        "at_most": LIMITS[pair.case],
    }


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def save(name: str, load: float, found: Mapping[str, object]) -> None:
    """Write a result to NAME.json, after the facts of the machine."""
    date = time.strftime("%Y-%m-%d", time.gmtime())
    result = {"python": platform.python_version(), "date": date, "load": round(load, 1), **found}
    (ROOT / f"benchmarks/{name}.json").write_text(json.dumps(result, indent=2) + "\n")


def main() -> None:
    count = int(next((word for word in sys.argv[1:] if word.isdigit()), 9))
    with tempfile.TemporaryDirectory(prefix="shipit-beside-") as name, pairs(Path(name)) as found:
        if "--hold" in sys.argv:
            for pair in found:
                print(f"{pair.case}\n  {pair.shipit}\n  {pair.other}")
            input("Enter ends the servers: ")
            return
        load = os.getloadavg()[0]
        cases = {pair.case: measure(pair, count) for pair in found}
    print(
        f"{'median of ' + str(count) + ' pairs':<20}{'shipit s':>10}{'other s':>10}{'cpu s':>10}{'ratio':>8}{'at most':>9}"
    )
    for case, row in cases.items():
        values = [row[key] for key in ("shipit_s", "other_s", "shipit_cpu_s", "ratio", "at_most")]
        print(f"{case:<20}{values[0]:>10}{values[1]:>10}{values[2]:>10}{values[3]:>8}{values[4]:>9}  {row['beside']}")
    save("beside", load, {"pairs": count, "cases": cases})


if __name__ == "__main__":
    main()
