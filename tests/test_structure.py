"""The walls: which room may import which, who may print, and what must not be in the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "shipit"
NOUNS = {
    "errors",
    "events",
    "digest",
    "json_text",
    "platforms",
    "printable",
    "encoded",
    "files",
    "git_command",
    "process",
    "reference",
    "redact",
    "redact_log",
    "release",
    "clock",
    "threads",
    "",
}
# room -> rooms it may import, itself and the nouns apart
ALLOWED = {
    "errors": set(),
    "events": {"printable"},
    "digest": {"errors"},
    "printable": set(),
    "json_text": set(),
    "platforms": set(),
    "encoded": set(),
    "reference": {"digest", "errors"},
    "redact": {"encoded", "errors", "printable"},
    "redact_log": {"printable", "redact"},
    "release": {"digest", "printable"},
    "clock": {"errors"},
    "files": {"errors"},
    "git_command": {"process"},
    "process": {"clock", "errors"},
    "threads": {"clock", "errors"},
    "config": set(),
    "http": {"config"},
    "docker": {"http", "config"},
    "image": {"docker"},
    "registry": {"image", "docker", "http", "config"},
    "targets": {"registry", "image", "docker", "http", "config"},
    "pipeline": {"targets", "registry", "image", "docker", "http", "config"},
    "report": set(),
    "rehearsal": {"report", "pipeline", "targets", "registry", "image", "docker", "http", "config"},
    "setup": {"image", "config"},
    "cli": {"setup", "report", "rehearsal", "pipeline", "targets", "registry", "image", "docker", "http", "config"},
}
FILES = sorted(SOURCE.rglob("*.py"))


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def _imports(file: Path) -> list[str]:
    tree = ast.parse(file.read_text())
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.append(node.module)
    return [name for name in found if name.split(".")[0] == "shipit"]


def _module(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_imports_point_one_way(file: Path) -> None:
    own = _module(file)
    room = _room(own)
    if room in ("", "__init__", "__main__"):
        return
    base = NOUNS if room not in NOUNS else set()
    for name in _imports(file):
        assert _room(name) in ALLOWED[room] | base | {room}, f"{own} may not import {name}"


@pytest.mark.parametrize("file", [f for f in FILES if "targets" in f.parts], ids=_module)
def test_a_kind_imports_no_other_kind(file: Path) -> None:
    kind = file.relative_to(SOURCE / "targets").parts[0]
    for name in _imports(file):
        parts = name.split(".")
        if parts[1] == "targets" and len(parts) > 3:
            assert parts[2] == kind, f"{_module(file)} may not import {name}"


def test_the_pipeline_knows_no_kind() -> None:
    for file in (SOURCE / "pipeline").glob("*.py"):
        for name in _imports(file):
            assert not name.startswith("shipit.targets.") or name == "shipit.targets.base", (
                f"{file.name} imports {name}"
            )


@pytest.mark.parametrize(
    "file", [f for f in FILES if f.name in ("plan.py", "judge.py", "render.py", "drift.py")], ids=_module
)
def test_planners_and_judges_touch_nothing(file: Path) -> None:
    tree = ast.parse(file.read_text())
    names = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    names |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not names & {"os", "time", "requests", "urllib3", "subprocess", "pathlib", "random"}
    assert not any(name.endswith((".client", ".clock")) for name in _imports(file))


def test_only_config_reads_the_process_environment() -> None:
    for file in FILES:
        text = file.read_text()
        if "os.environ" in text or "getenv" in text:
            room = _room(_module(file))
            assert room in ("config", "rehearsal"), f"{_module(file)} reads the environment"


def test_commands_print_through_one_module() -> None:
    """What it does not print is neither redacted nor escaped."""
    for file in (SOURCE / "cli").rglob("*.py"):
        if file.name in ("say.py", "main.py"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "typer.echo", "sys.stdout.write", "sys.stderr.write"), file.name
