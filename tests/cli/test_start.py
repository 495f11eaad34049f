"""What a command imports. The start of the program takes most of the time of a short command, so its imports have bounds.

A bound is a fifth more than what the command imported when it was set. A room that a command needs only sometimes is imported
where it is used.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shipit.rehearsal.registry import EmbeddedRegistry
from tests.servers.kube_api import KubeApi
from tests.shipit import Shipit

FILE = """\
app: shop
image: {host}/shop
targets:
  hub:
  k8s: {{context: mem, namespace: prod, settle: 0s, workloads: {{web: }}}}
"""
# The last line that the process writes.
PRINT_MODULES = """\
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
from shipit.cli.main import main
main()
"""
NEVER = ("encodings.idna", "rich", "requests", "urllib3", "docker", "kubernetes", "importlib.metadata", "shipit.setup")
BUILDING = ("shipit.image.native", "shipit.image.engine", "shipit.image.layers", "shipit.image.dockerfile")
CHANGING = tuple(
    f"shipit.targets.kubernetes.{name}"
    for name in ("plan", "plan_secrets", "apply", "applied", "dry_run", "judge", "prune", "steps", "destroy", "run_job")
)
READING = (*NEVER, *BUILDING, "shipit.targets.heroku.target", *CHANGING)
DELIVERY = ("shipit.delivery", "shipit.registry", "shipit.image")


@pytest.fixture
def shop(shipit: Shipit) -> Iterator[Shipit]:
    """A project that is deployed to a registry and an API server in memory."""
    with EmbeddedRegistry() as registry, KubeApi() as api:
        shipit.env |= {"KUBECONFIG": api.kubeconfig(shipit.folder.parent / "kube")}
        shipit.write(deploy__yml=FILE.format(host=registry.host), Dockerfile='FROM scratch\nCMD ["/shop"]\n')
        assert shipit.run("deploy").returncode == 0
        yield shipit


def imports(shipit: Shipit, *words: str) -> set[str]:
    """The modules that a command has imported at its end, however it ends."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT_MODULES, *words], cwd=shipit.folder, env=shipit.env, capture_output=True, text=True, check=False
    )  # fmt: skip
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.program
@pytest.mark.parametrize(
    ("line", "never", "most"),
    [
        ("validate", (*READING, *DELIVERY, "shipit.pipeline", "ssl", "http"), 120),
        ("exec k8s/web -- true", (*READING, *DELIVERY), 240),
        ("logs k8s/web", (*READING, *DELIVERY), 250),
        ("status k8s", (*NEVER, *BUILDING, *DELIVERY), 290),
        ("status hub", (*NEVER, *BUILDING, "tarfile"), 250),
        (
            "deploy k8s",
            (*NEVER, "shipit.image.engine", "shipit.report.github", "shipit.targets.kubernetes.history"),
            480,
        ),
        ("push hub", (*NEVER, "shipit.image.engine", "shipit.report.github", "shipit.report.terminal"), 330),
    ],
)
def test_a_command_imports_what_it_needs(shop: Shipit, line: str, never: tuple[str, ...], most: int) -> None:
    found = imports(shop, *line.split())
    rooms = {module.rpartition(".")[0] for module in found} | found
    assert not rooms & set(never), rooms & set(never)
    own = [module for module in found if module.startswith("shipit")]
    assert len(own) <= most, own


@pytest.mark.program
@pytest.mark.parametrize("line", ["validate", "status --output json", "push hub --output json", "deploy -e production"])
def test_a_plain_command_line_is_read_without_typer(shop: Shipit, line: str) -> None:
    assert "typer" not in imports(shop, *line.split())
    assert "typer" in imports(shop, *line.split(), "-fdeploy.yml")


@pytest.mark.program
def test_logs_that_are_given_again_import_neither_the_command_line_nor_models(shop: Shipit) -> None:
    imports(shop, "logs", "k8s/web")
    found = imports(shop, "logs", "k8s/web")
    never = {*READING, *DELIVERY, "typer", "pydantic", "shipit.config.load", "shipit.cli.app"}
    assert not found & never, found & never
    own = [module for module in found if module.startswith("shipit")]
    assert len(own) <= 128, own


def test_the_stand_in_for_pydantics_loader_of_plugins_finds_none_and_has_the_loaders_other_names() -> None:
    text = (
        "from shipit.config.process_environment import forbid_plugins; forbid_plugins()\n"
        "from pydantic.plugin import _loader\n"
        "assert tuple(_loader.get_plugins()) == ()\n"
        "print(_loader.PYDANTIC_ENTRY_POINT_GROUP)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "pydantic\n"
