"""Memory does not grow with the image."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from tests.sampled import only_deep
from tests.servers.engine import DockerEngine
from tests.servers.registry import RegistryServer
from tests.shipit import Shipit

pytestmark = [pytest.mark.engine, pytest.mark.registry]

MIB = 1024 * 1024
LIMIT_MIB = 150
# A small program in between: a child begins with the size of the one that started it.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=sys.stderr)
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)
sys.exit(code)
"""


@pytest.mark.parametrize("builder", ["native", pytest.param("engine", marks=[pytest.mark.sampled, only_deep])])
def test_a_large_layer_is_built_and_pushed_in_little_memory(
    shipit: Shipit, engine: DockerEngine, registry_server: RegistryServer, builder: str
) -> None:
    shipit.write(
        Dockerfile="FROM scratch\nCOPY large /\n",
        deploy__yml=f"app: large\nimage: {{repository: {registry_server.host}/large/{builder}, tags: [v1], build: {{builder: {builder}}}}}\n"
        "targets: {hub: }\n",
    )
    dice = random.Random(builder)
    with (shipit.folder / "large").open("wb") as file:
        for _ in range(250):
            file.write(dice.randbytes(MIB))
    assert _deployed_in(shipit, DOCKER_HOST=engine.host) < LIMIT_MIB * MIB


@pytest.mark.sampled
@only_deep
def test_many_files_are_built_and_pushed_in_little_memory(shipit: Shipit, registry_server: RegistryServer) -> None:
    shipit.write(
        Dockerfile="FROM scratch\nCOPY . /app\n",
        deploy__yml=f"app: many\nimage: {{repository: {registry_server.host}/many, tags: [v1]}}\ntargets: {{hub: }}\n",
    )
    for package in range(1000):
        folder = shipit.folder / f"node_modules/package-{package}/lib"
        folder.mkdir(parents=True)
        for number in range(100):
            (folder / f"module-{number}.js").write_text(f"module {package} {number}\n")
    for what in ("first", "unchanged"):
        assert _deployed_in(shipit) < LIMIT_MIB * MIB, what


def _deployed_in(shipit: Shipit, **variables: str) -> int:
    """Deploy; the most memory that was held at once, in bytes."""
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "shipit", "deploy"]
    done = subprocess.run(
        command,
        cwd=shipit.folder,
        env={**shipit.env, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
