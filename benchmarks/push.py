"""Build and push, whole processes, beside the peers that are installed; medians of several rounds taken in turn.

The image: a base of 72 MB and five COPY layers of 147 MB in 5,266 files. The registry is docker-registry on loopback.
Four cases: nothing changed, one file in a layer of 0.5 MB, one file in a layer of 5,000 files and 53 MB, and cold, with
no cache and only the base in the registry. Each tool has its own context, cache and repositories.

    python -m benchmarks.push [ROUNDS] [--alone | --classic]

With `--alone` no peer is measured; with `--classic` also Docker's classic builder, whose rounds take a minute and more.
"""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.engine import DockerEngine, install_buildx
from tests.servers.install import find
from tests.servers.registry import RegistryServer

ROOT = Path(__file__).parent.parent
SHIPIT = str(Path(sys.executable).with_name("shipit"))
CASES = ("nothing changed", "one file of 0.5 MB", "one file of 53 MB", "cold")
LIMITS_S = {"nothing changed": 0.25, "one file of 0.5 MB": 0.30, "one file of 53 MB": 0.6, "cold": 1.2}
MIB = 1024 * 1024


def write_context(folder: Path, host: str) -> None:
    """The five layers: random bytes, programs, many sources, some text, and the app; the same for every tool."""
    dice = random.Random(7)
    (folder / "blob").mkdir(parents=True)
    for index in range(6):
        (folder / f"blob/{index}").write_bytes(dice.randbytes(7 * MIB))
    (folder / "native").mkdir()
    program = b"".join(Path(path).read_bytes() for path in ("/usr/bin/python3.11", "/usr/bin/git", "/bin/bash"))
    data = (program * (47 * MIB // len(program) + 1))[: 47 * MIB]
    for index in range(10):
        (folder / f"native/{index}.so").write_bytes(data[index::10][: 47 * MIB // 10])
    sources = [file.read_bytes() for file in sorted(Path("/usr/lib/python3.11").rglob("*.py"))]
    for index in range(5000):
        file = folder / f"deps/package{index % 100}/module{index}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        source = sources[index % len(sources)]
        file.write_bytes((b"# %d\n" % index + source * 9)[:9800])
    for index in range(200):
        (folder / "static").mkdir(exist_ok=True)
        (folder / f"static/{index}.json").write_text(json.dumps([dice.random() for _ in range(2200)]))
    for index in range(50):
        (folder / "app").mkdir(exist_ok=True)
        (folder / f"app/{index}.py").write_bytes(sources[index][:10_000].ljust(10_000))
    copies = "".join(f"COPY {name} /srv/{name}\n" for name in ("blob", "native", "deps", "static", "app"))
    (folder / "Dockerfile").write_text(f'FROM {host}/base:v1\n{copies}CMD ["/bin/sh"]\n')


def write_base(folder: Path) -> None:
    """A root of about 72 MB: a shell, Python, git, and what they are linked with."""
    root = folder / "root"
    (root / "bin").mkdir(parents=True)
    shutil.copy(find("busybox"), root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    for path in ("/usr/lib/python3.11", "/usr/lib/git-core"):
        shutil.copytree(
            path, root / path.lstrip("/"), symlinks=True, ignore=shutil.ignore_patterns("test", "__pycache__")
        )
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY root /\n")


@dataclass
class Tool:
    """One way to build and push. `commands(folder, repository)` are run in turn; `forget` drops its cache."""

    name: str
    commands: Callable[[Path, str], list[list[str]]]
    variables: Mapping[str, str]
    forget: Callable[[], None]
    folder: Path
    times: dict[str, list[float]] = field(default_factory=lambda: {case: [] for case in CASES})

    def run(self, repository: str) -> float:
        commands = self.commands(self.folder, repository)
        before = time.perf_counter()
        for command in commands:
            done = subprocess.run(command, cwd=self.folder, env=dict(self.variables), capture_output=True, check=False)
            if done.returncode != 0:
                raise SystemExit(f"{self.name}: {' '.join(command)}\n{done.stderr.decode()}{done.stdout.decode()}")
        return time.perf_counter() - before


def shipit_tool(work: Path, host: str) -> Tool:
    folder, cache = work / "shipit", work / "cache"
    write_context(folder, host)

    def commands(where: Path, repository: str) -> list[list[str]]:
        (where / "deploy.yml").write_text(
            f"app: measured\nimage: {{repository: {repository}, tags: [v1]}}\ntargets: {{hub: }}\n"
        )
        return [[SHIPIT, "push"]]

    (folder / ".dockerignore").write_text("deploy.yml\n")
    variables = {**os.environ, "SHIPIT_CACHE_DIR": str(cache)}
    return Tool("shipit", commands, variables, lambda: shutil.rmtree(cache, ignore_errors=True), folder)


def docker_tool(work: Path, host: str, engine: DockerEngine, *, buildkit: bool) -> Tool:
    name = "docker buildx" if buildkit else "docker (classic)"
    folder = work / ("buildx" if buildkit else "classic")
    write_context(folder, host)
    config = work / f"config-{folder.name}"
    config.mkdir()
    if buildkit:
        install_buildx(config)
    variables = {
        **os.environ,
        "DOCKER_HOST": engine.host,
        "DOCKER_CONFIG": str(config),
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }
    variables["DOCKER_BUILDKIT"] = "1" if buildkit else "0"
    build = ["docker", "buildx", "build", "--load"] if buildkit else ["docker", "build"]

    def commands(where: Path, repository: str) -> list[list[str]]:
        return [[*build, "-q", "-t", f"{repository}:v1", "."], ["docker", "push", "-q", f"{repository}:v1"]]

    def forget() -> None:
        for command in (["docker", "builder", "prune", "-af"], ["docker", "image", "prune", "-af"]):
            subprocess.run(command, env=variables, capture_output=True, check=False)
        subprocess.run(["docker", "pull", "-q", f"{host}/base:v1"], env=variables, capture_output=True, check=True)

    return Tool(name, commands, variables, forget, folder)


def measure(tools: list[Tool], host: str, rounds: int) -> None:
    """Every case in every round, the tools in turn."""
    for turn in range(rounds + 1):
        for tool in tools:
            for case in CASES[::-1]:
                repository = f"{host}/{tool.folder.name}/r{turn}"
                if case == "cold":
                    tool.forget()
                elif case == "one file of 53 MB":
                    (tool.folder / "deps/package7/module7.py").write_text(f"changed = {time.time_ns()}\n")
                elif case == "one file of 0.5 MB":
                    (tool.folder / "app/7.py").write_text(f"changed = {time.time_ns()}\n")
                time.sleep(0.3)
                took = tool.run(repository)
                if turn:
                    tool.times[case].append(took)


def main() -> None:
    rounds = int(next((word for word in sys.argv[1:] if word.isdigit()), 5))
    with tempfile.TemporaryDirectory(prefix="shipit-bench-") as name:
        work = Path(name)
        registry = RegistryServer(work / "registry")
        engine = None if "--alone" in sys.argv else DockerEngine(work / "engine", beside=True)
        try:
            write_base(work / "base")
            (work / "base/deploy.yml").write_text(
                f"app: base\nimage: {{repository: {registry.host}/base, tags: [v1]}}\ntargets: {{hub: }}\n"
            )
            base = {**os.environ, "SHIPIT_CACHE_DIR": str(work / "base-cache")}
            subprocess.run([SHIPIT, "push"], cwd=work / "base", env=base, check=True, capture_output=True)
            tools = [shipit_tool(work, registry.host)]
            if engine is not None:
                kits = (True, False) if "--classic" in sys.argv else (True,)
                tools += [docker_tool(work, registry.host, engine, buildkit=kit) for kit in kits]
            measure(tools, registry.host, rounds)
        finally:
            if engine is not None:
                engine.stop()
            registry.stop()
    found = {tool.name: {case: round(statistics.median(tool.times[case]), 3) for case in CASES} for tool in tools}
    print(f"{'seconds, median of ' + str(rounds):<28}" + "".join(f"{case:>22}" for case in CASES))
    for tool_name, row in found.items():
        print(f"{tool_name:<28}" + "".join(f"{row[case]:>22.3f}" for case in CASES))
    print(f"{'at most':<28}" + "".join(f"{LIMITS_S[case]:>22.3f}" for case in CASES))
    result = {"python": platform.python_version(), "rounds": rounds, "seconds": found, "limits": LIMITS_S}
    (ROOT / "benchmarks/push.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
