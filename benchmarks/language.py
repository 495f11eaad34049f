"""What large and hostile files cost: `shipit validate` on each, time and memory of the whole process.

Prints medians of five runs, in milliseconds and MiB, and writes them to benchmarks/language.json.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = 5
SHIPIT = str(Path(sys.executable).with_name("shipit"))
LIMITS = {"500 targets": "1500 ms, 80 MiB"}
# A small program in between: a child begins with the size of the one that started it.
MEASURE = """
import resource, subprocess, sys
subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def many_targets(count: int) -> str:
    """A file of so many targets, half of them Heroku apps and half Kubernetes workloads, with three overlays."""
    lines = ["app: many", "image: user/many", "env: {MODE: live}", "targets:"]
    for number in range(count // 2):
        lines.append(
            f"  app{number}: {{kind: heroku, app: many-{number}, processes: {{web: {{quantity: 2, size: standard-1x}}}}}}"
        )
        lines.append(
            f"  eu{number}: {{kind: kubernetes, namespace: n{number}, port: 3000, replicas: 3, health: /up, cpu: 250m, env: {{N: '{number}'}}}}"
        )
    lines += ["environments:"]
    lines += [f"  e{number}: {{inherit: true, env: {{MODE: test}}}}" for number in range(3)]
    return "\n".join(lines) + "\n"


def hostile() -> Mapping[str, str]:
    """Files that cost other readers their memory or their stack."""
    laughs = ["x-a: &a [l, l, l, l, l, l, l, l, l]"]
    laughs += [f"x-{n}: &{n} [{', '.join([f'*{p}'] * 9)}]" for p, n in zip("abcdefgh", "bcdefghi", strict=True)]
    return {
        "aliases of aliases": "\n".join(laughs) + "\n",
        "a thousand brackets": f"app: a\nx: {'[' * 1000}\n",
        "half a million dashes": "- " * 500_000 + "x\n",
        "half a million question marks": "? " * 500_000 + "\n",
        "a mebibyte of text": f"app: a\nx: {'x' * (1024 * 1024 - 100)}\n",
        "50,000 unknown keys": "app: a\n" + "".join(f"k{number}: 1\n" for number in range(50_000)),
    }


def measure(path: Path) -> tuple[float, float]:
    """Median wall time in milliseconds and peak memory in MiB of one `shipit validate`."""
    command = [SHIPIT, "validate", "-f", str(path)]
    times = []
    for _ in range(RUNS):
        before = time.perf_counter()
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append((time.perf_counter() - before) * 1000)
    size = int(
        subprocess.run([sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=True).stdout
    )
    return round(statistics.median(times)), round(size / 1024 / 1024, 1)


def main() -> None:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        texts = {
            "the example": (ROOT / "deploy.example.yml").read_text(),
            "500 targets": many_targets(500),
            **hostile(),
        }
        for name, text in texts.items():
            path = Path(folder) / "deploy.yml"
            path.write_text(text)
            milliseconds, mebibytes = measure(path)
            found[name] = {"milliseconds": milliseconds, "MiB": mebibytes}
            print(f"{name:<32}{milliseconds:>7} ms{mebibytes:>8} MiB")
    result = {"python": platform.python_version(), "files": found, "limits": LIMITS}
    (ROOT / "benchmarks/language.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
