"""The walls: which room may import which, who may print, and what must not be in the source."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "shipit"
NOUNS = {
    "errors",
    "events",
    "envelope",
    "digest",
    "json_text",
    "platforms",
    "printable",
    "encoded",
    "escaped",
    "wrapped",
    "dumps",
    "past_release",
    "past_run",
    "files",
    "git_command",
    "process",
    "reference",
    "redact",
    "redact_log",
    "release",
    "record",
    "parallel",
    "clock",
    "threads",
    "",
}
# room -> rooms it may import, itself and the nouns apart
ALLOWED = {
    "errors": set(),
    "events": {"past_release", "past_run", "printable", "release"},
    "past_release": {"printable", "release"},
    "past_run": {"printable", "release"},
    "envelope": {"events", "printable", "record"},
    "digest": {"errors"},
    "printable": set(),
    "json_text": set(),
    "platforms": set(),
    "encoded": {"escaped", "wrapped"},
    "escaped": set(),
    "wrapped": set(),
    "dumps": set(),
    "reference": {"digest", "errors"},
    "record": {"errors"},
    "parallel": {"clock", "errors"},
    "redact": {"dumps", "encoded", "errors", "printable", "record", "wrapped"},
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
    "drafts": {"config"},
    "delivery": {"registry", "image", "docker", "http", "config"},
    "targets": {"delivery", "registry", "image", "docker", "http", "config", "drafts"},
    "history": set(),
    "pipeline": {"history", "targets", "delivery", "registry", "image", "docker", "http", "config"},
    "shortcut": {"config"},
    "report": set(),
    "rehearsal": {
        "report",
        "pipeline",
        "history",
        "targets",
        "delivery",
        "registry",
        "image",
        "docker",
        "http",
        "config",
    },
    "testing": {"pipeline", "targets", "delivery", "config"},
    "setup": {"image", "config", "drafts"},
    "cli": {
        "setup",
        "shortcut",
        "drafts",
        "report",
        "rehearsal",
        "pipeline",
        "history",
        "targets",
        "delivery",
        "registry",
        "image",
        "docker",
        "http",
        "config",
    },
}
FILES = sorted(SOURCE.rglob("*.py"))
# Cycles of imports that are still there: package -> the children that import each other. It only shrinks.
KNOWN_CYCLES: dict[str, list[list[str]]] = {}
# Modules of targets with these names have to be pure; others that say `Pure.` in their docstring are held to it as well.
PURE_NAMES = {"access", "applied", "drift", "judge", "plan", "render"}
IMPURE_IMPORTS = {
    "docker",
    "glob",
    "http.server",
    "io.open",
    "kubernetes",
    "os",
    "pathlib.Path",
    "random",
    "requests",
    "secrets",
    "select",
    "shutil",
    "signal",
    "subprocess",
    "tempfile",
    "time",
    "urllib.request",
    "urllib3",
    "uuid",
    "shipit.clock",
    "shipit.config.process_environment.read_process_environment",
    "shipit.docker.client",
    "shipit.files",
    "shipit.git_command",
    "shipit.http.transport",
    "shipit.process",
    "shipit.registry.client",
    "shipit.targets.engine.client",
    "shipit.targets.heroku.client",
    "shipit.targets.kubernetes.client",
}
IMPURE_CALLS = {"open", "input", "print", "socket.socket", "socket.create_connection", "socket.getaddrinfo"}
IMPURE_METHODS = {"now", "today", "utcnow", "gethostbyname", "read_text", "read_bytes", "write_text", "write_bytes"}
MODULES = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in FILES}


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


@cache
def _all_imports(file: Path) -> frozenset[str]:
    """What a module imports anywhere in it; `from a.b import c` gives `a.b.c` for a module c, and `a.b` otherwise."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & (MODULES | IMPURE_IMPORTS)) or {node.module}
    return frozenset(found)


def _imports(file: Path) -> set[str]:
    return {name for name in _all_imports(file) if name.split(".")[0] == "shipit"}


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
    shared = {"engine"} if kind in ("docker", "compose", "swarm") else set()
    for name in _imports(file):
        parts = name.split(".")
        if len(parts) > 3 and parts[1] == "targets":
            assert parts[2] in {kind, *shared}, f"{_module(file)} may not import {name}"


def test_setup_and_init_know_no_kind() -> None:
    """What a kind detects and drafts is in its own draft.py, reached through the list of kinds."""
    for file in [*(SOURCE / "setup").glob("*.py"), SOURCE / "cli/commands/init.py"]:
        for name in _imports(file):
            assert not name.startswith("shipit.targets.") or name == "shipit.targets.kinds", f"{file} imports {name}"


