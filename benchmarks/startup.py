"""How fast the program starts: `--version` beside `import typer`, `validate` beside benchmarks/control.py.

Prints medians of nine runs, taken in turn, in milliseconds; writes them to benchmarks/startup.json.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = 9
SHIPIT = str(Path(sys.executable).with_name("shipit"))
EXAMPLE = str(ROOT / "deploy.example.yml")


def measure(commands: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Median wall time of each command in milliseconds, after one run that does not count."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(RUNS + 1):
        for name, command in commands.items():
            before = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
            if turn:
                times[name].append((time.perf_counter() - before) * 1000)
    return {name: round(statistics.median(values), 1) for name, values in times.items()}


def main() -> None:
    found = measure(
        {
            "import typer": [sys.executable, "-c", "import typer"],
            "shipit --version": [SHIPIT, "--version"],
            "control.py": [sys.executable, str(ROOT / "benchmarks/control.py"), EXAMPLE],
            "shipit validate": [SHIPIT, "validate", "-f", EXAMPLE],
        }
    )
    ratios = {
        "version to import typer (at most 1.3)": round(found["shipit --version"] / found["import typer"], 2),
        "validate to control (at most 1.35)": round(found["shipit validate"] / found["control.py"], 2),
    }
    for name, value in {**found, **ratios}.items():
        print(f"{name:<40}{value:>8}")
    result = {"python": platform.python_version(), "milliseconds": found, "ratios": ratios}
    (ROOT / "benchmarks/startup.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