def test_the_pipeline_knows_no_kind() -> None:
    for file in (SOURCE / "pipeline").glob("*.py"):
        for name in _imports(file):
            assert not name.startswith("shipit.targets.") or name in (
                "shipit.targets.base",
                "shipit.targets.history",
                "shipit.targets.locks",
                "shipit.targets.log_query",
                "shipit.targets.verbs",
                "shipit.targets.session",
            ), f"{file.name} imports {name}"


def _children_imported(package: Path) -> dict[str, set[str]]:
    """Child of a package -> the other children that it imports, anywhere in it: in functions and for types, too.

    A child is a module, or a sub-package with all its modules.
    """
    prefix = f"{_module(package)}."
    found: dict[str, set[str]] = {}
    for file in package.rglob("*.py"):
        own = _module(file).removeprefix(prefix).split(".")[0]
        if own != "__init__":
            names = {name.removeprefix(prefix).split(".")[0] for name in _imports(file) if name.startswith(prefix)}
            found.setdefault(own, set()).update(names - {own})
    return found


def _reached(start: str, imported: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = imported.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached


def _cycles(package: Path) -> set[frozenset[str]]:
    """The largest sets of children of which each imports each other one, through others or itself."""
    imported = _children_imported(package)
    reached = {child: _reached(child, imported) for child in imported}
    return {frozenset(other for other in reached[child] if child in reached.get(other, ())) for child in reached} - {
        frozenset()
    }


@pytest.mark.parametrize("package", sorted({file.parent for file in FILES}), ids=_module)
def test_modules_and_sub_rooms_import_each_other_in_no_cycle(package: Path) -> None:
    known, found = KNOWN_CYCLES.get(_module(package), []), _cycles(package)
    new = [sorted(cycle) for cycle in found if not any(cycle <= set(old) for old in known)]
    assert not new, f"{_module(package)}: these import each other in a cycle: {new}"
    gone = [old for old in known if not any(cycle <= set(old) for cycle in found)]
    assert not gone, f"{_module(package)}: this cycle is gone, remove it from KNOWN_CYCLES: {gone}"


def _says_pure(file: Path) -> bool:
    """Whether its docstring has the word. Most files are not parsed for it, which would take seconds at each collection."""
    text = file.read_text()
    return "Pure." in text and bool(re.search(r"\bPure\.", ast.get_docstring(ast.parse(text)) or ""))


@pytest.mark.parametrize("file", [f for f in FILES if "targets" in f.parts and f.stem in PURE_NAMES], ids=_module)
def test_planners_and_judges_say_that_they_are_pure(file: Path) -> None:
    assert _says_pure(file), f"{_module(file)} should say `Pure.` in its docstring"


@pytest.mark.parametrize("file", [f for f in FILES if _says_pure(f)], ids=_module)
def test_pure_modules_use_no_client_clock_file_or_environment(file: Path) -> None:
    assert not (used := _effects(file)), f"{_module(file)} says that it is pure, and uses {', '.join(sorted(used))}"


def _effects(file: Path) -> set[str]:
    """Names of imports and calls that reach outside of a module's arguments."""
    found = {name for name in _all_imports(file) if _is_within(name, IMPURE_IMPORTS)}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in IMPURE_CALLS or called.rpartition(".")[2] in IMPURE_METHODS:
                found.add(f"{called}()")
    return found


def _is_within(name: str, modules: set[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:count]) in modules for count in range(1, len(parts) + 1))


def test_only_config_reads_the_process_environment() -> None:
    for file in FILES:
        text = file.read_text()
        if "os.environ" in text or "getenv" in text:
            room = _room(_module(file))
            assert room in ("config", "rehearsal"), f"{_module(file)} reads the environment"


def test_commands_print_through_one_module() -> None:
    """What it does not print is neither redacted nor escaped."""
    for file in (SOURCE / "cli").rglob("*.py"):
        if file.name in ("printing.py", "main.py"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "typer.echo", "sys.stdout.write", "sys.stderr.write"), file.name


def test_no_server_of_the_tests_ends_in_a_finalizer() -> None:
    """It would run while another test does, and fail there when the server could not be started."""
    for file in (ROOT / "tests/servers").rglob("*.py"):
        assert "def __del__" not in file.read_text(), file.name


@pytest.mark.parametrize(
    ("name", "asking"), [("cluster", r"\bcluster: Cluster\b"), ("engine", r"\w: (?:DockerEngine|BuildKit)\b")]
)
def test_the_test_command_looks_for_tests_of_a_server_in_the_folders_that_have_them(name: str, asking: str) -> None:
    folders = re.search(rf'^{name}_folders="(.*)"$', (ROOT / "bin/test").read_text(), re.MULTILINE)
    assert folders is not None
    for file in (ROOT / "tests").rglob("test_*.py"):
        if re.search(asking, file.read_text()):
            assert str(file.parent.relative_to(ROOT)) in folders[1].split(), file
